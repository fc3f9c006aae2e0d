"""Convolutions of three dimensions, as ones of two.

Those of the window's first dimension become channels: what a window reads of planes that follow
each other is joined, the channels of the result are those of planes that are added. A weight of
shape [.., .., KD, KH, KW] is a weight of two dimensions without a move then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from ..vocabulary.batch_guards import keep_batch
from ..vocabulary.edge_ops import sizes_of
from .builder import Builder, Composition, are_float32, steps_of, three

_aten = torch.ops.aten
_DEQUANTIZE = torch.ops.quantized_decomposed.dequantize_per_tensor.default
_QUANTIZE = torch.ops.quantized_decomposed.quantize_per_tensor.default
_PLANES = [0, 2, 1, 3, 4]  # planes in front of channels, and back


@dataclass(frozen=True)
class _Window:
    """How a window of three dimensions moves."""

    kernel: list[int]
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    output_padding: list[int]

    @property
    def is_of_one_line(self) -> bool:
        """It reads one pixel of each plane, each pixel once."""
        return (self.kernel[1:], self.stride[1:]) == ([1, 1], [1, 1]) and not any(
            (*self.padding[1:], *self.output_padding[1:])
        )


class _Volume:
    """x, [N, C, D, H, W], of which D, H and W are numbers."""

    def __init__(self, new: Builder, x: Node, window: _Window) -> None:
        self.new = new
        self.window = window
        self.is_one = len(sizes_of(x)) == 4  # of no batch
        self.x = new(_aten.unsqueeze.default, x, 0) if self.is_one else x
        self.channels, self.depth, self.height, self.width = sizes_of(self.x)[1:]

    def moved(self, y: Node) -> Node:
        """What moves of x gave, for a convolution to read: on x's grid where it has one."""
        keep_batch(y)
        given = self.new.place.args[0]
        assert isinstance(given, Node)
        if given.target != _DEQUANTIZE:
            return y
        grid = given.args[1:6]
        return self.new(_DEQUANTIZE, self.new(_QUANTIZE, y, *grid), *grid)

    def lines(self) -> Node:
        """[N, C, D, H * W]."""
        shape = [-1, self.channels, self.depth, self.height * self.width]
        return self.moved(self.new(_aten.reshape.default, self.x, shape))

    def windows(self, count: int) -> Node:
        """[N * count, C * KD, H, W]: what each of the window's `count` places reads of planes."""
        kernel, stride = self.window.kernel[0], self.window.stride[0]
        x = self.x
        if pad := self.window.padding[0]:
            x = self.new(_aten.constant_pad_nd.default, x, [0, 0, 0, 0, pad, pad], 0.0)
        starts = steps_of(self.new, 0, count, stride, behind=1)
        own = steps_of(self.new, 0, kernel, self.window.dilation[0])
        places = self.new(_aten.add.Tensor, starts, own)
        y = self.new(_aten.index.Tensor, x, [None, None, places])
        y = self.new(_aten.permute.default, y, [0, 2, 1, 3, 4, 5])
        shape = [-1, self.channels * kernel, self.height, self.width]
        return self.moved(self.new(_aten.reshape.default, y, shape))

    def planes(self) -> Node:
        """[N * D, C, H, W]."""
        y = self.new(_aten.permute.default, self.x, _PLANES)
        shape = [-1, self.channels, self.height, self.width]
        return self.moved(self.new(_aten.reshape.default, y, shape))

    def result(self, y: Node) -> Node:
        """y, [N, C, D, H, W] in any order of memory, as the convolution gives it."""
        y = self.new(_aten.clone.default, y, memory_format=torch.contiguous_format)
        return self.new(_aten.squeeze.dim, y, 0) if self.is_one else y


def _volume(
    new: Builder, x: Node, weight: Node, stride: Any, padding: Any, dilation: Any, added: Any = 0
) -> _Volume | None:
    """None where the convolution is none that can be written out."""
    kernel = sizes_of(weight)[2:]
    window = _Window(list(kernel), three(stride), three(padding), three(dilation), three(added))
    numbers = (*sizes_of(x)[-3:], *kernel, *window.stride, *window.padding, *window.dilation)
    if len(kernel) != 3 or not are_float32(x, weight):
        return None
    if not all(isinstance(number, int) for number in numbers) or 0 in sizes_of(x)[-3:]:
        return None
    return _Volume(new, x, window)


