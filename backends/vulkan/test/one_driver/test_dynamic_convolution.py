"""Convolutions of a float32 x that is quantized at run time, against PyTorch's own quantizing ops
and NumPy, to the last bit."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import convolution_cases as cases
from dynamic_grids import GRIDS
from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, force_row, run_chain, run_op

OP = "et_vk.conv2d_dq8ca_q8csw.default"
PER_TENSOR = [grids for grids in GRIDS if grids[0] == "per_tensor"]
AFFINE = PER_TENSOR[0]
COUNT = 12 if os.environ.get("ETVK_TEST_DRIVER") == "swiftshader" else 60  # slow to compile there


def drawn(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of some magnitude, and mostly of one sign here and there."""
    x = rng.normal(size=shape) + rng.choice([-2.0, 0.0, 0.0, 2.0])
    return (x * 2.0 ** rng.integers(-20, 15)).astype(np.float32)


def quantized(conv: cases.Convolution, x: np.ndarray, grids: Any) -> cases.Convolution:
    """The convolution of the integers and the grid that PyTorch finds for x."""
    q, scale, zero_point = (one.numpy() for one in GRIDS[grids](torch.from_numpy(x)))
    grid = float(np.float32(scale).item()), int(zero_point.item())
    return replace(conv, x=q, input_scale=grid[0], input_zero_point=grid[1])


def arguments(conv: cases.Convolution, x: Any, grids: Any) -> list[Any]:
    weights = cases.operands(conv)[3:]
    return [x, *grids, *weights, cases.optional(conv.bias), *cases.window(conv), *conv.activation]


def check(conv: cases.Convolution, x: np.ndarray, grids: Any = AFFINE) -> None:
    y = cases.expected_floats(quantized(conv, x, grids))
    result = run_op(OP, arguments(conv, x, grids), Output(np.float32, y.shape))
    assert_same_bytes(result, y, f"{conv}, {grids}")


def check_shape(rng: np.random.Generator, shape: Any, out: int, kernel: Any, **rest: Any) -> None:
    check(cases.with_numbers(rng, shape, out, kernel, **rest), drawn(rng, shape))


def test_random_ones() -> None:
    rng = np.random.default_rng(1)
    for index in range(COUNT):
        conv = cases.random_convolution(rng)
        check(conv, drawn(rng, conv.x.shape), PER_TENSOR[index % len(PER_TENSOR)])


@each_row("conv2d_q8ta_q8csw")
def test_every_window_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels of each alignment, padding, groups, and a transposed one."""
    force_row(monkeypatch, row)
    rng = np.random.default_rng(2)
    for channels, outputs in ((16, row.tile_n + 4), (3, row.tile_n - 1), (20, row.tile_n)):
        shape = (1, channels, 4, row.tile_m // 2 + 3)
        check_shape(rng, shape, max(1, outputs), (3, 3), padding=(1, 1))
    grouped = {"groups": 2, "padding": (2, 1), "dilation": (1, 2)}
    up = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "transposed": True}
    for channels, rest in ((6, grouped), (32, up)):
        check_shape(rng, (2, channels, 5, 6), 10, (3, 2), **rest)


@each_row("conv2d_dw_q8ta_q8csw")
def test_every_depthwise_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    rng = np.random.default_rng(3)
    up = {"transposed": True, "stride": (2, 1)}
    for channels, multiplier, rest in ((8, 1, {}), (7, 1, up), (5, 3, up), (130, 1, {})):
        made = {"groups": channels, "padding": (1, 2), **rest}
        check_shape(rng, (2, channels, 6, 9), channels * multiplier, (3, 3), **made)


@each_row("linear_q8ta_q8csw")
def test_every_row_of_pointwise_ones(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    rng = np.random.default_rng(4)
    rows = row.max_m or row.tile_m + 1
    for channels, outputs in ((16, row.tile_n), (20, 7), (3, row.tile_n + 1)):
        check_shape(rng, (1, channels, 1, rows), outputs, (1, 1))


@each_row("quantize_rows", "quantize_long_rows")
def test_every_row_that_quantizes(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An element, less than a word, and more than all workgroups read in one pass."""
    force_row(monkeypatch, row)
    rng = np.random.default_rng(5)
    for shape in ((1, 1, 1, 1), (1, 3, 1, 1), (2, 3, 7, 11), (1, 4, 300, row.tile_n)):
        for grids in PER_TENSOR:
            conv = cases.with_numbers(rng, shape, 2, (1, 1), stride=(2, 3))
            check(conv, drawn(rng, shape), grids)


