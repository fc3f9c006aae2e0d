"""What any tensor must be so that our kernels can walk through it."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    float_problem,
    is_contiguous,
    largest_size,
    sizes_of,
    tensor_of,
)

_MAX_RANK = 8

# What kernels move, whatever it means; int64 is int32 there.
MOVED_DTYPES = (
    torch.float32,
    torch.int8,
    torch.uint8,
    torch.int32,
    torch.int64,
    torch.bool,
)


def dtype_problem(node: Node, allowed: Collection[torch.dtype]) -> str | None:
    """Why the tensor is of no dtype that is allowed, or None."""
    tensor = tensor_of(node)
    if tensor is not None and tensor.dtype in allowed:
        return None
    names = ", ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
    found = "no tensor" if tensor is None else str(tensor.dtype).removeprefix("torch.")
    return float_problem(node) or f"{node.name} is {found}; what runs here is {names}"


def rank_problem(node: Node) -> str | None:
    """Why kernels can't walk through the tensors of an op that is no alias, or None."""
    tensors = [one for one in (*node.all_input_nodes, node) if tensor_of(one) is not None]
    rank = max((len(sizes_of(one)) for one in tensors), default=0)
    return f"it has {rank} dimensions, more than {_MAX_RANK}" if rank > _MAX_RANK else None


def layout_problem(node: Node) -> str | None:
    """Why the tensor can't be a contiguous buffer of a known largest size, or None."""
    tensor = tensor_of(node)
    if tensor is None:
        return "it is not a tensor"
    if not is_contiguous(node):
        return "it is not contiguous; call contiguous() before it"
    for size in tensor.shape:
        if isinstance(size, int) and size == 0:
            return "it is empty; leave it out"
        if largest_size(size) == math.inf:
            return (
                f"dimension {size} has no upper bound: give it one with "
                "torch.export.Dim(name, max=...)"
            )
    return None
