"""Softmax, norms and the variance, the float32 ops that one kernel makes of statistics of rows, and
any(), of bool as well: why our runtime refuses a node of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    ANY_OPS,
    BATCH_NORM_OF_BATCH,
    GROUP_NORM,
    INDEX_DTYPES,
    LAYER_NORM,
    LOG_SOFTMAX,
    SOFTMAX,
    VARIANCE,
    arguments_of,
    first_result,
    op_name,
)
from .float_ops import is_tensor
from .tensor_problems import dtype_problem, layout_problem, rank_problem

# Arguments that may be computed from sizes, for the runtime reads them there, or not at all.
_SIZES = ("normalized_shape", "N", "C", "HxW")


def _softmax_problem(arguments: Mapping[str, Any]) -> str | None:
    return "half_to_float is set; it runs here in float32" if arguments["half_to_float"] else None


def _batch_norm_problem(arguments: Mapping[str, Any]) -> str | None:
    return None if arguments["training"] else "it has no statistics of its own; set training"


def _operand_problem(operand: Node, op: Any) -> str | None:
    # Of any(), PyTorch asks integers whether they are zero, which is a conversion to bool.
    allowed = (torch.float32, torch.bool, *INDEX_DTYPES) if op in ANY_OPS else (torch.float32,)
    return dtype_problem(operand, allowed) or layout_problem(operand)


_CHECKS: Mapping[Any, Callable[[Mapping[str, Any]], str | None]] = {
    SOFTMAX: _softmax_problem,
    LOG_SOFTMAX: _softmax_problem,
    BATCH_NORM_OF_BATCH: _batch_norm_problem,
}
NORM_OPS = frozenset({*_CHECKS, LAYER_NORM, GROUP_NORM, VARIANCE, *ANY_OPS})


def norm_problem(node: Node) -> str | None:
    """Why our runtime can't run `node`, which calls one of `NORM_OPS`, or None where it can."""
    arguments = arguments_of(node)
    operands = [value for value in arguments.values() if is_tensor(value)]
    for name, value in arguments.items():
        if name not in _SIZES and isinstance(value, (Node, torch.SymInt)) and not is_tensor(value):
            return f"{name} is computed at run time; give {op_name(node)} a number"
    check = _CHECKS.get(node.target)
    return (
        (check(arguments) if check is not None else None)
        or rank_problem(node)
        or next(filter(None, (_operand_problem(one, node.target) for one in operands)), None)
        or _result_problem(node)
    )


def _result_problem(node: Node) -> str | None:
    result = first_result(node)
    if result is None:
        return "only the first of its results is computed here, and another one is read"
    return layout_problem(result)
