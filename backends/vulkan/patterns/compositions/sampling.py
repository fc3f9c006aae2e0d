"""grid_sample: elements of x where a grid says, with weights of those around.

The pixels of x are rows of channels, which are picked by their number.
"""

from __future__ import annotations

from enum import IntEnum

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import sizes_of
from . import cubic
from .builder import Builder, Composition, are_fixed, are_float32

_aten = torch.ops.aten
_CUBIC = -0.75  # the parameter of PyTorch's cubic weights


class _Mode(IntEnum):
    BILINEAR = 0
    NEAREST = 1
    BICUBIC = 2


class _Padding(IntEnum):
    ZEROS = 0
    BORDER = 1
    REFLECTION = 2


class _Axis:
    """Coordinates along one dimension of x: float32, of any shape."""

    def __init__(self, new: Builder, size: int, padding: _Padding, align_corners: bool) -> None:
        self.new = new
        self.size = size
        self.padding = padding
        self.align_corners = align_corners

    def coordinates(self, grid: Node) -> Node:
        """Of the grid's numbers, which are -1 and 1 at the ends."""
        scale = (self.size - 1) / 2 if self.align_corners else self.size / 2
        moved = self.new(_aten.mul.Tensor, self.new(_aten.add.Tensor, grid, 1.0), scale)
        return moved if self.align_corners else self.new(_aten.sub.Tensor, moved, 0.5)

    def padded(self, x: Node) -> Node:
        """Inside, but where zeros are wanted outside."""
        if self.padding == _Padding.ZEROS:
            return x
        if self.padding == _Padding.REFLECTION:
            x = self._reflected(x)
        return self.clamped(x)

    def clamped(self, x: Node) -> Node:
        return self.new(_aten.clamp.default, x, 0.0, float(self.size - 1))

    def _reflected(self, x: Node) -> Node:
        span = self.size - 1 if self.align_corners else self.size
        low = 0.0 if self.align_corners else -0.5
        if span == 0:
            return self.new(_aten.mul.Tensor, x, 0.0)
        new = self.new
        x = new(_aten.abs.default, new(_aten.sub.Tensor, x, low))
        # Forth and back is a period; behind its half the way is back.
        rest = new(_aten.remainder.Scalar, x, float(2 * span))
        back = new(_aten.mul.Tensor, new(_aten.sub.Tensor, rest, float(2 * span)), -1.0)
        return new(_aten.add.Tensor, new(_aten.minimum.default, rest, back), low)

    def inside(self, x: Node) -> Node | None:
        """1.0 for whole coordinates of x, 0.0 for others; None where all are inside."""
        if self.padding != _Padding.ZEROS:
            return None
        same = self.new(_aten.eq.Tensor, x, self.clamped(x))
        return self.new(_aten.to.dtype, same, torch.float32)

    def taps(self, grid: Node, mode: _Mode) -> list[tuple[Node, Node | None]]:
        """Places along the dimension and their weights, which are None for 1."""
        return [
            (
                self.new(_aten.to.dtype, self.clamped(x), torch.int64),
                _product(self.new, weight, self.inside(x)),
            )
            for x, weight in self._coordinates(self.coordinates(grid), mode)
        ]

    def _coordinates(self, x: Node, mode: _Mode) -> list[tuple[Node, Node | None]]:
        """Whole ones, and weights."""
        new = self.new
        if mode == _Mode.NEAREST:
            return [(new(_aten.round.default, self.padded(x)), None)]
        if mode == _Mode.BILINEAR:
            x = self.padded(x)
        first = new(_aten.floor.default, x)
        after = new(_aten.sub.Tensor, x, first)
        before = new(_aten.rsub.Scalar, after, 1.0)
        second = new(_aten.add.Tensor, first, 1.0)
        if mode == _Mode.BILINEAR:
            return [(first, before), (second, after)]
        far = (new(_aten.sub.Tensor, first, 1.0), new(_aten.add.Tensor, first, 2.0))
        at = [far[0], first, second, far[1]]
        weights = [
            cubic.far(new, new(_aten.add.Tensor, after, 1.0), _CUBIC),
            cubic.near(new, after, _CUBIC),
            cubic.near(new, before, _CUBIC),
            cubic.far(new, new(_aten.add.Tensor, before, 1.0), _CUBIC),
        ]
        return [(self.padded(one), weight) for one, weight in zip(at, weights, strict=True)]


def _product(new: Builder, a: Node | None, b: Node | None) -> Node | None:
    return new(_aten.mul.Tensor, a, b) if a is not None and b is not None else a or b


def _grid_sample(
    new: Builder,
    input: Node,
    grid: Node,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool | None,
) -> Node | None:
    sizes, places = sizes_of(input), sizes_of(grid)
    if len(sizes) != 4 or not are_float32(input, grid):
        return None
    if not are_fixed((*sizes[1:], *places[1:])):
        return None
    channels, height, width = sizes[1:]
    mode, padding = _Mode(interpolation_mode), _Padding(padding_mode)
    lines, columns = (_Axis(new, size, padding, bool(align_corners)) for size in (height, width))
    by_column, by_line = (
        axis.taps(new(_aten.select.int, grid, 3, at), mode)
        for at, axis in enumerate((columns, lines))
    )
    pixels = new(_aten.permute.default, input, [0, 2, 3, 1])
    pixels = new(_aten.reshape.default, pixels, [-1, channels])
    images = new(_aten.arange.default, sizes[0], dtype=torch.int64)
    images = new(_aten.mul.Tensor, new(_aten.reshape.default, images, [-1, 1, 1]), height * width)
    total: Node | None = None
    for line, of_line in by_line:
        start = new(_aten.add.Tensor, new(_aten.mul.Tensor, line, width), images)
        for column, of_column in by_column:
            place = new(_aten.reshape.default, new(_aten.add.Tensor, start, column), [-1])
            picked = new(_aten.index_select.default, pixels, 0, place)
            if (weight := _product(new, of_line, of_column)) is not None:
                picked = new(_aten.mul.Tensor, picked, new(_aten.reshape.default, weight, [-1, 1]))
            total = picked if total is None else new(_aten.add.Tensor, total, picked)
    result = new(_aten.reshape.default, total, [-1, *places[1:3], channels])
    result = new(_aten.permute.default, result, [0, 3, 1, 2])
    return new(_aten.clone.default, result, memory_format=torch.contiguous_format)


SAMPLING: dict[object, Composition] = {
    _aten.grid_sampler.default: _grid_sample,
    _aten.grid_sampler_2d.default: _grid_sample,
}
