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
        (PUT, [x, [at], x[:2], True], "values can be written, not accumulated"),
        (PUT, [x, [None, None, at], x[0], False], "dimension 2 is indexed"),
        (PUT, [x, [at], x[:3], False], r"values of shape \[3, 6\] are written to \[2, 6\]"),
        (PUT, [x, [x], x[:2], False], "the index must be int32, got float32"),
        (PUT, [x, [at], x[:2].astype(np.int32), False], "got int32 to float32"),
        (PUT, [x, [square], numbers((1, 2, 6), np.float32), False], "expand them"),
        (SOURCE, [x, 0, at, x], "the same number of dimensions"),
        (SOURCE, [x, 0, places((5, 7), 0, 4), numbers((5, 7), np.float32)], "is larger than self"),
        (SOURCE, [x, 0, places((3, 6), 0, 4), x[:2]], "or than the source"),
        (SOURCE, [x, 0, places((3, 6), 0, 4), x[0]], "src must have 2 dimensions"),
        (VALUE, [x, 2, square, 1.0], "dim 2 is outside a tensor of rank 2"),
    ]:
        with pytest.raises(OpError, match=message):
            run_op(op, arguments, y)
