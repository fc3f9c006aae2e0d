"""Batch norm with fixed statistics, as a shift and a scale of each channel; softmax and norms whose
input or result is int8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from .definition import adopt, define
from .formulas import dequantize, quantize


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


# ---- Softmax and norms: a tensor whose scale is None is float32.


def _softmax(x: torch.Tensor, dim: int) -> torch.Tensor:
    return torch.softmax(x, dim)


def _log_softmax(x: torch.Tensor, dim: int) -> torch.Tensor:
    return torch.log_softmax(x, dim)


def _layer_norm(
    x: torch.Tensor,
    normalized_shape: Sequence[int],
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    eps: float,
) -> torch.Tensor:
    return F.layer_norm(x, list(normalized_shape), weight, bias, eps)


def _rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return F.rms_norm(x, [x.shape[-1]], weight, eps)


def _group_norm(
    x: torch.Tensor,
    group: int,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    eps: float,
) -> torch.Tensor:
    return F.group_norm(x, group, weight, bias, eps)


def _quantized_norm(norm: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """`norm` of x, which has a scale and zero point behind it, quantized by the last four."""

    def reference(
        x: torch.Tensor, input_scale: float | None, input_zero_point: int, *args: Any
    ) -> torch.Tensor:
        *own, output_scale, output_zero_point, quant_min, quant_max = args
        f = x if input_scale is None else dequantize(x, input_scale, input_zero_point)
        y = norm(f, *own)
        if output_scale is None:
            return y
        return quantize(y, output_scale, output_zero_point, quant_min, quant_max)

    return reference


def _norm_meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
    return x.new_empty(x.shape, dtype=torch.float32 if args[-4] is None else torch.int8)


def _define_norm(name: str, arguments: str, norm: Callable[..., torch.Tensor]) -> Any:
    return define(
        name,
        f"Tensor x, float? input_scale, int input_zero_point, {arguments}, "
        "float? output_scale, int output_zero_point, int quant_min, int quant_max",
        _quantized_norm(norm),
        _norm_meta,
        ("x", "weight", "bias"),
    )


_WEIGHTS = "Tensor? weight, Tensor? bias, float eps"

Q8TA_SOFTMAX = _define_norm("q8ta_softmax", "int dim", _softmax)
Q8TA_LOG_SOFTMAX = _define_norm("q8ta_log_softmax", "int dim", _log_softmax)
Q8TA_LAYER_NORM = _define_norm(
    "q8ta_layer_norm", f"int[] normalized_shape, {_WEIGHTS}", _layer_norm
)
RMS_NORM = adopt("rms_norm", _rms_norm, _same_shape)
Q8TA_RMS_NORM = _define_norm("q8ta_rms_norm", "Tensor weight, float eps", _rms_norm)
Q8TA_GROUP_NORM = _define_norm("q8ta_group_norm", f"int group, {_WEIGHTS}", _group_norm)
