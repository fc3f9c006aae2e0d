"""q8ta_mean against NumPy, byte by byte."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import reference
from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, force_row, run_op

OP = "et_vk.q8ta_mean.default"
ZERO_POINTS = (-128, 0, 127)


def expected_mean(
    x: np.ndarray,
    dims: tuple[int, ...],
    keepdim: bool,
    zero_points: tuple[int, int],
    bounds: tuple[int, int],
) -> np.ndarray:
    axes = dims or tuple(range(x.ndim))
    acc = (x.astype(np.int64) - zero_points[0]).sum(axes, keepdims=keepdim).astype(np.int32)
    count = int(np.prod([x.shape[dim] for dim in axes]))
    f = acc.astype(np.float32) * np.float32(0.03 / count)
    return reference.quantize(f, 0.004, zero_points[1], *bounds)


def arguments(
    x: Any,
    dims: tuple[int, ...],
    keepdim: bool,
    zero_points: tuple[int, int],
    bounds: tuple[int, int],
) -> list[Any]:
    return [x, 0.03, zero_points[0], list(dims), keepdim, 0.004, zero_points[1], *bounds]


def check(
    x: np.ndarray,
    dims: tuple[int, ...],
    keepdim: bool = False,
    zero_points: tuple[int, int] = (5, -9),
    bounds: tuple[int, int] = (-128, 127),
) -> None:
    rest = dims, keepdim, zero_points, bounds
    expected = expected_mean(x, *rest)
    y = run_op(OP, arguments(x, *rest), Output(np.int8, expected.shape))
    assert_same_bytes(y, expected, f"mean of {x.shape} over {dims}")


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


@pytest.mark.parametrize(
    "shape",
    [
        *((1, 1, 1), (2, 3, 7), (3, 8, 16), (4, 15, 33), (16, 7, 2), (1, 33, 5), (7, 1, 130)),
        (5, 300, 12),
    ],
)
@pytest.mark.parametrize("keepdim", [False, True])
def test_every_choice_of_dimensions(shape: tuple[int, ...], keepdim: bool) -> None:
    x = numbers(shape)
    for count in range(4):
        for dims in itertools.combinations(range(3), count):
            check(x, dims, keepdim)


@each_row("q8ta_mean")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole words of x and parts of them, fewer steps than threads and more."""
    force_row(monkeypatch, row)
    for shape in ((1, 1), (3, 4), (17, 16), (5, 33), (130, 132), (67, 1000), (2051, 8), (3, 4100)):
        x = numbers(shape)
        for dims in ((0,), (1,), (0, 1)):
            check(x, dims)
    for shape in ((3, 5, 8), (4, 33, 7)):
        x = numbers(shape)
        for dims in ((0, 2), (1,), (0, 1), (1, 2)):
            check(x, dims)


def test_negative_dimensions_and_many() -> None:
    x = numbers((2, 3, 2, 3, 2, 2, 3, 2))
    for dims in ((-1,), (-2, 1), (0, 2, 4, 6), (1, 3, 5, 7), (7, 0), (3, 4)):
        check(x, tuple(dims), False)


@pytest.mark.parametrize("input_zero_point", ZERO_POINTS)
@pytest.mark.parametrize("output_zero_point", ZERO_POINTS)
def test_zero_points_and_bounds(input_zero_point: int, output_zero_point: int) -> None:
    x = numbers((3, 33, 6), 1)
    for dims in ((1,), (2,), (0, 2)):
        check(x, dims, False, (input_zero_point, output_zero_point))
        check(x, dims, True, (input_zero_point, output_zero_point), (-60, 50))


@pytest.mark.parametrize("dims", [(0,), (1,)])
def test_extremes(dims: tuple[int, ...]) -> None:
    """Sums as large as they get."""
    for value, zero_point in ((-128, 127), (127, -128)):
        check(np.full((3001, 1003), value, np.int8), dims, False, (zero_point, 0))
        check(np.full((3001, 1003), value, np.int8), (0, 1), False, (zero_point, 0))


def test_fewer_elements_than_planned() -> None:
    x = numbers((3, 9, 7), 2)
    for dims, bounds in (((1,), (20, 7)), ((0,), (50, 7)), ((2,), (20, 50)), ((0, 1), (7,))):
        called = arguments(Dynamic(x, (20, 50, 7)), dims, False, (0, 0), (-128, 127))
        y = run_op(OP, called, Output(np.int8, bounds))
        assert_same_bytes(y, expected_mean(x, dims, False, (0, 0), (-128, 127)), OP)


def test_limits() -> None:
    x = np.zeros((8421505,), np.int8)
    with pytest.raises(OpError, match=r"mean of 8421505 elements .*limit is 8421504"):
        run_op(OP, arguments(x, (0,), False, (0, 0), (-128, 127)), Output(np.int8, ()))
    y = run_op(OP, arguments(x[1:], (0,), False, (127, 0), (-128, 127)), Output(np.int8, ()))
    assert y == -128
    with pytest.raises(OpError, match="dim 2 is outside a tensor of rank 2"):
        run_op(
            OP, arguments(numbers((2, 2)), (2,), False, (0, 0), (-128, 127)), Output(np.int8, (2,))
        )