def _numbers_of_padding(
    new: Builder, x: Node, weight: Node, padding: Any, dilation: Any
) -> tuple[Node, Any]:
    """(x, padding) of "valid" or "same", by which of an odd number one more is behind, or as is."""
    if not isinstance(padding, str):
        return x, padding
    if padding == "valid":
        return x, 0
    reaches = [
        apart * (size - 1)
        for apart, size in zip(three(dilation), sizes_of(weight)[2:], strict=True)
    ]
    if any(reach % 2 for reach in reaches):
        more = [0 if i % 2 == 0 else reaches[2 - i // 2] % 2 for i in range(6)]
        x = new(_aten.constant_pad_nd.default, x, more, 0.0)
    return x, [reach // 2 for reach in reaches]


def _conv(
    new: Builder,
    input: Node,
    weight: Node,
    bias: Node | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Node | None:
    x, padding = _numbers_of_padding(new, input, weight, padding, dilation)
    volume = _volume(new, x, weight, stride, padding, dilation)
    if volume is None:
        return None
    window = volume.window
    n, of_group, kernel = *sizes_of(weight)[:2], window.kernel
    depth, height, width = new.result().shape[-3:]
    target = _aten.conv2d.default
    if window.is_of_one_line:
        moves = ([window.stride[0], 1], [window.padding[0], 0], [window.dilation[0], 1])
        weight = new(_aten.reshape.default, weight, [n, of_group, kernel[0], 1])
        y = new(target, volume.lines(), weight, bias, *moves, groups)
        return volume.result(new(_aten.reshape.default, y, [-1, n, depth, height, width]))
    moves = (window.stride[1:], window.padding[1:], window.dilation[1:])
    weight = new(_aten.reshape.default, weight, [n, of_group * kernel[0], *kernel[1:]])
    y = new(target, volume.windows(depth), weight, bias, *moves, groups)
    y = new(_aten.reshape.default, y, [-1, depth, n, height, width])
    return volume.result(new(_aten.permute.default, y, _PLANES))


def _conv_transpose(
    new: Builder,
    input: Node,
    weight: Node,
    bias: Node | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Node | None:
    volume = _volume(new, input, weight, stride, padding, dilation, output_padding)
    if volume is None:
        return None
    window = volume.window
    ic, of_group, kernel = *sizes_of(weight)[:2], window.kernel
    n = of_group * groups
    depth, height, width = new.result().shape[-3:]
    target = _aten.conv_transpose2d.input
    if window.is_of_one_line:
        moves = ([window.stride[0], 1], [window.padding[0], 0], [window.output_padding[0], 0])
        weight = new(_aten.reshape.default, weight, [ic, of_group, kernel[0], 1])
        y = new(target, volume.lines(), weight, bias, *moves, groups, [window.dilation[0], 1])
        return volume.result(new(_aten.reshape.default, y, [-1, n, depth, height, width]))
    moves = (window.stride[1:], window.padding[1:], window.output_padding[1:])
    weight = new(_aten.reshape.default, weight, [ic, of_group * kernel[0], *kernel[1:]])
    y = new(target, volume.planes(), weight, None, *moves, groups, window.dilation[1:])
    # Of each plane of x the planes of the result, which are added where they meet.
    pixels = height * width
    y = new(_aten.reshape.default, y, [-1, volume.depth, n, kernel[0], pixels])
    y = _added(new, new(_aten.permute.default, y, _PLANES), window, depth)
    y = new(_aten.reshape.default, y, [-1, n, depth, height, width])
    if bias is not None:
        y = new(_aten.add.Tensor, y, new(_aten.reshape.default, bias, [-1, 1, 1, 1]))
    return volume.result(y)


def _added(new: Builder, y: Node, window: _Window, depth: int) -> Node:
    """[N, C, depth, P] of y, [N, C, D, KD, P]: plane k of d is at d * stride + k * dilation."""
    _, channels, planes, kernel, pixels = sizes_of(y)
    stride, dilation, pad = window.stride[0], window.dilation[0], window.padding[0]

    def placed(x: Node, length: int, start: int) -> Node:
        ends = [start, depth - length - start]
        return x if not any(ends) else new(_aten.constant_pad_nd.default, x, [0, 0, *ends], 0.0)

    if (kernel, dilation) == (stride, 1):  # they follow each other
        flat = new(_aten.reshape.default, y, [-1, channels, planes * kernel, pixels])
        return placed(flat, planes * kernel, -pad)
    total: Node | None = None
    for k in range(kernel):
        own = new(_aten.slice.Tensor, y, 3, k, k + 1)
        apart = new(_aten.constant_pad_nd.default, own, [0, 0, 0, stride - 1], 0.0)
        flat = new(_aten.reshape.default, apart, [-1, channels, planes * stride, pixels])
        own = placed(flat, planes * stride, k * dilation - pad)
        total = own if total is None else new(_aten.add.Tensor, total, own)
    assert total is not None
    return total


def _convolution(
    new: Builder,
    input: Node,
    weight: Node,
    bias: Node | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Node | None:
    if len(sizes_of(weight)) != 5:
        return None
    operands = (new, input, weight, bias, stride, padding)
    if transposed:
        return _conv_transpose(*operands, output_padding, groups, dilation)
    return _conv(*operands, dilation, groups)


CONVOLUTIONS: dict[object, Composition] = {
    _aten.conv3d.default: _conv,
    _aten.conv3d.padding: _conv,
    _aten.conv_transpose3d.input: _conv_transpose,
    _aten.convolution.default: _convolution,
}
