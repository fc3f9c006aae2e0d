"""index_put and scatter against NumPy, byte by byte: the last of several writes to a place
stays, what is no place is not written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linear_fixture import OpError, assert_same_bytes
from moved_elements import DTYPES, Call, check, numbers
from op_fixture import Dynamic, Output, each_row, edges, force_row, run_op

PUT, SOURCE, VALUE = "aten.index_put.default", "aten.scatter.src", "aten.scatter.value"
ADD = "aten.scatter_add.default"


def places(shape: tuple[int, ...], low: int, high: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape, np.int32)


def put(x: np.ndarray, dim: int, at: np.ndarray, values: np.ndarray) -> Call:
    y = x.copy()
    front = (slice(None),) * dim
    target = np.broadcast_to(values, (*x.shape[:dim], *at.shape, *x.shape[dim + 1 :]))
    for k in np.ndindex(at.shape):
        place = at[k] + x.shape[dim] if at[k] < 0 else at[k]
        if 0 <= place < x.shape[dim]:
            y[(*front, place)] = target[(*front, *k)]
    return PUT, [x, [None] * dim + [at], values, False], y


def scatter(x: np.ndarray, dim: int, at: np.ndarray, source: Any) -> Call:
    y = x.copy()
    for k in np.ndindex(at.shape):
        if 0 <= at[k] < x.shape[dim]:
            place = list(k)
            place[dim] = at[k]
            y[tuple(place)] = source[k] if isinstance(source, np.ndarray) else source
    return (SOURCE if isinstance(source, np.ndarray) else VALUE), [x, dim, at, source], y


@pytest.mark.parametrize("dtype", DTYPES)
def test_ops(dtype: Any) -> None:
    x = numbers((5, 4, 16), dtype)
    calls = []
    for dim in range(3):
        size = x.shape[dim]
        for shape in ((), (1,), (3,), (2, 2), (9,)):
            at = places(shape, -size - 1, size + 1, dim)
            full = (*x.shape[:dim], *shape, *x.shape[dim + 1 :])
            calls.append(put(x, dim, at, numbers(full, dtype, 3)))
            calls.append(put(x, dim, at, numbers((), dtype, 4)))
            calls.append(put(x, dim, at, numbers((*full[:-1], 1), dtype, 5)))
        at = places((3, 4, 5), -1, size + 1, dim + 7)
        at = at[:, :, : min(5, x.shape[2])]
        calls.append(scatter(x, dim, at, numbers((4, 4, 9), dtype, 6)))
        calls.append(scatter(x, dim, at, 1))
    calls.append(scatter(x[0, 0], 0, places((40,), 0, 16), numbers((40,), dtype)))
    check(*calls)


def put_sum(x: np.ndarray, dim: int, at: np.ndarray, values: np.ndarray) -> Call:
    """What index_put adds to x, in float64 or int64."""
    y = x.astype(np.float64 if x.dtype == np.float32 else np.int64)
    front = (slice(None),) * dim
    target = np.broadcast_to(values, (*x.shape[:dim], *at.shape, *x.shape[dim + 1 :]))
    for k in np.ndindex(at.shape):
        place = at[k] + x.shape[dim] if at[k] < 0 else at[k]
        if 0 <= place < x.shape[dim]:
            y[(*front, place)] += target[(*front, *k)]
    return PUT, [x, [None] * dim + [at], values, True], y.astype(x.dtype)


def scatter_sum(x: np.ndarray, dim: int, at: np.ndarray, source: np.ndarray) -> Call:
    y = x.astype(np.float64 if x.dtype == np.float32 else np.int64)
    for k in np.ndindex(at.shape):
        if 0 <= at[k] < x.shape[dim]:
            place = list(k)
            place[dim] = at[k]
            y[tuple(place)] += source[k]
    return ADD, [x, dim, at, source], y.astype(x.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_sums(dtype: Any) -> None:
    """Of whole numbers and halves, whose sums are exact."""
    x = numbers((5, 4, 16), dtype)
    calls = []
    for dim in range(3):
        size = x.shape[dim]
        for shape in ((), (1,), (3,), (2, 2), (40,)):
            at = places(shape, -size - 1, size + 1, dim)
            full = (*x.shape[:dim], *shape, *x.shape[dim + 1 :])
            calls.append(put_sum(x, dim, at, numbers(full, dtype, 3)))
            calls.append(put_sum(x, dim, at, numbers((), dtype, 4)))
        at = places((3, 4, 5), -1, size + 1, dim + 7)
        calls.append(scatter_sum(x, dim, at, numbers((4, 4, 9), dtype, 6)))
        calls.append(scatter_sum(x, dim, at[:, :, :0], numbers((4, 4, 9), dtype, 6)))
    calls.append(scatter_sum(x[0, 0], 0, places((40,), 0, 16), numbers((40,), dtype)))
    x = numbers((1, 2, 3, 1, 2, 3), dtype)
    calls.append(put_sum(x, 2, places((5,), 0, 3), numbers((1, 2, 5, 1, 2, 3), dtype)))
    check(*calls)


def test_sums_of_many() -> None:
    """More than a dispatch has rounds of a loop; what is small is not lost beside what is large."""
    x = np.array([2.0**24, 0.0], np.float32)
    at = np.zeros(70_001, np.int32)
    at[::2] = 1
    ones = np.ones(70_001, np.float32)
    y = run_op(ADD, [x, 0, at, ones], Output(np.float32, (2,)))
    assert y.tolist() == [2.0**24 + 35_000, 35_001.0]
    special = np.array([1.0, np.inf, -np.inf, np.nan], np.float32)
    y = run_op(ADD, [x, 0, np.array([0, 1, 1, 0], np.int32), special], Output(np.float32, (2,)))
    assert np.isnan(y).all()
    y = run_op(ADD, [x, 0, np.array([0, 1], np.int32), special[:2]], Output(np.float32, (2,)))
    assert y.tolist() == [2.0**24, np.inf]


@each_row("accumulate", "accumulate_int")
def test_every_row_of_sums(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    dtype = np.int32 if row.op.name.endswith("int") else np.float32
    for count in edges(row.tile_n // 3 + 1):
        x = numbers((count, 3), dtype)
        at = places((5,), 0, count, count)
        check(put_sum(x, 0, at, numbers((5, 3), dtype, 1)))


@each_row("scatter_bytes", "scatter_words", "scatter_groups", "scatter_map")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    unit = row.op.name.split("_")[-1]
    dtype, columns = {"bytes": (np.int8, 3), "words": (np.float32, 3)}.get(unit, (np.float32, 8))
    for count in edges(row.tile_n // columns + 1):
        x = numbers((count, columns), dtype)
        at = places((count + 1,), 0, count, count)
        check(put(x, 0, at, numbers((count + 1, columns), dtype, 1)))


def test_sizes_below_the_bounds_and_none() -> None:
    x, values = numbers((4, 6), np.float32), numbers((2, 6), np.float32, 1)
    at = np.array([3, 0], np.int32)
    _, _, wanted = put(x, 0, at, values)
    y = run_op(
        PUT,
        [Dynamic(x, (9, 6)), [Dynamic(at, (5,))], Dynamic(values, (5, 6)), False],
        Output(np.float32, (9, 6)),
    )
    assert_same_bytes(y, wanted, "dynamic")
    none = Dynamic(np.zeros((0,), np.int32), (5,))
    y = run_op(PUT, [x, [none], Dynamic(values[:0], (5, 6)), False], Output(np.float32, (4, 6)))
    assert_same_bytes(y, x, "nothing is written")
    none = Dynamic(np.zeros((3, 0, 2), np.int32), (3, 2, 2))
    no_values = Dynamic(np.zeros((3, 0, 2, 6), np.float32), (3, 2, 2, 6))
    y = run_op(PUT, [x, [none], no_values, False], Output(np.float32, (4, 6)))
    assert_same_bytes(y, x, "nothing is written by several dimensions")
    none = Dynamic(np.zeros((0, 6), np.int32), (2, 6))
    y = run_op(SOURCE, [x, 0, none, values], Output(np.float32, (4, 6)))
    assert_same_bytes(y, x, "nothing is scattered")


def test_wrong_arguments() -> None:
    x, at = numbers((4, 6), np.float32), places((2,), 0, 4)
    y = Output(np.float32, (4, 6))
    square = places((2, 2), 0, 4)
    for op, arguments, message in [
        (PUT, [x, [at, at], x[0], False], "one dimension can be indexed by a tensor, got more"),
        (ADD, [x > 0, 0, places((3, 6), 0, 4), x > 0], "expected one type, float32 or int32"),
        (ADD, [x, 0, places((5, 7), 0, 4), numbers((5, 7), np.float32)], "is larger than self"),
        (PUT, [x, [None, None, at], x[0], False], "dimension 2 is indexed"),
        (PUT, [x, [at], x[:3], False], r"values of shape \[3, 6\] are written to \[2, 6\]"),
        (PUT, [x, [x], x[:2], False], "the index must be int32, got float32"),
        (PUT, [x, [at], x[:2].astype(np.int32), False], "got int32 to float32"),
        (PUT, [x, [square], numbers((1, 2, 6), np.float32), False], "expand them"),
        (PUT, [x, [square], numbers((1, 2, 6), np.float32), True], "expand them"),
        (PUT, [x, [square], numbers((2, 1, 6), np.float32), True], "expand them"),
        (SOURCE, [x, 0, at, x], "the same number of dimensions"),
        (SOURCE, [x, 0, places((5, 7), 0, 4), numbers((5, 7), np.float32)], "is larger than self"),
        (SOURCE, [x, 0, places((3, 6), 0, 4), x[:2]], "or than the source"),
        (SOURCE, [x, 0, places((3, 6), 0, 4), x[0]], "src must have 2 dimensions"),
        (VALUE, [x, 2, square, 1.0], "dim 2 is outside a tensor of rank 2"),
    ]:
        with pytest.raises(OpError, match=message):
            run_op(op, arguments, y)
