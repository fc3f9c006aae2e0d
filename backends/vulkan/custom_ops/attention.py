"""Attention and matrix products in float32, whose operands are read with dimensions permuted;
attention also of int8 and to int8."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .definition import define
from .formulas import dequantize, quantize

MASK_KINDS = ("none", "add", "fill_true", "fill_false")


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    mask_kind: str,
    scale: float,
    fill: float,
    is_causal: bool,
    zero_rows: bool,
    q_dims: Sequence[int],
    k_dims: Sequence[int],
    v_dims: Sequence[int],
    y_dims: Sequence[int],
) -> torch.Tensor:
    """softmax(mask(scale * q @ k^T)) @ v in float32.

    Args:
        q, k, v: of 2 to 4 dimensions, which permuted by `q_dims` and so on are
            [batch, heads, L, D], [batch or 1, groups, S, D] and [batch or 1, groups, S, DV], or the
            last ones of these. Head h goes with group h * groups // heads; D, DV are at most 256.
        mask: broadcasts to [batch, heads, L, S]; float32 to be added, or bool.
        mask_kind: of MASK_KINDS, what is done with the mask. Where a bool one is true, or false,
            the score is `fill`.
        is_causal: row l sees the positions up to l only.
        zero_rows: a row all of whose scores are -infinity gives zeros, else NaN.
        y_dims: permutes [batch, heads, L, DV] to the result.

    Raises:
        ValueError: for another `mask_kind`.
    """
    if mask_kind not in MASK_KINDS:
        raise ValueError(f"attention: mask_kind must be one of {MASK_KINDS}, got {mask_kind!r}")
    q, k, v = q.permute(*q_dims), k.permute(*k_dims), v.permute(*v_dims)
    if q.dim() > 2 and k.dim() == q.dim():
        repeats = q.shape[-3] // k.shape[-3]
        k, v = (one.repeat_interleave(repeats, dim=-3) for one in (k, v))
    scores = q @ k.transpose(-2, -1) * scale
    if mask is not None and mask_kind == "add":
        scores = scores + mask
    elif mask is not None:
        filled = mask if mask_kind == "fill_true" else ~mask
        scores = torch.where(filled, fill, scores)
    if is_causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    weights = torch.softmax(scores, -1)
    if zero_rows:
        weights = torch.where((scores == -math.inf).all(-1, keepdim=True), 0.0, weights)
    return (weights @ v).permute(*y_dims).contiguous()


def _attention_meta(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *args: object
) -> torch.Tensor:
    q_dims, _, v_dims, y_dims = args[-4:]
    sizes = [*q.permute(*q_dims).shape[:-1], v.permute(*v_dims).shape[-1]]  # type: ignore[misc]
    return q.new_empty([sizes[dim] for dim in y_dims])  # type: ignore[attr-defined]


def q8ta_attention(
    q: torch.Tensor,
    q_scale: float | None,
    q_zero_point: int,
    k: torch.Tensor,
    k_scale: float | None,
    k_zero_point: int,
    v: torch.Tensor,
    v_scale: float | None,
    v_zero_point: int,
    mask: torch.Tensor | None,
    *args: Any,
) -> torch.Tensor:
    """`attention` of int8 `q`, `k` and `v`, or of float32 ones where their scales are None; its
    result quantized by the last four arguments, or float32 where their scale is None."""
    *own, output_scale, output_zero_point, quant_min, quant_max = args
    grids = ((q, q_scale, q_zero_point), (k, k_scale, k_zero_point), (v, v_scale, v_zero_point))
    real_q, real_k, real_v = (
        x if scale is None else dequantize(x, scale, zero_point) for x, scale, zero_point in grids
    )
    y = attention(real_q, real_k, real_v, mask, *own)
    if output_scale is None:
        return y
    return quantize(y, output_scale, output_zero_point, quant_min, quant_max)


def _q8ta_attention_meta(*args: Any) -> torch.Tensor:
    y = _attention_meta(args[0], args[3], args[6], *args[9:-4])
    return y.new_empty(y.shape, dtype=torch.float32 if args[-4] is None else torch.int8)


def matmul(
    a: torch.Tensor, b: torch.Tensor, a_dims: Sequence[int], b_dims: Sequence[int]
) -> torch.Tensor:
    """torch.matmul of `a` and `b` permuted by `a_dims` and `b_dims`; each has 2 dimensions or more,
    the last ones of which are rows and columns then."""
    return torch.matmul(a.permute(*a_dims), b.permute(*b_dims)).contiguous()


_HOW = (
    "Tensor? mask, str mask_kind, float scale, float fill, bool is_causal, bool zero_rows, "
    "int[] q_dims, int[] k_dims, int[] v_dims, int[] y_dims"
)
_OPERANDS = ", ".join(f"Tensor {x}, float? {x}_scale, int {x}_zero_point" for x in ("q", "k", "v"))
ATTENTION = define(
    "attention",
    f"Tensor q, Tensor k, Tensor v, {_HOW}",
    attention,
    _attention_meta,
    ("q", "k", "v", "mask"),
)
Q8TA_ATTENTION = define(
    "q8ta_attention",
    f"{_OPERANDS}, {_HOW}, "
    "float? output_scale, int output_zero_point, int quant_min, int quant_max",
    q8ta_attention,
    _q8ta_attention_meta,
    ("q", "k", "v", "mask"),
)
MATMUL = define(
    "matmul", "Tensor a, Tensor b, int[] a_dims, int[] b_dims", matmul, matmul, ("a", "b")
)
