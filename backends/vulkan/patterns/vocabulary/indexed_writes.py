"""What index_put writes: the shape of the places, whether its values have it, and masks."""

from __future__ import annotations

import torch
from torch.fx import Node

from .edge_ops import (
    named_argument,
    node_argument,
    same_sizes,
    sizes_of,
    tensor_of,
)
from .indices import index_tensors


def written_mask(put: Node) -> tuple[int, Node] | None:
    """The first dimension of a mask and the mask, where an index_put writes by one of bool values
    that are the same for all that it marks: a choice between them and what was there."""
    indices = index_tensors(put)
    given = [dim for dim, index in enumerate(indices) if index is not None]
    if len(given) != 1 or named_argument(put, 3, "accumulate", False):
        return None
    [dim] = given
    mask, x = indices[dim], node_argument(put, 0)
    tensor = tensor_of(mask)
    if tensor is None or tensor.dtype != torch.bool:
        return None
    own = sizes_of(mask)
    values = sizes_of(node_argument(put, 2))
    behind = sizes_of(x)[dim + len(own) :]
    is_one = all(isinstance(size, int) and size == 1 for size in values)
    fits = len(values) <= (len(sizes_of(x)) if is_one else len(behind))
    return (dim, mask) if fits and same_sizes(own, sizes_of(x)[dim : dim + len(own)]) else None


def target_sizes(put: Node) -> list[int]:
    """The shape of what an index_put writes, with the indices' shape where PyTorch has it."""
    x, indices = node_argument(put, 0), index_tensors(put)
    given = [dim for dim, index in enumerate(indices) if index is not None]
    sizes = sizes_of(x)
    rank = max(len(sizes_of(indices[dim])) for dim in given)
    own = [1] * rank
    for dim in given:
        index = sizes_of(indices[dim])
        for at, size in enumerate(index, rank - len(index)):
            own[at] = size if isinstance(own[at], int) and own[at] == 1 else own[at]
    are_neighbours = given == list(range(given[0], given[-1] + 1))
    first = given[0] if are_neighbours else 0
    others = [sizes[dim] for dim in range(len(sizes)) if dim not in given]
    return [*others[:first], *own, *others[first:]]


def values_need_expanding(put: Node) -> bool:
    """True where values are repeated, along more than the one dimension of an index."""
    values = sizes_of(node_argument(put, 2))
    target = target_sizes(put)
    rank = len(target) - len(sizes_of(put)) + sum(i is not None for i in index_tensors(put))
    is_one = all(isinstance(size, int) and size == 1 for size in values)
    return rank > 1 and not is_one and not same_sizes(values, target)
