"""Ops that go by tensors of indices: which they are, and why our runtime can't go by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from .edge_ops import (
    INDEX,
    INDEX_DTYPES,
    INDEX_PUT,
    INDEX_SELECT,
    largest_size,
    named_argument,
    node_argument,
    sizes_of,
    tensor_of,
)


def index_tensors(node: Node) -> list[Any]:
    """For each dimension that one of INDEX_OPS or INDEX_PUT goes by, the index or None."""
    if node.target in (INDEX, INDEX_PUT):
        listed = node.args[1]
        assert isinstance(listed, (list, tuple))
        return list(listed)
    dim = named_argument(node, 1, "dim")
    return [None] * (dim % len(sizes_of(node_argument(node, 0)))) + [
        named_argument(node, 2, "index")
    ]


def index_problem(node: Node) -> str | None:
    """Why our runtime can't go by the indices of one of INDEX_OPS or INDEX_PUT, or None."""
    x = node_argument(node, 0)
    if not sizes_of(x):
        return f"{x.name} has no dimensions to pick from"
    for index in index_tensors(node):
        tensor = tensor_of(index) if isinstance(index, Node) else None
        if index is not None and (tensor is None or tensor.dtype not in INDEX_DTYPES):
            dtype = None if tensor is None else str(tensor.dtype).removeprefix("torch.")
            return f"its index {index} is {dtype}; index by int32 or int64"
        if node.target == INDEX_SELECT and index is not None and len(sizes_of(index)) != 1:
            return f"{index.name} has {len(sizes_of(index))} dimensions; give it one"
    return several_indices_problem(x, index_tensors(node))


def several_indices_problem(x: Node, indices: Sequence[Any]) -> str | None:
    """Why tensors that index several dimensions of `x` can't be joined to one index, or None."""
    sizes = sizes_of(x)
    given = [dim for dim, index in enumerate(indices) if index is not None]
    rows = math.prod(largest_size(sizes[dim]) for dim in given)
    return None if rows < 2**31 else f"it picks from {rows} places, more than 2^31 - 1"
