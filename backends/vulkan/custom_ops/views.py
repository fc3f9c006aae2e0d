"""Ops that only change the shape, or the order of dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .definition import define


def fixed_view(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """`x` with other sizes, as aten.view_copy gives it."""
    return x.reshape(size).clone()


def _view_meta(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    # Comparing a symbolic size with -1 would put a guard on it.
    open_at = [isinstance(one, int) and one == -1 for one in size]
    rest = math.prod(one for one, is_open in zip(size, open_at, strict=True) if not is_open)
    sizes = [
        x.numel() // rest if is_open else one for one, is_open in zip(size, open_at, strict=True)
    ]
    return x.new_empty(sizes)


# A view that no stock pass merges with another; see patterns/passes/view_sizes.py.
FIXED_VIEW = define("fixed_view", "Tensor x, SymInt[] size", fixed_view, _view_meta)


def _inverse(dim_order: Sequence[int]) -> list[int]:
    return sorted(range(len(dim_order)), key=lambda i: dim_order[i])


def from_dim_order(x: torch.Tensor, dim_order: Sequence[int]) -> torch.Tensor:
    """The tensor whose dimensions in the order `dim_order` are those of `x`: what `x`, an input of
    the program, is the memory of."""
    return x.permute(_inverse(dim_order)).contiguous()


def to_dim_order(x: torch.Tensor, dim_order: Sequence[int]) -> torch.Tensor:
    """The dimensions of `x` in the order `dim_order`: the memory of an output of the program."""
    return x.permute(list(dim_order)).contiguous()


FROM_DIM_ORDER = define(
    "from_dim_order",
    "Tensor x, int[] dim_order",
    from_dim_order,
    lambda x, dim_order: x.new_empty([x.shape[dim] for dim in _inverse(dim_order)]),
)
TO_DIM_ORDER = define(
    "to_dim_order",
    "Tensor x, int[] dim_order",
    to_dim_order,
    lambda x, dim_order: x.new_empty([x.shape[dim] for dim in dim_order]),
)


def regroup(
    x: torch.Tensor,
    counts: Sequence[int],
    pieces: Sequence[int],
    dims: Sequence[int],
    groups: Sequence[int],
) -> torch.Tensor:
    """`x` with its dimensions split into pieces, these permuted, and joined to dimensions again.

    Args:
        counts: how many pieces each dimension of x is split into.
        pieces: their sizes, the outermost first; at most one of a dimension is -1.
        dims: the order of the pieces in the result.
        groups: how many of them each dimension of the result is made of.
    """
    sizes = _piece_sizes(x, counts, pieces)
    joined = _joined([sizes[dim] for dim in dims], groups)
    return x.reshape(sizes).permute(list(dims)).reshape(joined).clone()


def _piece_sizes(x: torch.Tensor, counts: Sequence[int], pieces: Sequence[int]) -> list[int]:
    sizes: list[int] = []
    for size, count in zip(x.shape, counts, strict=True):
        own = pieces[len(sizes) : len(sizes) + count]
        rest = math.prod(piece for piece in own if piece != -1)
        sizes += [size // rest if piece == -1 else piece for piece in own]
    return sizes


def _joined(sizes: Sequence[int], groups: Sequence[int]) -> list[int]:
    left = iter(sizes)
    return [math.prod(next(left) for _ in range(count)) for count in groups]


def _regroup_meta(
    x: torch.Tensor,
    counts: Sequence[int],
    pieces: Sequence[int],
    dims: Sequence[int],
    groups: Sequence[int],
) -> torch.Tensor:
    sizes = _piece_sizes(x, counts, pieces)
    return x.new_empty(_joined([sizes[dim] for dim in dims], groups))


REGROUP = define(
    "regroup",
    "Tensor x, int[] counts, int[] pieces, int[] dims, int[] groups",
    regroup,
    _regroup_meta,
)
