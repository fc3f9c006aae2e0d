"""Poolings of three dimensions: of rows and columns first, then of what is in front of these.

Means of means of windows are those of blocks, for in a block each window has as many elements.

Adaptive ones of one window are means: PyTorch's own decomposition adds an as_strided to these where
x is channels-last.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import sizes_of
from .builder import Builder, Composition, are_fixed, are_float32, reads, three

_aten = torch.ops.aten


def _pooled(
    new: Builder, x: Node, planes: Callable[[Node], Node], depths: Callable[[Node, int], Node]
) -> Node | None:
    """
    Args:
        planes: pools the last two dimensions of [N, D, H, W].
        depths: pools the last but one of [N, 1, D, W]; it is given W.
    """
    sizes = sizes_of(x)[-4:]
    if not are_float32(x) or not are_fixed(sizes):
        return None
    channels, depth = sizes[:2]
    flat = planes(new(_aten.reshape.default, x, [-1, *sizes[1:]]))
    rows, columns = sizes_of(flat)[2:]
    y = depths(new(_aten.reshape.default, flat, [-1, 1, depth, rows * columns]), rows * columns)
    front = [channels] if len(sizes_of(x)) == 4 else [-1, channels]
    return new(_aten.reshape.default, y, [*front, sizes_of(y)[2], rows, columns])


def _avg_pool(
    new: Builder,
    self: Node,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Node | None:
    kernel, pad = three(kernel_size), three(padding)
    step = three(stride) if stride else kernel
    form = (ceil_mode, count_include_pad)
    target = _aten.avg_pool2d.default
    divisors = (None, None) if divisor_override is None else (1, divisor_override)
    return _pooled(
        new,
        self,
        lambda x: new(target, x, kernel[1:], step[1:], pad[1:], *form, divisors[0]),
        lambda x, _: new(target, x, [kernel[0], 1], [step[0], 1], [pad[0], 0], *form, divisors[1]),
    )


def _max_pool(
    new: Builder,
    self: Node,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Node | None:
    kernel, pad, apart = three(kernel_size), three(padding), three(dilation)
    step = three(stride) if stride else kernel
    target = _aten.max_pool2d.default
    return _pooled(
        new,
        self,
        lambda x: new(target, x, kernel[1:], step[1:], pad[1:], apart[1:], ceil_mode),
        lambda x, _: new(
            target, x, [kernel[0], 1], [step[0], 1], [pad[0], 0], [apart[0], 1], ceil_mode
        ),
    )


def _max_pool_with_indices(new: Builder, **arguments: Any) -> list[Node] | None:
    pooled = None if reads(new.place, 1) else _max_pool(new, **arguments)
    return None if pooled is None else [pooled]


def _adaptive_avg_pool(new: Builder, self: Node, output_size: Sequence[Any]) -> Node | None:
    sizes = three(output_size)
    target = _aten.adaptive_avg_pool2d.default
    return _pooled(
        new,
        self,
        lambda x: new(target, x, sizes[1:]),
        lambda x, columns: new(target, x, [sizes[0], columns]),
    )


def _adaptive_max_pool(new: Builder, self: Node, output_size: Sequence[Any]) -> list[Node] | None:
    if reads(new.place, 1):
        return None
    sizes = three(output_size)

    def largest(x: Node, wanted: list[int]) -> Node:
        both = new(_aten.adaptive_max_pool2d.default, x, wanted)
        return new(operator.getitem, both, 0)

    pooled = _pooled(
        new,
        self,
        lambda x: largest(x, sizes[1:]),
        lambda x, columns: largest(x, [sizes[0], columns]),
    )
    return None if pooled is None else [pooled]


_WINDOW_DIMS: dict[object, list[int]] = {
    _aten.adaptive_avg_pool1d.default: [-1],
    _aten.adaptive_avg_pool2d.default: [-2, -1],
}


def _mean(new: Builder, self: Node, output_size: Sequence[Any]) -> Node | None:
    if any(size != 1 for size in output_size):
        return None
    return new(_aten.mean.dim, self, _WINDOW_DIMS[new.place.target], True)


POOLINGS: dict[object, Composition] = {
    _aten.avg_pool3d.default: _avg_pool,
    _aten.max_pool3d.default: _max_pool,
    _aten.max_pool3d_with_indices.default: _max_pool_with_indices,
    **dict.fromkeys(_WINDOW_DIMS, _mean),
    _aten.adaptive_avg_pool3d.default: _adaptive_avg_pool,
    _aten._adaptive_avg_pool3d.default: _adaptive_avg_pool,
    _aten.adaptive_max_pool3d.default: _adaptive_max_pool,
}
