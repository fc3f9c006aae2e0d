"""Int8 resizing of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .definition import define
from .formulas import dequantize, fl32, quantize


def q8ta_upsample_bilinear2d(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 of int8 `x` [N, C, H, W] resized as aten.upsample_bilinear2d.vec does it in float32,
    first along rows, then along columns."""
    sizes = _sizes(x, output_size, scale_factors)
    factors = scale_factors or (None, None)
    f = dequantize(x, input_scale, input_zero_point)
    f = _blend(f, 3, sizes[1], align_corners, factors[1])
    f = _blend(f, 2, sizes[0], align_corners, factors[0])
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def _blend(
    x: torch.Tensor, dim: int, size: int, align_corners: bool, factor: float | None
) -> torch.Tensor:
    """`x` resized along one dimension."""
    old = x.shape[dim]
    at = torch.arange(size, dtype=torch.float32)
    if size == old:
        scale = 1.0
    elif align_corners:
        scale = fl32(fl32(old - 1) / fl32(size - 1)) if size > 1 else 0.0
    else:
        scale = fl32(fl32(old) / fl32(size)) if factor is None else fl32(1.0 / factor)
    source = at * scale if align_corners else torch.clamp((at + 0.5) * scale - 0.5, min=0.0)
    low = torch.clamp(source.to(torch.int64), max=old - 1)
    high = torch.clamp(low + (size != old), max=old - 1)
    t = torch.clamp(source - low, 0.0, 1.0).reshape(-1, *(1 for _ in range(x.dim() - 1 - dim)))
    return x.index_select(dim, low) * (1.0 - t) + x.index_select(dim, high) * t


def _sizes(
    x: torch.Tensor, output_size: Sequence[int] | None, scale_factors: Sequence[float] | None
) -> list[int]:
    if output_size is not None:
        return list(output_size)
    assert scale_factors is not None
    return [int(size * factor) for size, factor in zip(x.shape[2:], scale_factors, strict=True)]


def _meta(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None,
    *args: Any,
) -> torch.Tensor:
    like = x.new_empty(x.shape, dtype=torch.float32)
    op = torch.ops.aten.upsample_bilinear2d.vec
    return x.new_empty(op(like, output_size, align_corners, scale_factors).shape)


Q8TA_UPSAMPLE_BILINEAR = define(
    "q8ta_upsample_bilinear2d",
    "Tensor x, float input_scale, int input_zero_point, SymInt[]? output_size, "
    "bool align_corners, float[]? scale_factors, float output_scale, int output_zero_point, "
    "int quant_min, int quant_max",
    q8ta_upsample_bilinear2d,
    _meta,
)
