"""Cumulative sums against NumPy in float64, or exact where they are of integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, force_row, run_chain, run_op

OP = "aten.cumsum.default"
SHAPES = ((1,), (7,), (3, 5), (2, 3, 70), (70, 2, 3), (2, 300, 3), (1, 2, 3, 1, 2, 3))


def numbers(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == np.int32:
        return rng.integers(-(1 << 31), 1 << 31, shape).astype(np.int32)
    return rng.uniform(-3.0, 3.0, shape).astype(np.float32)


def check(calls: list[tuple[np.ndarray, int]]) -> None:
    """All in one program: x and the dimension of each."""
    outputs = [Output(x.dtype, x.shape) for x, _ in calls]
    rows = [(OP, [x, dim, None], y) for (x, dim), y in zip(calls, outputs, strict=True)]
    for (x, dim), y in zip(calls, run_chain(rows, outputs)[0], strict=True):
        what = f"{x.shape} along {dim}"
        if x.dtype == np.int32:
            assert_same_bytes(y, np.cumsum(x, dim, dtype=np.int32), what)
        else:
            wanted = np.cumsum(x.astype(np.float64), dim)
            largest = np.abs(wanted).max(dim, keepdims=True)
            assert np.all(np.abs(y - wanted) <= 1e-5 * largest), what


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_every_dimension(dtype: Any) -> None:
    drawn = [numbers(shape, dtype) for shape in SHAPES]
    calls = [(x, dim) for x in drawn for dim in range(x.ndim)]
    check([*calls, *((x, dim - x.ndim) for x, dim in calls)])
    scalar = numbers((), dtype)
    for dim in (0, -1):
        assert run_op(OP, [scalar, dim, None], Output(dtype, ())) == scalar


@each_row("scan")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    block = row.workgroup_size * row.tile_k
    for dtype in (np.float32, np.int32):
        lengths = (1, 2, block - 1, block, block + 1, 2 * block + 3)
        check([(numbers((3, n), dtype, n), 1) for n in lengths])
        check([(numbers((n, 3), dtype, n), 0) for n in lengths])


def test_a_million_small_numbers() -> None:
    """Rounded at each step, the last sum would be off by 1e-4 of it."""
    check([(np.full((1, 1 << 20), 0.1, np.float32), 1)])


def test_special_values() -> None:
    inf, nan = np.inf, np.nan
    rows = [
        [1.0, inf, 2.0, inf],
        [1.0, -inf, 2.0, inf],
        [nan, 1.0, 2.0, 3.0],
        [1.0, 2.0, nan, inf],
        [-0.0, -0.0, 0.0, -0.0],
    ]
    x = np.array(rows, np.float32)
    with np.errstate(all="ignore"):
        wanted = np.cumsum(x, 1, dtype=np.float32)
    for dim, given in ((1, x), (0, np.ascontiguousarray(x.T))):
        y = run_op(OP, [given, dim, None], Output(np.float32, given.shape))
        np.testing.assert_array_equal(y if dim else y.T, wanted)


def test_smaller_than_planned_and_errors() -> None:
    x = numbers((3, 9), np.int32)
    y = run_op(OP, [Dynamic(x, (7, 20)), 1, None], Output(np.int32, (7, 20)))
    assert_same_bytes(y, np.cumsum(x, 1, dtype=np.int32), "dynamic")
    for arguments, output, message in (
        ([x, 2, None], Output(np.int32, (3, 9)), "dim 2 is outside a tensor of rank 2"),
        ([x > 0, 1, None], Output(np.int32, (3, 9)), "got bool to int32"),
        ([x, 1, None], Output(np.float32, (3, 9)), "got int32 to float32"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(OP, arguments, output)
