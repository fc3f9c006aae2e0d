"""Int8 reductions, and where the largest elements are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .definition import define
from .formulas import fl32, quantize


def q8ta_mean(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    dim: Sequence[int],
    keepdim: bool,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 mean of int8 `x` over the dimensions `dim`: an exact sum, then one multiplication."""
    total = (x.to(torch.int32) - input_zero_point).sum(list(dim), keepdim, dtype=torch.int32)
    count = x.numel() // max(total.numel(), 1)
    f = total.to(torch.float32) * fl32(input_scale / count)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def _mean_meta(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    dim: Sequence[int],
    keepdim: bool,
    *args: Any,
) -> torch.Tensor:
    shape = torch.mean(x.new_empty(x.shape, dtype=torch.float32), list(dim), keepdim).shape
    return x.new_empty(shape)


Q8TA_MEAN = define(
    "q8ta_mean",
    "Tensor x, float input_scale, int input_zero_point, int[] dim, bool keepdim, "
    "float output_scale, int output_zero_point, int quant_min, int quant_max",
    q8ta_mean,
    _mean_meta,
)


def topk_places(x: torch.Tensor, k: int, dim: int, largest: bool) -> torch.Tensor:
    """Where the `k` largest or smallest elements of a dimension are, the most extreme first and the
    first of equal ones first; int64. NaN is the largest number, as in torch.topk and torch.sort."""
    order = torch.sort(x, stable=True, dim=dim, descending=largest).indices
    return order.narrow(dim, 0, k).clone() if x.dim() else order


def _places_meta(x: torch.Tensor, k: int, dim: int, largest: bool) -> torch.Tensor:
    sizes = list(x.shape)
    if sizes:
        sizes[dim] = k
    return x.new_empty(sizes, dtype=torch.int64)


TOPK_PLACES = define(
    "topk_places", "Tensor x, int k, int dim, bool largest", topk_places, _places_meta
)
