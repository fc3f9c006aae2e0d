"""Ops that pick elements or say where they are, and conversions: why our runtime refuses one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    node_argument,
    op_name,
    sizes_of,
)
from .float_ops import is_tensor
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem

_aten = exir_ops.edge.aten
EMBEDDING = _aten.embedding.default
INDEX_SELECT = _aten.index_select.default
INDEX = _aten.index.Tensor
GATHER = _aten.gather.default
PICK_OPS = frozenset({EMBEDDING, INDEX_SELECT, INDEX, GATHER})
CONVERT_OPS = frozenset(
    {exir_ops.edge.dim_order_ops._to_dim_order_copy.default, _aten._to_copy.default}
)
ARG_OPS = frozenset({_aten.argmax.default, _aten.argmin.default})
_INDEX_DTYPES = (torch.int32, torch.int64)


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
    indices = _indices(node)
    if len(indices) != 1:
        return f"{op_name(node)} has {len(indices)} indices; index one dimension at a time"
    [index] = indices
    if not is_tensor(index):
        return f"{op_name(node)} is not indexed by a tensor"
    if problem := dtype_problem(index, _INDEX_DTYPES):
        return problem
    if not sizes_of(x):
        return f"{x.name} has no dimensions to pick from"
    if node.target == GATHER and len(sizes_of(index)) != len(sizes_of(x)):
        return f"{index.name} has not as many dimensions as {x.name}"
    if node.target == INDEX_SELECT and len(sizes_of(index)) != 1:
        return f"{index.name} has {len(sizes_of(index))} dimensions; give it one"
    return (
        dtype_problem(x, MOVED_DTYPES)
        or rank_problem(node)
        or next(filter(None, map(layout_problem, (x, index, node))), None)
    )


def arg_problem(node: Node) -> str | None:
    """Why our runtime can't run one of `ARG_OPS`, or None where it can."""
    x = node_argument(node, 0)
    return (
        dtype_problem(x, (torch.float32, *_INDEX_DTYPES))
        or rank_problem(node)
        or layout_problem(x)
        or layout_problem(node)
    )


def _indices(node: Node) -> Sequence[Any]:
    if node.target == INDEX:
        listed = node.args[1]
        assert isinstance(listed, (list, tuple))
        return [one for one in listed if one is not None]
    return [node.args[1 if node.target == EMBEDDING else 2]]
