"""Ops that write to places that tensors of integers give: why our runtime refuses one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    INDEX_DTYPES,
    INDEX_PUT,
    SCATTER_ADD,
    SCATTER_OPS,
    largest_size,
    named_argument,
    node_argument,
    sizes_of,
    tensor_of,
)
from ..patterns.vocabulary.indexed_writes import target_sizes, values_need_expanding, written_mask
from ..patterns.vocabulary.indices import index_problem, index_tensors
from .creation import fill_problem
from .float_ops import is_tensor
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem

WRITE_OPS = SCATTER_OPS | {INDEX_PUT}
_MOST_SUMMED_RANK = 6
_MOST_SUM_STEPS = 2**30  # which take a small GPU a tenth of a second


def write_problem(node: Node) -> str | None:
    """Why our runtime can't run one of WRITE_OPS, or None where it can."""
    x = node_argument(node, 0)
    tensors = (x, *(one for one in node.all_input_nodes if one is not x), node)
    return (
        dtype_problem(x, MOVED_DTYPES)
        or _sum_problem(node)
        or (_put_problem(node) if node.target == INDEX_PUT else _scatter_problem(node))
        or rank_problem(node)
        or next(filter(None, map(layout_problem, tensors)), None)
    )


def _sum_problem(node: Node) -> str | None:
    """Of writes that are added to what is there."""
    if node.target != SCATTER_ADD and not named_argument(node, 3, "accumulate", False):
        return None
    rank = len(sizes_of(node))
    if rank > _MOST_SUMMED_RANK:
        return f"it adds up in {rank} dimensions, and {_MOST_SUMMED_RANK} at most are summed here"
    if (steps := _sum_steps(node)) > _MOST_SUM_STEPS:
        return (
            f"its elements would look at {steps:.3g} places of the index in all, more than "
            f"{_MOST_SUM_STEPS}; add to a smaller tensor, or fewer at a time"
        )
    return dtype_problem(node, (torch.float32, *INDEX_DTYPES))


def _sum_steps(node: Node) -> float:
    """How many places of the index all elements of the result look at, with dynamic sizes at their
    bounds."""
    elements = math.prod(map(largest_size, sizes_of(node)))
    if node.target == SCATTER_ADD:
        dim = named_argument(node, 1, "dim")
        return elements * largest_size(sizes_of(node_argument(node, 2))[dim])
    counts = (
        math.prod(map(largest_size, sizes_of(index)))
        for index in index_tensors(node)
        if index is not None
    )
    return elements * max(counts)


def _put_problem(node: Node) -> str | None:
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
