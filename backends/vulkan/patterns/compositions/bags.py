"""Embeddings of bags, as sums, means and maxima of the rows that the indices of a bag pick; and the
one-hot rows of indices."""

from __future__ import annotations

import math

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import sizes_of
from .builder import Builder, Composition, are_float32, is_static, reads

_aten = torch.ops.aten
_MEAN, _MAX = 1, 2  # as PyTorch numbers the modes; sums are 0
# Elements of all rows beside all bags of a maximum by offsets, a temporary tensor.
_MOST_TO_COMPARE = 2**20


def _equal_length(indices: Node, offsets: Node) -> int | None:
    """Of bags that are the rows of a matrix, as `nn.EmbeddingBag` of one makes them."""
    if indices.target != _aten.reshape.default or offsets.target != _aten.arange.start_step:
        return None
    rows, shape = indices.args[:2]
    start, end, step = (*offsets.args, 1)[:3]
    assert isinstance(rows, Node)
    sizes = sizes_of(rows)
    if not isinstance(step, int) or step < 1 or (start, shape, sizes[1:]) != (0, [-1], [step]):
        return None
    of_all = end.args[:1] == (rows,) if isinstance(end, Node) else end == math.prod(sizes)
    return step if of_all else None


def _chosen(new: Builder, mask: Node, x: Node, other: float) -> Node:
    return new(_aten.where.self, mask, x, new(_aten.full.default, [1, 1], other))


class _Bags:
    """What is combined of [N, D], a row for each index, to [bags, D].

    Attributes:
        length: of bags that have one and follow each other, or else None.
        before_last: [N, 1], True for an index in front of the last offset, which is no bag's start,
            or None.
    """

    def __init__(self, new: Builder, indices: Node, offsets: Node, includes_last: bool) -> None:
        self._new = new
        self.length = None if includes_last else _equal_length(indices, offsets)
        self.before_last: Node | None = None
        if self.length is not None:
            return
        self._count = sizes_of(offsets)[0] - includes_last
        places = new(_aten.arange.default, sizes_of(indices)[0], dtype=torch.int64)
        starts = new(_aten.slice.Tensor, offsets, 0, 0, self._count)
        # The last bag that starts at an index or in front of it.
        begun = new(_aten.le.Tensor, new(_aten.unsqueeze.default, starts, 1), places)
        begun = new(_aten.sum.dim_IntList, new(_aten.to.dtype, begun, torch.int64), [0])
        self._bag = new(_aten.sub.Tensor, begun, 1)
        if includes_last:
            end = new(_aten.slice.Tensor, offsets, 0, self._count, self._count + 1)
            before = new(_aten.lt.Tensor, places, end)
            self.before_last = new(_aten.unsqueeze.default, before, 1)

    def parted(self, rows: Node) -> Node:
        """[bags, length, D] of bags of one length."""
        return self._new(_aten.reshape.default, rows, [-1, self.length, sizes_of(rows)[1]])

    def sum(self, rows: Node) -> Node:
        if self.length is not None:
            return self._new(_aten.sum.dim_IntList, self.parted(rows), [1])
        zeros = self._new(_aten.full.default, [self._count, sizes_of(rows)[1]], 0.0)
        return self._new(_aten.index_put.default, zeros, [self._bag], rows, True)

    def max(self, rows: Node) -> Node:
        """-infinity for a bag that is empty."""
        if self.length is not None:
            return self._new(_aten.amax.default, self.parted(rows), [1])
        numbers = self._new(_aten.arange.default, self._count, dtype=torch.int64)
        numbers = self._new(_aten.reshape.default, numbers, [-1, 1])
        is_of_bag = self._new(_aten.eq.Tensor, numbers, self._bag)
        is_of_bag = self._new(_aten.unsqueeze.default, is_of_bag, 2)
        every = _chosen(self._new, is_of_bag, rows, -math.inf)
        return self._new(_aten.amax.default, every, [1])

    def counts(self, indices: Node, kept: Node | None) -> Node:
        """[bags, 1] in float32."""
        if kept is None:
            kept = self._new(_aten.ge.Scalar, self._new(_aten.unsqueeze.default, indices, 1), 0)
        return self.sum(self._new(_aten.to.dtype, kept, torch.float32))


def _embedding_bag(
    new: Builder,
    weight: Node,
    indices: Node,
    offsets: Node,
    scale_grad_by_freq: bool,
    mode: int,
    sparse: bool,
    per_sample_weights: Node | None,
    include_last_offset: bool,
    padding_idx: int | None = None,
) -> list[Node] | None:
    if any(reads(new.place, index) for index in (1, 2, 3)) or not are_float32(weight):
        return None
    if include_last_offset or _equal_length(indices, offsets) is None:
        if not is_static(indices, offsets):
            return None
        every = math.prod([sizes_of(offsets)[0], sizes_of(indices)[0], sizes_of(weight)[1]])
        if mode == _MAX and every > _MOST_TO_COMPARE:
            return None
    bags = _Bags(new, indices, offsets, include_last_offset)
    rows, kept = new(_aten.embedding.default, weight, indices), None
    if per_sample_weights is not None:
        factors = new(_aten.reshape.default, per_sample_weights, [-1, 1])
        rows = new(_aten.mul.Tensor, rows, factors)
    if padding_idx is not None:
        padding = padding_idx % sizes_of(weight)[0]
        kept = new(_aten.ne.Scalar, new(_aten.unsqueeze.default, indices, 1), padding)
    if mode == _MAX:
        rows = rows if kept is None else _chosen(new, kept, rows, -math.inf)
        y = bags.max(rows)
        if bags.length is not None and kept is None:
            return [y]
        return [_chosen(new, new(_aten.gt.Scalar, bags.counts(indices, kept), 0), y, 0.0)]
    # What is behind the last offset, which should be the end, is in no sum, but is counted: as
    # PyTorch has it in float32 where there is no padding.
    summed = bags.before_last if kept is None else kept
    rows = rows if summed is None else _chosen(new, summed, rows, 0.0)
    if mode == _MEAN and kept is None and bags.length is not None:
        return [new(_aten.mean.dim, bags.parted(rows), [1])]
    y = bags.sum(rows)
    if mode == _MEAN:
        counts = bags.counts(indices, kept)
        y = new(_aten.div.Tensor, y, new(_aten.clamp.default, counts, 1.0))
    return [y]


def _one_hot(new: Builder, self: Node, num_classes: int = -1) -> Node | None:
    """PyTorch's own decomposition also asserts that the indices are classes."""
    if num_classes <= 0:
        return None
    classes = new(_aten.arange.default, num_classes, dtype=torch.int64)
    equal = new(_aten.eq.Tensor, new(_aten.unsqueeze.default, self, -1), classes)
    return new(_aten.to.dtype, equal, torch.int64)


BAGS: dict[object, Composition] = {
    _aten.embedding_bag.default: _embedding_bag,
    _aten.embedding_bag.padding_idx: _embedding_bag,
    _aten.one_hot.default: _one_hot,
}
