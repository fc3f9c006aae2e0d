"""Resizing of images against PyTorch, and in int8 byte by byte against NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import reference
from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, force_row, run_chain, run_op

NEAREST = "aten.upsample_nearest2d.vec"
BILINEAR = "aten.upsample_bilinear2d.vec"
Q8TA = "et_vk.q8ta_upsample_bilinear2d.default"
SHAPES = ((1, 3, 5, 7), (2, 8, 4, 4), (1, 1, 1, 6), (3, 5, 7, 1), (2, 4, 3, 9))
# Output size, or factors.
RESIZES: tuple[tuple[list[int] | None, list[float] | None], ...] = (
    *((([8, 14]), None), ([3, 3], None), ([5, 7], None), ([1, 1], None), ([11, 20], None)),
    *((None, [2.0, 2.0]), (None, [1.7, 1.05]), (None, [2.1, 1.0]), (None, [3.0, 1.5])),
)


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def floats(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sizes_of(x: np.ndarray, size: list[int] | None, factors: list[float] | None) -> tuple[int, ...]:
    to = size or [int(n * factor) for n, factor in zip(x.shape[2:], factors or (), strict=True)]
    return (*x.shape[:2], *to)


def can_resize(x: np.ndarray, size: list[int] | None, factors: list[float] | None) -> bool:
    return min(sizes_of(x, size, factors)) > 0


def in_torch(
    x: np.ndarray, size: list[int] | None, factors: list[float] | None, align: bool | None
) -> np.ndarray:
    tensor = torch.from_numpy(x.astype(np.float32))
    if align is None:
        y = torch.ops.aten.upsample_nearest2d.vec(tensor, size, factors)
    else:
        y = torch.ops.aten.upsample_bilinear2d.vec(tensor, size, align, factors)
    return y.numpy().astype(x.dtype)


def taps(old: int, new: int, factor: float | None, align: bool) -> Any:
    """The two indices and the second one's weight, in float32 steps, for one dimension."""
    at = np.arange(new, dtype=np.float32)
    if new == old:
        return at.astype(int), at.astype(int), np.zeros(new, np.float32)
    one = np.float32(1)
    if align:
        scale = np.float32(old - 1) / np.float32(new - 1) if new > 1 else np.float32(0)
        source = at * scale
    else:
        scale = np.float32(old) / np.float32(new) if factor is None else np.float32(1 / factor)
        source = np.maximum((at + one / 2) * scale - one / 2, np.float32(0))
    low = np.minimum(source.astype(int), old - 1)
    return low, np.minimum(low + 1, old - 1), np.clip(source - low.astype(np.float32), 0, 1)


def expected_int8(
    x: np.ndarray,
    size: list[int] | None,
    factors: list[float] | None,
    align: bool,
    bounds: tuple[int, int] = (-128, 127),
) -> np.ndarray:
    f = reference.dequantize(x, 0.03, 5)
    _, _, height, width = sizes_of(x, size, factors)
    one = np.float32(1)
    for axis, new in ((3, width), (2, height)):
        factor = factors[axis - 2] if factors else None
        low, high, t = taps(x.shape[axis], new, factor, align)
        t = t.astype(np.float32).reshape(-1, *(1,) * (3 - axis))
        f = f.take(low, axis) * (one - t) + f.take(high, axis) * t
    return reference.quantize(f, 0.021, -9, *bounds)


def q8ta_arguments(
    x: Any,
    size: Any,
    factors: Any,
    align: bool,
    bounds: tuple[int, int] = (-128, 127),
) -> list[Any]:
    return [x, 0.03, 5, size, align, factors, 0.021, -9, *bounds]


def check_all(shape: tuple[int, ...]) -> None:
    x, f = numbers(shape), floats(shape)
    for size, factors in RESIZES:
        if not can_resize(x, size, factors):
            continue
        to = sizes_of(x, size, factors)
        for one in (x, f, x > 0):
            y = run_op(NEAREST, [one, size, factors], Output(one.dtype, to))
            assert_same_bytes(y, in_torch(one, size, factors, None), f"nearest {shape} to {to}")
        for align in (False, True):
            y = run_op(BILINEAR, [f, size, align, factors], Output(np.float32, to))
            wanted = in_torch(f, size, factors, align)
            np.testing.assert_allclose(y, wanted, rtol=0, atol=3e-6 * np.abs(f).max())
            y = run_op(Q8TA, q8ta_arguments(x, size, factors, align), Output(np.int8, to))
            assert_same_bytes(y, expected_int8(x, size, factors, align), f"{shape} to {to}")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sizes_and_factors(shape: tuple[int, ...]) -> None:
    check_all(shape)


