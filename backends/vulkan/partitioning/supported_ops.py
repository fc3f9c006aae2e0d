"""The ops outside of int8 steps that our runtime runs, and why it refuses a node.

The steps themselves are matched by `patterns/steps.py`. One row of `SUPPORTED` per op.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from executorch.exir.delegate import executorch_call_delegate
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    CLAMP_TENSOR,
    CLONE_OPS,
    CONVOLUTION,
    COPY,
    CUMSUM,
    DEQUANTIZE,
    EXTREME_OPS,
    FIRST_RESULT_OPS,
    LINEAR_OPS,
    MOVE_OPS,
    PAD,
    POOL_OPS,
    QUANTIZE,
    REPEAT,
    SLICE_SCATTER,
    SPLIT_OPS,
    SQUEEZE,
    SYM_SIZE,
    UNSQUEEZE,
    UPSAMPLE_BILINEAR,
    UPSAMPLE_NEAREST,
    VIEW,
    float_problem,
    is_float32,
    is_part,
    is_symint,
    named_argument,
    node_argument,
    op_name,
    op_of,
    static_quant_params,
    tensor_of,
)
from ..patterns.vocabulary.expressions import is_pointwise
from ..patterns.vocabulary.moves import moved_inputs
from .convolution_ops import convolution_problem
from .creation import CREATION_OPS, creation_problem
from .float_ops import ROWS, float_op_problem
from .inset_ops import pad_problem, repeat_problem, two_tensors_problem
from .matmul_ops import matmul_problem
from .norm_ops import NORM_OPS, norm_problem
from .picks import (
    ARG_OPS,
    CONVERT_OPS,
    PICK_OPS,
    arg_problem,
    conversion_problem,
    extreme_problem,
    pick_problem,
)
from .pool_ops import pool_problem
from .scan_ops import scan_problem
from .scatter_ops import WRITE_OPS, write_problem
from .tensor_clamps import tensor_clamp_problem
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem

# What becomes of an op without a kernel where no other backend takes it.
ON_THE_CPU = ", so it runs on the CPU and parts the layers around it"

# A check gives the reason for refusing a node, or None.
Check = Callable[[Node], "str | None"]


def _check_quantization(node: Node) -> str | None:
    params = static_quant_params(node)
    if params is None:
        return "scale or zero point is not a literal; quantize it statically, per tensor"
    return params.int8_problem() or _check_dtypes(node, (torch.float32, torch.int8))


def _check_dequantization(node: Node) -> str | None:
    out_dtype = named_argument(node, 6, "out_dtype")
    if out_dtype not in (None, torch.float32):
        return float_problem(node) or f"out_dtype is {out_dtype}; dequantize to float32"
    return _check_quantization(node)


def _check_alias(node: Node) -> str | None:
    problem = _check_dtypes(node, MOVED_DTYPES)
    source, result = tensor_of(node_argument(node, 0)), tensor_of(node)
    if problem is not None or source is None or result is None:
        return problem
    if source.dtype != result.dtype:
        return f"it views {source.dtype} as {result.dtype}; convert it with to()"
    return None


def _check_move(node: Node) -> str | None:
    if problem := rank_problem(node):
        return problem
    problems = (_check_layout(one) for one in (*moved_inputs(node), node))
    return next((problem for problem in problems if problem is not None), None)


def _check_nearest(node: Node) -> str | None:
    return _factors_problem(node, 2) or _check_move(node)


def _check_bilinear(node: Node) -> str | None:
    return _factors_problem(node, 3) or _check_dtypes(node, (torch.float32,))


def _factors_problem(node: Node, index: int) -> str | None:
    factors = named_argument(node, index, "scale_factors")
    if factors is None or all(isinstance(factor, (int, float)) for factor in factors):
        return None
    return "its scale factors are computed at run time; give it numbers or an output size"


def _check_part(node: Node) -> str | None:
    if is_part(node):
        return _check_move(node)
    op = op_of(node)
    if op.target in FIRST_RESULT_OPS | EXTREME_OPS:
        return refusal(op)
    if op.target in SPLIT_OPS:
        return "it is a part of a split whose sizes are computed at run time"
    return f"it is a result of {readable_name(op)}, which is not on Vulkan"


def _check_split(node: Node) -> str | None:
    if not all(is_part(user) for user in node.users):
        return "its sizes are computed at run time"
    return _check_layout(node_argument(node, 0))


def _check_layout(node: Node) -> str | None:
    return dtype_problem(node, MOVED_DTYPES) or layout_problem(node)


def _check_dtypes(node: Node, allowed: tuple[torch.dtype, ...]) -> str | None:
    for one in (node_argument(node, 0), node):
        if problem := dtype_problem(one, allowed) or layout_problem(one):
            return problem
    return None


def _check_scalars(node: Node) -> str | None:
    return None if is_symint(node) else "it is not integer arithmetic on sizes"


# What does more than to quantize, dequantize, view or move.
_COMPUTING: Mapping[Any, Check] = {
    **dict.fromkeys(ROWS, float_op_problem),
    **dict.fromkeys(PICK_OPS, pick_problem),
    **dict.fromkeys(WRITE_OPS, write_problem),
    **dict.fromkeys(ARG_OPS, arg_problem),
    **dict.fromkeys(EXTREME_OPS, extreme_problem),
    CUMSUM: scan_problem,
    CLAMP_TENSOR: tensor_clamp_problem,
    **dict.fromkeys(CREATION_OPS, creation_problem),
    **dict.fromkeys(CONVERT_OPS, conversion_problem),
    **dict.fromkeys(LINEAR_OPS, matmul_problem),
    CONVOLUTION: convolution_problem,
    **dict.fromkeys(NORM_OPS, norm_problem),
    **dict.fromkeys(POOL_OPS, pool_problem),
    UPSAMPLE_BILINEAR: _check_bilinear,
}
SUPPORTED: Mapping[Any, Check] = {
    **_COMPUTING,
    QUANTIZE: _check_quantization,
    DEQUANTIZE: _check_dequantization,
    VIEW: _check_alias,
    SQUEEZE: _check_alias,
    UNSQUEEZE: _check_alias,
    **dict.fromkeys(CLONE_OPS, _check_alias),
    **dict.fromkeys(MOVE_OPS, _check_move),
    REPEAT: repeat_problem,
    PAD: pad_problem,
    SLICE_SCATTER: two_tensors_problem,
    COPY: two_tensors_problem,
    UPSAMPLE_NEAREST: _check_nearest,
    **dict.fromkeys(SPLIT_OPS, _check_split),
    operator.getitem: _check_part,
    SYM_SIZE: _check_scalars,
    operator.add: _check_scalars,
    operator.sub: _check_scalars,
    operator.mul: _check_scalars,
    operator.floordiv: _check_scalars,
}


def computes(node: Node) -> bool:
    """True for an op that is worth a delegate, if its amount is, and for its results where they are
    a list; views and moves are not, nor are quantizes and dequantizes."""
    return op_of(node).target in _COMPUTING


def readable_name(node: Node) -> str:
    """The name of an op as a user knows it."""
    return "another delegate" if node.target is executorch_call_delegate else op_name(node)


def refusal(node: Node) -> str | None:
    """Why our runtime can't run `node` outside a layer, or None where it can."""
    check = SUPPORTED.get(node.target)
    if check is not None:
        return check(node)
    operands = _int8_operands(node)
    if operands:
        names = ", ".join(operand.name for operand in operands)
        return (
            f"{op_name(node)} runs here in int8 only, and this one is float; quantize what it "
            f"reads ({names}) and its result"
        )
    return (
        f"{readable_name(node)} has no kernel here{ON_THE_CPU}; README lists the ops that have one"
    )


def _int8_operands(node: Node) -> list[Node]:
    """What a function reads that is a table in int8; empty for all others."""
    if node.op != "call_function" or not is_float32(node):
        return []
    operands = [one for one in node.all_input_nodes if tensor_of(one) is not None]
    if not all(map(is_float32, operands)):
        return []
    return operands if is_pointwise(node) and len(operands) == 1 else []
