"""Grids that are found at run time, and the integers on them, as PyTorch's and torchao's ops give
them: by the arguments that ops of ours have for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torchao.quantization.quant_primitives import (
    MappingType,
    choose_qparams_affine,
    quantize_affine,
)

EPS, TOKEN_EPS = 2.0**-12, 2.0**-23
_ops = torch.ops.quantized_decomposed

Quantized = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # int8, scales, zero points


def _per_tensor(x: torch.Tensor) -> Quantized:
    scale, zero_point = _ops.choose_qparams(x, -128, 127, EPS, torch.int8)
    q = _ops.quantize_per_tensor(x, scale, zero_point, -128, 127, torch.int8)
    return q, scale, zero_point


def _per_token(x: torch.Tensor) -> Quantized:
    scale, zero_point = _ops.choose_qparams_per_token_asymmetric(x, torch.int8)
    q = _ops.quantize_per_token(x, scale, zero_point, -128, 127, torch.int8)
    return q, scale, zero_point


def _affine(mapping: MappingType, per_row: bool, quant_min: int = -128) -> Callable[..., Quantized]:
    def quantize(x: torch.Tensor) -> Quantized:
        block = (*[1] * (x.dim() - 1), x.shape[-1]) if per_row else tuple(x.shape)
        scale, zero_point = choose_qparams_affine(
            x, mapping, block, torch.int8, quant_min, 127, EPS, keepdim=True
        )
        q = quantize_affine(x, block, scale, zero_point, torch.int8, quant_min, 127)
        return q, scale, zero_point

    return quantize


# By an op's arguments between x and the weights.
GRIDS: dict[tuple[Any, ...], Callable[[torch.Tensor], Quantized]] = {
    ("per_tensor", "affine", -128, 127, EPS): _per_tensor,
    ("per_row", "xnnpack", -128, 127, TOKEN_EPS): _per_token,
    ("per_row", "affine", -128, 127, EPS): _affine(MappingType.ASYMMETRIC, True),
    ("per_row", "symmetric", -128, 127, EPS): _affine(MappingType.SYMMETRIC, True),
    ("per_row", "symmetric", -127, 127, EPS): _affine(MappingType.SYMMETRIC, True, -127),
    ("per_tensor", "symmetric", -128, 127, EPS): _affine(MappingType.SYMMETRIC, False),
}
