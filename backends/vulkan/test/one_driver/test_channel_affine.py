"""Shifts and scales by channel, against NumPy: int8 byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import reference
from linear_fixture import OpError, assert_same_bytes
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_chain, run_op

AFFINE = "et_vk.channel_affine.default"
Q8TA = "et_vk.q8ta_channel_affine.default"
SHAPES = ((3, 5), (1, 16), (2, 7, 9), (3, 8, 1), (2, 4, 5, 6), (1, 3, 33, 7), (2, 20, 2, 2, 3))
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def floats(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def arrays(channels: int) -> Arrays:
    return floats((channels,), 1), floats((channels,), 2), floats((channels,), 3)


def expected(x: np.ndarray, constants: Arrays, dtype: Any = np.float32) -> np.ndarray:
    """In float32 steps, or in float64."""
    center, scale, shift = (
        one.astype(dtype).reshape(-1, *(1,) * (x.ndim - 2)) for one in constants
    )
    return (x.astype(dtype) - center) * scale + shift


def quantized(f: np.ndarray, bounds: tuple[int, int] = (-128, 127)) -> np.ndarray:
    return reference.quantize(f, 0.9, -9, *bounds)


def arguments(x: Any, constants: Arrays) -> list[Any]:
    return [x, *map(Constant, constants)]


def check(shape: tuple[int, ...]) -> None:
    constants = arrays(shape[1])
    x = floats(shape)
    y = run_op(AFFINE, arguments(x, constants), Output(np.float32, shape))
    wanted = expected(x, constants, np.float64)
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
    q = numbers(shape)
    y = run_op(Q8TA, [*arguments(q, constants), 0.9, -9, -128, 127], Output(np.int8, shape))
    assert_same_bytes(y, quantized(expected(q, constants)), f"{shape}")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes(shape: tuple[int, ...]) -> None:
    check(shape)


@each_row("channel_affine", "q8ta_channel_affine")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for shape in ((67, 12), (3, 7, 131), (2, 12, 40, 30), (1, 1)):
        check(shape)


@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 8, 3, 5), (1, 3, 4, 4)], ids=str)
def test_channels_last(shape: tuple[int, ...]) -> None:
    """Between ops that give and take channels-last nothing is copied."""
    q, constants = numbers(shape), arrays(shape[1])
    last = (shape[0], *shape[2:], shape[1])
    start, middle = Output(np.int8, shape), Output(np.int8, shape)
    end = Output(np.int8, last)
    calls = [
        ("test.to_channels_last", [np.ascontiguousarray(np.moveaxis(q, 1, -1))], start),
        (Q8TA, [*arguments(start, constants), 0.9, -9, -128, 127], middle),
        ("test.from_channels_last", [middle], end),
    ]
    [y], kernels = run_chain(calls, [end])
    assert len(kernels) == 1
    wanted = quantized(expected(q, constants))
    assert_same_bytes(y, np.ascontiguousarray(np.moveaxis(wanted, 1, -1)), f"{shape}")


def test_bounds_and_fewer_elements_than_planned() -> None:
    q, constants = numbers((2, 6, 5)), arrays(6)
    called = [*arguments(Dynamic(q, (9, 6, 8)), constants), 0.9, -9, -60, 50]
    y = run_op(Q8TA, called, Output(np.int8, (9, 6, 8)))
    assert_same_bytes(y, quantized(expected(q, constants), (-60, 50)), Q8TA)


def test_infinities_and_nan() -> None:
    x, constants = floats((2, 3, 4)), arrays(3)
    x[0, 0, 0], x[0, 1, 1], x[1, 2, 3] = np.inf, -np.inf, np.nan
    y = run_op(AFFINE, arguments(x, constants), Output(np.float32, x.shape))
    np.testing.assert_allclose(y, expected(x, constants), rtol=1e-5, atol=1e-6)
    constants[1][1] = np.nan
    q = numbers((2, 3, 4))
    y = run_op(Q8TA, [*arguments(q, constants), 0.9, -9, -128, 127], Output(np.int8, q.shape))
    # As PyTorch's quantize gives it on a CPU.
    assert (y[:, 1] == 0).all()


def test_wrong_arguments() -> None:
    x, constants = floats((2, 4)), arrays(3)
    with pytest.raises(OpError, match=r"centers must be float32 \[4\], got float32 \[3\]"):
        run_op(AFFINE, arguments(x, constants), Output(np.float32, (2, 4)))
    with pytest.raises(OpError, match="two or more dimensions"):
        run_op(AFFINE, arguments(x[0], arrays(4)), Output(np.float32, (4,)))
    with pytest.raises(OpError, match="expected float32, got int8 to int8"):
        run_op(AFFINE, arguments(numbers((2, 4)), arrays(4)), Output(np.int8, (2, 4)))
