"""Views that are no views here, but picks by index; and what is written by such, or by a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Graph, Node

from ..vocabulary.edge_ops import sizes_of
from .builder import Builder, Composition, is_static, steps_of

_aten = torch.ops.aten


def writes_in_place(graph: Graph) -> bool:
    """True where the program has ops that may write to views, whose base a copy is not."""
    return any(
        isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
        for node in graph.nodes
    )


class _Diagonal:
    """The places of a diagonal: `order` has its dimensions first, `indices` is of these."""

    def __init__(self, new: Builder, x: Node, offset: int, dim1: int, dim2: int) -> None:
        sizes = sizes_of(x)
        first, second = dim1 % len(sizes), dim2 % len(sizes)
        rest = [dim for dim in range(len(sizes)) if dim not in (first, second)]
        self.order = [first, second, *rest]
        above, beside = max(-offset, 0), max(offset, 0)
        self.count = min(sizes[first] - above, sizes[second] - beside)
        starts = (above, beside) if self.count > 0 else ()
        self.indices = [steps_of(new, start, self.count, 1, 0) for start in starts]


def _diagonal(new: Builder, self: Node, offset: int, dim1: int, dim2: int) -> Node | None:
    if not is_static(self) or writes_in_place(new.place.graph):
        return None
    found = _Diagonal(new, self, offset, dim1, dim2)
    if found.count <= 0:
        return None
    picked = new(_aten.index.Tensor, new(_aten.permute.default, self, found.order), found.indices)
    rank = len(sizes_of(picked))
    return new(_aten.permute.default, picked, [*range(1, rank), 0])


def _diag(new: Builder, self: Node, diagonal: int) -> Node | None:
    """Of a vector, a matrix that has it as its diagonal."""
    if len(sizes_of(self)) == 1:
        return new(_aten.diag_embed.default, self, diagonal)
    return _diagonal(new, self, diagonal, 0, 1)


def _trace(new: Builder, self: Node) -> Node | None:
    picked = _diagonal(new, self, 0, 0, 1)
    return None if picked is None else new(_aten.sum.default, picked)


def _diagonal_scatter(
    new: Builder, self: Node, src: Node, offset: int, dim1: int, dim2: int
) -> Node | None:
    if not is_static(self):
        return None
    found = _Diagonal(new, self, offset, dim1, dim2)
    if found.count <= 0:
        return None
    rank = len(sizes_of(src))
    values = new(_aten.permute.default, src, [rank - 1, *range(rank - 1)])
    x = new(_aten.permute.default, self, found.order)
    written = new(_aten.index_put.default, x, found.indices, values)
    back = [found.order.index(dim) for dim in range(len(found.order))]
    return new(_aten.permute.default, written, back)


def _unfold(new: Builder, self: Node, dimension: int, size: int, step: int) -> Node | None:
    if not is_static(self) or not sizes_of(self) or size == 0 or writes_in_place(new.place.graph):
        return None
    rank = len(sizes_of(self))
    dim = dimension % rank
    count = (sizes_of(self)[dim] - size) // step + 1
    places = new(_aten.add.Tensor, steps_of(new, 0, count, step, 1), steps_of(new, 0, size, 1, 0))
    picked = new(_aten.index.Tensor, self, [*[None] * dim, places])
    order = [*range(dim + 1), *range(dim + 2, rank + 1), dim + 1]
    return new(_aten.permute.default, picked, order)


def _as_strided(
    new: Builder, self: Node, size: Sequence[Any], stride: Sequence[Any], storage_offset: Any
) -> Node | None:
    numbers = (*size, *stride, storage_offset or 0)
    if not size or not all(isinstance(one, int) for one in numbers) or 0 in size:
        return None
    if not is_static(self) or writes_in_place(new.place.graph):
        return None
    if not self.meta["val"].is_contiguous() or self.meta["val"].storage_offset() != 0:
        return None
    places = None
    for at, (count, one) in enumerate(zip(size, stride, strict=True)):
        start = (storage_offset or 0) if at == 0 else 0
        behind = len(size) - 1 - at
        if one == 0:
            steps = new(_aten.full.default, [count, *[1] * behind], start, dtype=torch.int64)
        else:
            steps = steps_of(new, start, count, one, behind)
        places = steps if places is None else new(_aten.add.Tensor, places, steps)
    return new(_aten.index.Tensor, new(_aten.reshape.default, self, [-1]), [places])


def _masked_scatter(new: Builder, self: Node, mask: Node, source: Node) -> Node | None:
    """Where the mask is set, what is next of the source: that of the count of those before."""
    sizes = list(new.result().shape)
    if not is_static(self, mask, source) or not sizes:
        return None
    mask = new(_aten.expand.default, mask, sizes)
    flat = new(_aten.reshape.default, mask, [-1])
    count = new(_aten.cumsum.default, new(_aten.to.dtype, flat, torch.int64), 0)
    last = math.prod(sizes_of(source)) - 1
    places = new(_aten.clamp.default, new(_aten.sub.Tensor, count, 1), 0, last)
    values = new(_aten.index.Tensor, new(_aten.reshape.default, source, [-1]), [places])
    return new(_aten.where.self, mask, new(_aten.reshape.default, values, sizes), self)


def _scatter_reduce(
    new: Builder, self: Node, dim: int, index: Node, src: Node, reduce: str, include_self: bool
) -> Node | None:
    if reduce != "sum" or not include_self:
        return None
    return new(_aten.scatter_add.default, self, dim, index, src)


PICKS: dict[object, Composition] = {
    _aten.diagonal.default: _diagonal,
    _aten.diag.default: _diag,
    _aten.trace.default: _trace,
    _aten.diagonal_scatter.default: _diagonal_scatter,
    _aten.unfold.default: _unfold,
    _aten.as_strided.default: _as_strided,
    _aten.masked_scatter.default: _masked_scatter,
    _aten.scatter_reduce.two: _scatter_reduce,
}

VIEWS = (
    _aten.diagonal.default,
    _aten.diag.default,
    _aten.trace.default,
    _aten.unfold.default,
    _aten.as_strided.default,
)