def test_padding_is_zero() -> None:
    """Of values that are all large, the zero point is far from what zero bytes would mean."""
    rng = np.random.default_rng(6)
    x = rng.uniform(90, 100, (1, 5, 4, 4)).astype(np.float32)
    for groups in (1, 5):
        check(cases.with_numbers(rng, x.shape, 5, (3, 3), padding=(2, 2), groups=groups), x)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_not_finite(broken: float) -> None:
    """There is no grid then, and no result."""
    rng = np.random.default_rng(7)
    conv = cases.with_numbers(rng, (2, 6, 5, 5), 4, (3, 3), padding=(1, 1))
    x = drawn(rng, conv.x.shape)
    x[1, 2, 3, 4] = broken
    y = run_op(OP, arguments(conv, x, AFFINE), Output(np.float32, (2, 4, 5, 5)))
    assert np.isnan(y).all()


@pytest.mark.parametrize("sizes", [(0, 6), (1, 3), (2, 6), (4, 5)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
def test_dynamic_sizes(sizes: tuple[int, int], kernel: tuple[int, int]) -> None:
    rng = np.random.default_rng(8)
    conv = cases.with_numbers(rng, (sizes[0], 6, sizes[1], 7), 4, kernel, padding=(1, 1))
    x = drawn(rng, conv.x.shape)
    bounds = (4, 4, *(most + 3 - k for most, k in zip((6, 7), kernel, strict=True)))
    given = arguments(conv, Dynamic(x, (4, 6, 6, 7)), AFFINE)
    y = run_op(OP, given, Output(np.float32, bounds))
    if sizes[0]:
        assert_same_bytes(y, cases.expected_floats(quantized(conv, x, AFFINE)), str(conv))
    else:
        assert y.shape[0] == 0


def test_readers_share_the_integers() -> None:
    """As the branches of an Inception or a Fire module do, whatever their windows are."""
    rng = np.random.default_rng(9)
    x = drawn(rng, (2, 8, 5, 5))
    kinds: list[dict[str, Any]] = [
        *({"kernel": (1, 1)}, {"kernel": (3, 3), "padding": (1, 1)}),
        {"kernel": (3, 3), "padding": (1, 1), "groups": 8},
    ]
    layers = [cases.with_numbers(rng, x.shape, 8, **kind) for kind in kinds]
    outputs = [Output(np.float32, (2, 8, 5, 5)) for _ in layers]
    pairs = zip(layers, outputs, strict=True)
    calls = [(OP, arguments(conv, x, AFFINE), output) for conv, output in pairs]
    results, kernels = run_chain(calls, outputs)
    for y, conv in zip(results, layers, strict=True):
        assert_same_bytes(y, cases.expected_floats(quantized(conv, x, AFFINE)), str(conv))
    assert len([name for name in kernels if name.startswith("quantize_")]) == 2  # range and values


def test_refusals() -> None:
    rng = np.random.default_rng(10)
    conv = cases.with_numbers(rng, (1, 4, 5, 5), 4, (3, 3))
    x, output = drawn(rng, conv.x.shape), Output(np.float32, (1, 4, 3, 3))
    rows = next(grids for grids in GRIDS if grids[0] == "per_row")
    with pytest.raises(OpError, match="granularity must be per_tensor, got per_row"):
        run_op(OP, arguments(conv, x, rows), output)
    with pytest.raises(OpError, match="x must be float32"):
        run_op(OP, arguments(conv, conv.x, AFFINE), output)
