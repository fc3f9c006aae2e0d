"""Ops that pick elements or say where they are, and conversions: why our runtime refuses one."""

from __future__ import annotations

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    ARGMAX,
    ARGMIN,
    CONVERT,
    INDEX_DTYPES,
    INDEX_OPS,
    arguments_of,
    node_argument,
    op_name,
    sizes_of,
)
from ..patterns.vocabulary.indices import index_problem
from .float_ops import is_tensor
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem

_aten = exir_ops.edge.aten
EMBEDDING = _aten.embedding.default
GATHER = _aten.gather.default
PICK_OPS = INDEX_OPS | {EMBEDDING, GATHER}
CONVERT_OPS = frozenset({exir_ops.edge.dim_order_ops._to_dim_order_copy.default, CONVERT})
ARG_OPS = frozenset({ARGMAX, ARGMIN})


def conversion_problem(node: Node) -> str | None:
    """Why our runtime can't run a conversion, or None where it can."""
    source = node_argument(node, 0)
    return (
        dtype_problem(source, MOVED_DTYPES)
        or dtype_problem(node, MOVED_DTYPES)
        or layout_problem(source)
        or layout_problem(node)
    )


def pick_problem(node: Node) -> str | None:
    """Why our runtime can't run one of `PICK_OPS`, or None where it can."""
    x = node_argument(node, 0)
    if problem := index_problem(node) if node.target in INDEX_OPS else _place_problem(node):
        return problem
    return (
        dtype_problem(x, MOVED_DTYPES)
        or rank_problem(node)
        or next(filter(None, map(layout_problem, (*node.all_input_nodes, node))), None)
    )


def _place_problem(node: Node) -> str | None:
    """Of an embedding or gather."""
    x, index = node_argument(node, 0), node.args[1 if node.target == EMBEDDING else 2]
    if not is_tensor(index):
        return f"{op_name(node)} is not indexed by a tensor"
    assert isinstance(index, Node)
    if problem := dtype_problem(index, INDEX_DTYPES):
        return problem
    if node.target == GATHER and not sizes_of(x):
        return f"{x.name} has no dimensions to pick from"
    if node.target == GATHER and len(sizes_of(index)) != len(sizes_of(x)):
        return f"{index.name} has not as many dimensions as {x.name}"
    return None


def arg_problem(node: Node) -> str | None:
    """Why our runtime can't run one of `ARG_OPS`, or None where it can."""
    x = node_argument(node, 0)
    return (
        dtype_problem(x, (torch.float32, *INDEX_DTYPES))
        or rank_problem(node)
        or layout_problem(x)
        or layout_problem(node)
    )


# Of topk and sort: a workgroup finds one place after the other.
MOST_PLACES = 1024


def extreme_problem(node: Node) -> str | None:
    """Why our runtime can't run one of `EXTREME_OPS`, or None where it can."""
    arguments, x = arguments_of(node), node_argument(node, 0)
    if not sizes_of(x):
        return f"{x.name} has no dimensions to look along"
    places = 1 if "keepdim" in arguments else arguments.get("k", sizes_of(x)[arguments["dim"]])
    if not isinstance(places, int):
        return f"it wants {places} elements, computed at run time; give {op_name(node)} a number"
    if not 1 <= places <= MOST_PLACES:
        return f"it wants {places} elements in order, and 1 to {MOST_PLACES} are found here"
    return (
        dtype_problem(x, (torch.float32, *INDEX_DTYPES))
        or rank_problem(node)
        or next(filter(None, map(layout_problem, (x, *node.users))), None)
    )
