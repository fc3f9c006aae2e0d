"""quantize_per_tensor and dequantize_per_tensor against NumPy, byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import reference
from linear_fixture import OpError, assert_same_bytes, run_dequantize, run_quantize
from op_fixture import each_row, edges, force_row

COUNTS = (1, 2, 3, 4, 5, 15, 16, 17, 255, 256, 257, 1023, 100_003)
ZERO_POINTS = (0, -128, 127, 5)


@pytest.mark.parametrize("zero_point", ZERO_POINTS)
@pytest.mark.parametrize("count", COUNTS)
def test_quantize(count: int, zero_point: int) -> None:
    rng = np.random.default_rng(count)
    x = rng.normal(0, 3, count).astype(np.float32)
    y = run_quantize(x, 0.037, zero_point)
    assert_same_bytes(y, reference.quantize(x, 0.037, zero_point), "quantize")


@each_row("quantize_per_tensor", "dequantize_per_tensor")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for count in edges(row.tile_n):
        for zero_point in ZERO_POINTS:
            if row.name.startswith("quantize"):
                x = np.random.default_rng(count).normal(0, 3, count).astype(np.float32)
                x[0] = np.nan
                expected = reference.quantize(x, 0.037, zero_point)
                assert_same_bytes(run_quantize(x, 0.037, zero_point), expected, row.name)
            else:
                q = np.resize(np.arange(-128, 128, dtype=np.int8), count)
                expected = reference.dequantize(q, 0.0123, zero_point)
                assert_same_bytes(run_dequantize(q, 0.0123, zero_point), expected, row.name)


@pytest.mark.parametrize("scale", [0.5, 1.0, 0.1, 1 / 3, 1e-30, 1e30])
def test_quantize_ties_and_special_values(scale: float) -> None:
    """Halves of a step, their neighbours in float32, and what is far beyond int8."""
    ties = (np.arange(-300, 300, dtype=np.float64) / 2 * scale).astype(np.float32)
    special = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 3.4e38, -3.4e38, 2.0**31, -(2.0**31)],
        np.float32,
    )
    x = np.concatenate(
        [ties, np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, -np.float32(np.inf))]
    )
    # A driver may take subnormal numbers for zero, which is what they quantize to at these scales.
    x = np.concatenate([x, special])
    with np.errstate(over="ignore"):
        expected = reference.quantize(x, scale, -3)
    assert_same_bytes(run_quantize(x, scale, -3), expected, "quantize")


@pytest.mark.parametrize("bounds", [(-127, 127), (0, 100), (-5, -5)])
def test_quantize_range(bounds: tuple[int, int]) -> None:
    x = np.linspace(-50, 50, 777, dtype=np.float32)
    expected = reference.quantize(x, 0.2, -5, *bounds)
    assert_same_bytes(run_quantize(x, 0.2, -5, *bounds), expected, "quantize")


@pytest.mark.parametrize("zero_point", ZERO_POINTS)
@pytest.mark.parametrize("count", COUNTS)
def test_dequantize(count: int, zero_point: int) -> None:
    x = np.resize(np.arange(-128, 128, dtype=np.int8), count)
    y = run_dequantize(x, 0.0123, zero_point)
    assert_same_bytes(y, reference.dequantize(x, 0.0123, zero_point), "dequantize")


@pytest.mark.parametrize("scale", [0.0, -1.0, 1e-45, 1e39, float("nan"), float("inf")])
def test_scales_that_float32_cannot_hold_are_refused(scale: float) -> None:
    with pytest.raises(OpError, match="scale"):
        run_quantize(np.ones(4, np.float32), scale, 0)
    with pytest.raises(OpError, match="scale"):
        run_dequantize(np.ones(4, np.int8), scale, 0)


def test_zero_point_must_be_int8() -> None:
    with pytest.raises(OpError, match="zero point 128"):
        run_quantize(np.ones(4, np.float32), 1.0, 128)
    with pytest.raises(OpError, match="range -129"):
        run_quantize(np.ones(4, np.float32), 1.0, 0, -129, 127)