@each_row("upsample_bytes", "upsample_words")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for shape in ((1, 3, 33, 17), (2, 12, 5, 6)):
        check_all(shape)


def last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


@pytest.mark.parametrize("channels", [1, 3, 8, 20])
def test_channels_last(channels: int) -> None:
    """Between ops that give and take channels-last nothing is copied."""
    x, f = numbers((2, channels, 3, 5)), floats((2, channels, 3, 5))
    to = (2, channels, 7, 10)
    for one, op, rest in (
        (x, NEAREST, [[7, 10], None]),
        (f, BILINEAR, [[7, 10], False, None]),
        (x, Q8TA, q8ta_arguments(x, [7, 10], None, True)[1:]),
    ):
        start, middle = Output(one.dtype, one.shape), Output(one.dtype, to)
        end = Output(one.dtype, (2, 7, 10, channels))
        calls = [
            ("test.to_channels_last", [last(one)], start),
            (op, [start, *rest], middle),
            ("test.from_channels_last", [middle], end),
        ]
        [y], kernels = run_chain(calls, [end])
        assert len(kernels) == 1
        wanted = run_op(op, [one, *rest], Output(one.dtype, to))
        assert_same_bytes(y, last(wanted), op)


def test_bounds_and_fewer_pixels_than_planned() -> None:
    x = numbers((2, 5, 3, 4), 3)
    bounds = (-60, 50)
    y = run_op(
        Q8TA,
        q8ta_arguments(Dynamic(x, (4, 5, 9, 9)), None, [2.0, 1.5], False, bounds),
        Output(np.int8, (4, 5, 18, 13)),
    )
    assert_same_bytes(y, expected_int8(x, None, [2.0, 1.5], False, bounds), Q8TA)


def test_every_ratio() -> None:
    """Which pixel is nearest is a matter of a float's last bit."""
    for old, new in itertools.product((1, 2, 3, 7, 10, 49), (1, 2, 3, 5, 6, 14, 29, 63)):
        x = numbers((1, 1, 1, old))
        y = run_op(NEAREST, [x, [1, new], None], Output(np.int8, (1, 1, 1, new)))
        assert_same_bytes(y, in_torch(x, [1, new], None, None), f"{old} to {new}")
    for factor in (0.3, 0.7, 1.1, 1.3, 1.9, 2.3, 3.7):
        x = numbers((1, 1, 1, 23))
        new = int(23 * factor)
        y = run_op(NEAREST, [x, None, [1.0, factor]], Output(np.int8, (1, 1, 1, new)))
        assert_same_bytes(y, in_torch(x, None, [1.0, factor], None), f"by {factor}")


def test_infinities_and_nan() -> None:
    x = floats((1, 2, 4, 4))
    x[0, 0, 1, 1], x[0, 1, 2, 2], x[0, 1, 0, 0] = np.inf, np.nan, -np.inf
    for align in (False, True):
        y = run_op(BILINEAR, [x, [7, 9], align, None], Output(np.float32, (1, 2, 7, 9)))
        wanted = F.interpolate(
            torch.from_numpy(x), (7, 9), mode="bilinear", align_corners=align
        ).numpy()
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_wrong_arguments() -> None:
    x = numbers((1, 2, 3, 3))
    y = Output(np.int8, (1, 2, 6, 6))
    for rest, message in (
        ([None, None], "either an output size or scale factors"),
        ([[6, 6], [2.0, 2.0]], "either an output size or scale factors"),
        ([[6, 6, 6], None], "an output size of 3 numbers, expected 2"),
        ([[6, 0], None], r"\[1, 2, 3, 3\] cannot be resized to \[1, 2, 6, 0\]"),
        ([None, [2.0]], "1 scale factors, expected 2"),
        ([None, [2.0, -2.0]], "scale factor -2 must be positive"),
        ([[7, 6], None], "over|beyond|more than"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(NEAREST, [x, *rest], y)
    with pytest.raises(OpError, match="expected float32, got int8 to int8"):
        run_op(BILINEAR, [x, [6, 6], False, None], y)
    with pytest.raises(OpError, match="must have 4 dimensions"):
        run_op(NEAREST, [x[0], [6, 6], None], Output(np.int8, (2, 6, 6)))
