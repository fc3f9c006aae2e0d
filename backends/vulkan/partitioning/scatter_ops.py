"""Ops that write to places that tensors of integers give: why our runtime refuses one."""

from __future__ import annotations

from typing import Any

from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    INDEX_DTYPES,
    INDEX_PUT,
    SCATTER_OPS,
    named_argument,
    node_argument,
    op_name,
    sizes_of,
    tensor_of,
)
from ..patterns.vocabulary.indexed_writes import target_sizes, values_need_expanding, written_mask
from ..patterns.vocabulary.indices import index_problem
from .creation import fill_problem
from .float_ops import is_tensor
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem

WRITE_OPS = SCATTER_OPS | {INDEX_PUT}


def write_problem(node: Node) -> str | None:
    """Why our runtime can't run one of WRITE_OPS, or None where it can."""
    x = node_argument(node, 0)
    tensors = (x, *(one for one in node.all_input_nodes if one is not x), node)
    return (
        dtype_problem(x, MOVED_DTYPES)
        or (_put_problem(node) if node.target == INDEX_PUT else _scatter_problem(node))
        or rank_problem(node)
        or next(filter(None, map(layout_problem, tensors)), None)
    )


def _put_problem(node: Node) -> str | None:
    if named_argument(node, 3, "accumulate", False):
        return f"{op_name(node)} accumulates, and on Vulkan values are only written"
    if written_mask(node) is not None:
        return _values_problem(node, node_argument(node, 2))
    if problem := index_problem(node) or _values_problem(node, node_argument(node, 2)):
        return problem
    if values_need_expanding(node) and not all(isinstance(s, int) for s in target_sizes(node)):
        return (
            f"{node_argument(node, 2).name} is repeated along a dimension of the index, and sizes "
            "are dynamic; give it the shape of what is written"
        )
    return None


def _scatter_problem(node: Node) -> str | None:
    x, index = node_argument(node, 0), node_argument(node, 2)
    if problem := dtype_problem(index, INDEX_DTYPES):
        return problem
    if not sizes_of(x) or len(sizes_of(index)) != len(sizes_of(x)):
        return f"{index.name} and {x.name} must have the same number of dimensions, one at least"
    value: Any = node.args[3] if len(node.args) > 3 else next(iter(node.kwargs.values()))
    if is_tensor(value):
        return _values_problem(node, value)
    return fill_problem(node, "value", value)


def _values_problem(node: Node, values: Node) -> str | None:
    own, other = tensor_of(node), tensor_of(values)
    if own is None or other is None or own.dtype == other.dtype:
        return None
    return f"{values.name} is {other.dtype} and the result {own.dtype}; convert it before"
