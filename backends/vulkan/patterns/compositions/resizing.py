"""Resizing with antialiasing: products with a matrix for the rows and one for the columns, which
are constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import sizes_of
from . import cubic
from .builder import Builder, Composition, are_fixed, are_float32

_aten = torch.ops.aten
_CUBIC = -0.5  # as PyTorch has it here, and Pillow

# Of a Builder and distances in steps of the coarser of both sizes: what an element counts there.
_Filter = Callable[[Builder, Node], Node]


def _triangle(new: Builder, x: Node) -> Node:
    return new(_aten.clamp.default, new(_aten.rsub.Scalar, x, 1.0), 0.0)


def _cubic(new: Builder, x: Node) -> Node:
    # Beyond 2 the second one is that at 2, which is none.
    inside = new(_aten.clamp.default, x, None, 2.0)
    weights = cubic.near(new, x, _CUBIC), cubic.far(new, inside, _CUBIC)
    return new(_aten.where.self, new(_aten.lt.Scalar, x, 1.0), *weights)


def _matrix(new: Builder, given: int, wanted: int, step: float, function: _Filter) -> Node:
    """[wanted, given]: the weights of each result, whose sum is 1.

    step: between centers of results, in elements of what is given.
    """
    places = new(_aten.arange.default, given, dtype=torch.float32)
    results = new(_aten.arange.default, wanted, dtype=torch.float32)
    centers = new(_aten.mul.Tensor, new(_aten.add.Tensor, results, 0.5), step)
    centers = new(_aten.reshape.default, new(_aten.sub.Tensor, centers, 0.5), [-1, 1])
    apart = new(_aten.abs.default, new(_aten.sub.Tensor, places, centers))
    weights = function(new, new(_aten.mul.Tensor, apart, 1.0 / max(step, 1.0)))
    return new(_aten.div.Tensor, weights, new(_aten.sum.dim_IntList, weights, [1], True))


def _resized(
    new: Builder, x: Node, wanted: Sequence[Any], align_corners: bool, factors: Any, by: _Filter
) -> Node | None:
    given = sizes_of(x)[-2:]
    if not are_float32(x) or not are_fixed((*given, *wanted)):
        return None
    steps = []
    for own, size, factor in zip(given, wanted, factors, strict=True):
        if align_corners:
            steps.append((own - 1) / (size - 1) if size > 1 else 0.0)
        else:
            steps.append(1.0 / factor if factor else own / size)
    rows, columns = (
        _matrix(new, own, size, step, by)
        for own, size, step in zip(given, wanted, steps, strict=True)
    )
    y = new(_aten.matmul.default, x, new(_aten.permute.default, columns, [1, 0]))
    return new(_aten.matmul.default, rows, y)


def _by(function: _Filter) -> Composition:
    def of_sizes(
        new: Builder,
        self: Node,
        output_size: Sequence[Any],
        align_corners: bool,
        scales_h: float | None,
        scales_w: float | None,
    ) -> Node | None:
        return _resized(new, self, output_size, align_corners, (scales_h, scales_w), function)

    return of_sizes


def _by_either(function: _Filter) -> Composition:
    def of_sizes_or_factors(
        new: Builder,
        input: Node,
        output_size: Sequence[Any] | None,
        align_corners: bool,
        scale_factors: Sequence[float] | None,
    ) -> Node | None:
        wanted = list(new.result().shape[-2:])
        return _resized(new, input, wanted, align_corners, scale_factors or (None, None), function)

    return of_sizes_or_factors


RESIZING: dict[object, Composition] = {
    _aten._upsample_bilinear2d_aa.default: _by(_triangle),
    _aten._upsample_bilinear2d_aa.vec: _by_either(_triangle),
    _aten._upsample_bicubic2d_aa.default: _by(_cubic),
    _aten._upsample_bicubic2d_aa.vec: _by_either(_cubic),
}
