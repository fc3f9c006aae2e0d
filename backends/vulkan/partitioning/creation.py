"""Ops that make a tensor of numbers alone, of dynamic sizes: why our runtime refuses one.

Those of static sizes are constants, whatever they hold.
"""

from __future__ import annotations

from typing import Any

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import is_symint, named_argument, op_name, tensor_of
from .integers import integer_problem
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem

_aten = exir_ops.edge.aten
ARANGE = _aten.arange.start_step
_FULL_OPS = frozenset({_aten.full.default, _aten.full_like.default})
CREATION_OPS = _FULL_OPS | {
    ARANGE,
    _aten.zeros.default,
    _aten.ones.default,
    _aten.zeros_like.default,
    _aten.ones_like.default,
}


def creation_problem(node: Node) -> str | None:
    """Why our runtime can't run one of `CREATION_OPS`, or None where it can."""
    if node.target == ARANGE:
        problem = dtype_problem(node, (torch.float32, torch.int32, torch.int64))
        names = (("start", None), ("end", None), ("step", 1))
        for index, (name, default) in enumerate(names):
            problem = problem or _bound_problem(name, named_argument(node, index, name, default))
    else:
        problem = dtype_problem(node, MOVED_DTYPES)
        if node.target in _FULL_OPS:
            value = named_argument(node, 1, "fill_value")
            problem = problem or fill_problem(node, "fill_value", value)
    return problem or rank_problem(node) or layout_problem(node)


def _bound_problem(name: str, value: Any) -> str | None:
    if isinstance(value, Node) and is_symint(value):
        return None
    if not isinstance(value, (int, float)) or value != int(value):
        return f"{name} of a range of dynamic size is {value}; give it an integer"
    return integer_problem(name, int(value))


def fill_problem(node: Node, name: str, value: Any) -> str | None:
    """Why the argument `name` can't be elements of the node's tensor, or None."""
    if not isinstance(value, (int, float)):
        return f"{name} is computed at run time; give {op_name(node)} a number"
    tensor = tensor_of(node)
    assert tensor is not None
    if tensor.is_floating_point() or tensor.dtype == torch.bool:
        return None
    if value != value or abs(value) == float("inf"):
        return f"{name} is {value} and the result {tensor.dtype}"
    return integer_problem(name, int(value))
