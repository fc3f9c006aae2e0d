"""Values that are quantized to int8 at run time, alone and in front of linears: references,
schemas, edge ops."""

from __future__ import annotations

from typing import Any

import torch

from .definition import define
from .formulas import fl32
from .linear import activate


def row_grids(
    x: torch.Tensor, granularity: str, rule: str, quant_min: int, quant_max: int, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(scales, zero points) that follow from the values of float32 `x`.

    Args:
        granularity: "per_row" or "per_tensor".
        rule: "affine" as quantized_decomposed.choose_qparams and torchao's asymmetric mapping,
            "xnnpack" as quantized_decomposed.choose_qparams_per_token_asymmetric, "symmetric" as
            torchao's mapping of this name.
        eps: the least scale.

    Returns:
        float32 and int32 [..., 1], or with one grid for the tensor [1, ..., 1]. Where values are
        not finite, or too far apart, the scale is NaN and the zero point 0.
    """
    dims = [-1] if granularity == "per_row" else list(range(x.dim()))
    low = torch.amin(x, dims, keepdim=True).clamp(max=0.0)
    high = torch.amax(x, dims, keepdim=True).clamp(min=0.0)
    steps = float(quant_max - quant_min)
    largest = torch.maximum(-low, high)
    scale = largest / (steps / 2) if rule == "symmetric" else (high - low) / steps
    finite = scale.isfinite()
    scale = torch.clamp(scale, min=fl32(eps))
    if rule == "symmetric":
        zero_point = torch.zeros_like(scale)
    elif rule == "xnnpack":
        below, above = low / scale, high / scale
        of_low = (quant_min + below) + (quant_max + above) > 0
        zero_point = torch.where(of_low, quant_min - below, quant_max - above).round()
    else:
        zero_point = quant_min - torch.round(low / scale)
    zero_point = torch.where(finite, zero_point, 0.0).clamp(quant_min, quant_max).to(torch.int32)
    return torch.where(finite, scale, torch.nan), zero_point


def quantize_rows(
    x: torch.Tensor,
    scale: torch.Tensor,
    zero_point: torch.Tensor,
    rule: str,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 of the shape of `x`, on the grids of `row_grids`; 0 where there is none."""
    if rule == "xnnpack":
        q = torch.round(x.to(torch.float64) * (1.0 / scale.to(torch.float64)) + zero_point)
    else:
        q = torch.round(x * (1.0 / scale)) + zero_point
    q = torch.where(scale.isnan(), torch.zeros_like(q), q)
    return torch.clamp(q, quant_min, quant_max).to(torch.int8)


def round_rows(
    x: torch.Tensor, granularity: str, rule: str, quant_min: int, quant_max: int, eps: float
) -> torch.Tensor:
    """float32 `x` as it is after quantizing it to int8, on a grid of its own values, and back.

    Args:
        x: float32 [..., K].
        granularity, rule, quant_min, quant_max, eps: as of `row_grids`.

    Returns:
        float32 of the shape of `x`; NaN where there is no grid.
    """
    scale, zero_point = row_grids(x, granularity, rule, quant_min, quant_max, eps)
    q = quantize_rows(x, scale, zero_point, rule, quant_min, quant_max)
    return (q.to(torch.int32) - zero_point).to(torch.float32) * scale


def linear_dq8ca_q8csw(
    x: torch.Tensor,
    granularity: str,
    rule: str,
    quant_min: int,
    quant_max: int,
    eps: float,
    weights: torch.Tensor,
    weight_sums: torch.Tensor,
    weight_scales: torch.Tensor,
    bias: torch.Tensor | None,
    activation: str,
    alpha: float,
    beta: float,
) -> torch.Tensor:
    """Linear of a float32 input that is quantized to int8, with a float32 result.

    Args:
        x: float32 [..., K].
        granularity, rule, quant_min, quant_max, eps: as of `row_grids`.
        weights, weight_sums, weight_scales, bias: as of `linear_q8ta_q8csw`.
        activation, alpha, beta: name and parameters in the activation table.

    Returns:
        float32 [..., N].
    """
    n = weights.shape[0]
    scale, zero_point = row_grids(x, granularity, rule, quant_min, quant_max, eps)
    q = quantize_rows(x, scale, zero_point, rule, quant_min, quant_max)
    # Exact, and faster than an int32 product on a CPU.
    acc = torch.matmul(q.to(torch.float64) - zero_point, weights.to(torch.float64).t())
    out = acc.to(torch.float32) * (scale * weight_scales[:n].to(torch.float32))
    if bias is not None:
        out = out + bias[:n]
    return activate(out, activation, alpha, beta)


def _meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
    weights: torch.Tensor = args[5]
    return x.new_empty([*x.shape[:-1], weights.shape[0]])


ROUND_ROWS = define(
    "round_rows",
    "Tensor x, str granularity, str rule, int quant_min, int quant_max, float eps",
    round_rows,
    lambda x, *args: x.new_empty(x.shape),
)

# Of a layer whose activations are quantized at run time.
DYNAMIC_INPUTS = (
    "Tensor x, str granularity, str rule, int quant_min, int quant_max, float eps, "
    "Tensor weights, Tensor weight_sums, Tensor weight_scales"
)
# Upstream has this name, dq8ca for affine int8 at run time, for 4-bit weights.
LINEAR_DYNAMIC = define(
    "linear_dq8ca_q8csw",
    f"{DYNAMIC_INPUTS}, Tensor? bias, str activation, float alpha, float beta",
    linear_dq8ca_q8csw,
    _meta,
)
