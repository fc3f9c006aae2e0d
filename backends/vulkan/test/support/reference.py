"""The quantized ops in NumPy, in the order of steps that README.md defines.

Written from that definition alone, independently of the shaders and of the C++ reference.
"""

from __future__ import annotations

import numpy as np


def linear(
    x: np.ndarray,
    weights: np.ndarray,
    weight_scales: np.ndarray,
    bias: np.ndarray | None,
    input_scale: float,
    input_zero_point: int,
) -> np.ndarray:
    """int8 x [M, K] and weights [N, K] to float32 [M, N]."""
    # In float64 these sums of integers are exact, and BLAS does them.
    sums = (x.astype(np.float64) - input_zero_point) @ weights.astype(np.float64).T
    assert np.abs(sums).max() < 2**31, "more than int32 holds"
    f = sums.astype(np.int32).astype(np.float32) * (np.float32(input_scale) * weight_scales)
    return f if bias is None else f + bias


def quantize(
    f: np.ndarray, scale: float, zero_point: int, quant_min: int = -128, quant_max: int = 127
) -> np.ndarray:
    """float32 to int8; NaN gives 0."""
    q = np.rint(f * np.float32(1.0 / scale)) + np.float32(zero_point)
    q = np.clip(q, np.float32(quant_min), np.float32(quant_max))
    return np.where(np.isnan(f), np.float32(0), q).astype(np.int8)


def dequantize(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """int8 to float32."""
    return (q.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)


def look_up(q: np.ndarray, table: np.ndarray | None) -> np.ndarray:
    """table[q + 128] for int8 `q`; `q` where there is no table."""
    return q if table is None else table[q.astype(int) + 128]


def q8ta_linear(
    f: np.ndarray,
    relu: bool,
    output_scale: float,
    output_zero_point: int,
    quant_min: int = -128,
    quant_max: int = 127,
) -> np.ndarray:
    """From `linear` to int8 [M, N]."""
    f = np.maximum(f, np.float32(0)) if relu else f
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)
