"""Conversions between dtypes against PyTorch, byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, edges, force_row, run_chain, run_op

CONVERT = "dim_order_ops._to_dim_order_copy.default"
NOTHING = [None] * 6  # dtype, layout, device, pin_memory, non_blocking, dim_order
DTYPES = (np.float32, np.int32, np.int8, np.uint8, np.bool_)
VALUES = {
    # What C leaves open, beyond the narrower type's range, is not here.
    np.float32: [0.0, -0.0, 0.4, -0.9, 1.5, 2.999, 126.7, 1e-30, 100.0, 3.0, 17.25],
    np.int32: [0, 1, -1, 127, -128, 255, 256, -(1 << 31), (1 << 31) - 1, 65537, 1000],
    np.int8: [0, 1, -1, 127, -128, 5],
    np.uint8: [0, 1, 127, 128, 255],
    np.bool_: [False, True, True],
}


def operand(dtype: Any, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(VALUES[dtype], dtype), shape)


def converted(x: np.ndarray, dtype: Any) -> np.ndarray:
    """As PyTorch does it."""
    names = {np.bool_: torch.bool, **{t: getattr(torch, np.dtype(t).name) for t in DTYPES[:4]}}
    return torch.from_numpy(np.ascontiguousarray(x)).reshape(x.shape).to(names[dtype]).numpy()


def check(pairs: list[tuple[np.ndarray, Any]]) -> None:
    calls = [(CONVERT, [x, *NOTHING], Output(dtype, x.shape)) for x, dtype in pairs]
    results, _ = run_chain(calls, [y for _, _, y in calls])
    for (x, dtype), y in zip(pairs, results, strict=True):
        assert_same_bytes(y, converted(x, dtype), f"{x.dtype} to {np.dtype(dtype)}, {x.shape}")


@pytest.mark.parametrize("to", DTYPES)
def test_conversions(to: Any) -> None:
    shapes = ((), (1,), (3,), (4,), (2, 3, 5), (1, 2, 3, 1, 2, 7))
    check([(operand(x, shape), to) for x in DTYPES for shape in shapes])


def test_floats_that_are_no_integers_of_the_type() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 3e9, -3e9, 2147483648.0, -2147483648.0], np.float32)
    y = run_op(CONVERT, [x, *NOTHING], Output(np.int32, x.shape))
    assert_same_bytes(y, np.full(7, -(1 << 31), np.int32), "beyond int32")
    y = run_op(CONVERT, [x, *NOTHING], Output(np.bool_, x.shape))
    assert y.all()


@each_row("convert")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    sizes = edges(row.tile_n)
    check([(operand(np.float32, (n,)), np.int32) for n in sizes])
    check([(operand(np.bool_, (n,)), np.float32) for n in sizes])
    check([(operand(np.int32, (n,)), np.uint8) for n in sizes])


def test_one_dtype_is_an_alias_and_sizes_below_the_bounds() -> None:
    x = operand(np.int32, (2, 3))
    [y], kernels = run_chain([(CONVERT, [x, *NOTHING], out := Output(np.int32, (2, 3)))], [out])
    assert_same_bytes(y, x, "the same")
    assert kernels == []
    y = run_op(CONVERT, [Dynamic(x, (5, 9)), *NOTHING], Output(np.float32, (5, 9)))
    assert_same_bytes(y, x.astype(np.float32), "dynamic")


def test_types_that_there_are_not() -> None:
    with pytest.raises(OpError, match="expected float32, int32, int8, uint8 or bool, got int64"):
        run_op(CONVERT, [np.zeros(3, np.int64), *NOTHING], Output(np.int32, (3,)))
