"""The float32 arithmetic that the references share, step by step as kernels do it."""

from __future__ import annotations

import torch

INT8_MIN, INT8_MAX = -128, 127


def fl32(value: float) -> float:
    """`value` rounded to float32."""
    return torch.tensor(value, dtype=torch.float32).item()


def inverse_scale(scale: float) -> float:
    """1 / scale, divided in float64 and rounded to float32 as PyTorch's quantize does."""
    return fl32(1.0 / scale)


def quantize_value(
    value: float, scale: float, zero_point: int, quant_min: int, quant_max: int
) -> int:
    """The integer that quantize_per_tensor gives for one float32 `value`; infinities saturate."""
    scaled = torch.tensor(value, dtype=torch.float32) * inverse_scale(scale)
    return int(torch.clamp(torch.round(scaled) + zero_point, quant_min, quant_max))


def dequantize(x: torch.Tensor, scale: float, zero_point: int) -> torch.Tensor:
    """float32 of the shape of int8 `x`: (x - zero_point) * fl32(scale)."""
    return (x.to(torch.int32) - zero_point).to(torch.float32) * fl32(scale)


def quantize(
    f: torch.Tensor,
    scale: float,
    zero_point: int,
    quant_min: int = INT8_MIN,
    quant_max: int = INT8_MAX,
) -> torch.Tensor:
    """int8 of the shape of float32 `f`."""
    q = torch.round(f * inverse_scale(scale)) + zero_point
    return torch.clamp(q, quant_min, quant_max).to(torch.int8)


def look_up(x: torch.Tensor, table: torch.Tensor | None) -> torch.Tensor:
    """table[x + 128] for int8 `x` of any shape; `table` holds 256 values. Without one, `x`."""
    return x if table is None else table[x.to(torch.int64) + 128]
