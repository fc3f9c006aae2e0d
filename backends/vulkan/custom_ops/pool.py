"""Int8 pooling over the last two dimensions of [N, C, H, W] or [C, H, W]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .definition import define
from .formulas import dequantize, quantize

_max_pool2d: Callable[..., torch.Tensor] = torch.ops.aten.max_pool2d.default
_avg_pool2d: Callable[..., torch.Tensor] = torch.ops.aten.avg_pool2d.default
_adaptive_avg_pool2d: Callable[..., torch.Tensor] = torch.ops.aten.adaptive_avg_pool2d.default
_GRID = "float output_scale, int output_zero_point, int quant_min, int quant_max"
_INPUT = "Tensor x, float input_scale, int input_zero_point"
_WINDOW = "int[] kernel_size, int[] stride, int[] padding"


def _adaptive_max_pool2d(x: torch.Tensor, output_size: Sequence[int]) -> torch.Tensor:
    values: torch.Tensor = torch.ops.aten.adaptive_max_pool2d.default(x, output_size)[0]
    return values


def q8ta_max_pool2d(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 of the largest real value of each window of int8 `x`; quant_min for a window without
    elements. The other arguments are those of `torch.nn.functional.max_pool2d`."""
    real = dequantize(x, input_scale, input_zero_point)
    f = _max_pool2d(real, kernel_size, stride, padding, dilation, ceil_mode)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def q8ta_adaptive_max_pool2d(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    output_size: Sequence[int],
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 [..., *output_size] of the largest real value of each part of int8 `x`."""
    f = _adaptive_max_pool2d(dequantize(x, input_scale, input_zero_point), output_size)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def q8ta_avg_pool2d(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 of the mean of each window of int8 `x`: an exact sum, then one multiplication with
    fl32(input_scale / divisor). The other arguments are those of `torch.nn.functional.avg_pool2d`.
    """

    def pooled(values: torch.Tensor, divisor: int | None) -> torch.Tensor:
        window = (kernel_size, stride, padding, ceil_mode, count_include_pad)
        return _avg_pool2d(values, *window, divisor)

    total = pooled(x.to(torch.float64) - input_zero_point, 1)
    ones = torch.ones_like(total[..., :1, :1]).expand(*x.shape)
    # What PyTorch divides by; where a window has no elements it does not matter.
    divisor = torch.round(pooled(ones, 1) / pooled(ones, None).clamp(min=1e-12)).clamp(min=1.0)
    if divisor_override is not None:
        divisor = torch.full_like(divisor, divisor_override)
    f = total.to(torch.float32) * (input_scale / divisor).to(torch.float32)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def q8ta_adaptive_avg_pool2d(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    output_size: Sequence[int],
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 [..., *output_size] of the mean of each part of int8 `x`, as `q8ta_avg_pool2d`."""
    down, across = (
        torch.tensor([math.ceil((i + 1) * size / parts) - i * size // parts for i in range(parts)])
        for size, parts in zip(x.shape[-2:], output_size, strict=True)
    )
    divisor = (down[:, None] * across).to(torch.float64)
    mean = _adaptive_avg_pool2d(x.to(torch.float64) - input_zero_point, output_size)
    total = torch.round(mean * divisor)
    f = total.to(torch.float32) * (input_scale / divisor).to(torch.float32)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def _meta(pool: Callable[..., torch.Tensor], count: int) -> Callable[..., torch.Tensor]:
    """The result of `pool`, called with the first `count` arguments behind the input's grid."""

    def meta(x: torch.Tensor, _scale: float, _zero_point: int, *args: Any) -> torch.Tensor:
        real = x.new_empty(x.shape, dtype=torch.float32)
        return x.new_empty(pool(real, *args[:count]).shape)

    return meta


Q8TA_MAX_POOL2D = define(
    "q8ta_max_pool2d",
    f"{_INPUT}, {_WINDOW}, int[] dilation, bool ceil_mode, {_GRID}",
    q8ta_max_pool2d,
    _meta(_max_pool2d, 5),
)
Q8TA_ADAPTIVE_MAX_POOL2D = define(
    "q8ta_adaptive_max_pool2d",
    f"{_INPUT}, int[] output_size, {_GRID}",
    q8ta_adaptive_max_pool2d,
    _meta(_adaptive_max_pool2d, 1),
)
Q8TA_AVG_POOL2D = define(
    "q8ta_avg_pool2d",
    f"{_INPUT}, {_WINDOW}, bool ceil_mode, bool count_include_pad, int? divisor_override, {_GRID}",
    q8ta_avg_pool2d,
    _meta(_avg_pool2d, 6),
)
Q8TA_ADAPTIVE_AVG_POOL2D = define(
    "q8ta_adaptive_avg_pool2d",
    f"{_INPUT}, int[] output_size, {_GRID}",
    q8ta_adaptive_avg_pool2d,
    _meta(_adaptive_avg_pool2d, 1),
)
