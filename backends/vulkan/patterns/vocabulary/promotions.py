"""The dtype that an op computes in, where PyTorch converts operands of other dtypes first.

Kernels take operands of one dtype; `passes/converted_operands.py` puts the conversions in front.
"""

from __future__ import annotations

import torch
from torch.fx import Node

from ...custom_ops.definition import edge_op
from ...runtime.graph.ops.glsl import elementwise
from .edge_ops import ANY_OPS, CUMSUM, INDEX_DTYPES, tensor_of

_FUNCTIONS: tuple[elementwise.Unary | elementwise.Binary, ...] = (
    *elementwise.ALL_UNARY,
    *elementwise.ALL_BINARY,
)
_TABLE_OPS = frozenset(edge_op(row.aten, "aten") for row in elementwise.ROWS)
_NUMBER_OPS = frozenset(
    edge_op(row.aten, "aten") for row in _FUNCTIONS if row.result != elementwise.BOOL
)
# Those that never give numbers.
_TRUTH_OPS = (
    frozenset(edge_op(row.aten, "aten") for row in _FUNCTIONS if row.result == elementwise.BOOL)
    - _NUMBER_OPS
)
_CONDITION_OPS = frozenset(edge_op(row.aten, "aten") for row in elementwise.TERNARY)


def is_same(left: torch.dtype, right: torch.dtype) -> bool:
    """True for dtypes that are one on the device, as int32 and int64 are."""
    return left == right or (left in INDEX_DTYPES and right in INDEX_DTYPES)


def converted_operands(node: Node) -> dict[int, torch.dtype]:
    """To what PyTorch converts tensors that `node` reads, by their positions in its arguments."""
    dtype = _computed_dtype(node)
    if dtype is None:
        return {}
    found = _operands(node).items()
    return {index: dtype for index, tensor in found if not is_same(tensor.dtype, dtype)}


def _operands(node: Node) -> dict[int, torch.Tensor]:
    first = 1 if node.target in _CONDITION_OPS else 0
    return {
        index: tensor
        for index, one in enumerate(node.args)
        if index >= first and isinstance(one, Node) and (tensor := tensor_of(one)) is not None
    }


def _computed_dtype(node: Node) -> torch.dtype | None:
    """None for an op that is none of the table, a cumulative sum or any()."""
    if node.target in ANY_OPS:
        [tensor] = _operands(node).values()
        return torch.bool if tensor.dtype in INDEX_DTYPES else tensor.dtype
    if node.target in _TRUTH_OPS:
        numbers = [one for one in node.args if isinstance(one, (bool, int, float))]
        first, *others = _operands(node).values()
        dtype = torch.result_type(first, (*others, *numbers, first)[0])
        return torch.float32 if dtype.is_floating_point else dtype
    result = tensor_of(node)
    if result is None or node.target not in _TABLE_OPS | {CUMSUM}:
        return None
    return result.dtype
