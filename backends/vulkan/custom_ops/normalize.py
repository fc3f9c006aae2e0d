"""Batch norm with fixed statistics, as a shift and a scale of each channel."""

from __future__ import annotations

from typing import Any

import torch

from .definition import define
from .formulas import quantize


def channel_affine(
    x: torch.Tensor, centers: torch.Tensor, scales: torch.Tensor, shifts: torch.Tensor
) -> torch.Tensor:
    """float32 (x - centers[c]) * scales[c] + shifts[c] of `x` [N, C, ...], float32 or int8."""
    shape = (-1, *(1 for _ in range(x.dim() - 2)))
    center, scale, shift = (one.reshape(shape) for one in (centers, scales, shifts))
    return (x.to(torch.float32) - center) * scale + shift


def q8ta_channel_affine(
    x: torch.Tensor,
    centers: torch.Tensor,
    scales: torch.Tensor,
    shifts: torch.Tensor,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 of `channel_affine` of int8 `x`, whose zero point is part of the centers."""
    f = channel_affine(x, centers, scales, shifts)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def _same_shape(x: torch.Tensor, *args: Any) -> torch.Tensor:
    return x.new_empty(x.shape)


CHANNEL_AFFINE = define(
    "channel_affine",
    "Tensor x, Tensor centers, Tensor scales, Tensor shifts",
    channel_affine,
    _same_shape,
)
Q8TA_CHANNEL_AFFINE = define(
    "q8ta_channel_affine",
    "Tensor x, Tensor centers, Tensor scales, Tensor shifts, float output_scale, "
    "int output_zero_point, int quant_min, int quant_max",
    q8ta_channel_affine,
    _same_shape,
)
