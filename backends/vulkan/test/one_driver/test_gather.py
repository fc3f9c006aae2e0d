"""embedding, gather, index_select and index against NumPy, byte by byte; indices that are no place
read the nearest one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linear_fixture import OpError, assert_same_bytes
from moved_elements import DTYPES, Call, check, numbers
from op_fixture import Constant, Dynamic, Output, each_row, edges, force_row, run_op

EMBEDDING = "aten.embedding.default"
INDEX_SELECT = "aten.index_select.default"
INDEX = "aten.index.Tensor"
GATHER = "aten.gather.default"


def places(shape: tuple[int, ...], size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, size, shape, np.int32)


def embedding(table: np.ndarray, index: np.ndarray) -> Call:
    return EMBEDDING, [Constant(table), index, -1, False, False], table[index]


def index_select(x: np.ndarray, dim: int, index: np.ndarray) -> Call:
    return INDEX_SELECT, [x, dim, index], x.take(index, dim)


def index(x: np.ndarray, dim: int, at: np.ndarray) -> Call:
    return INDEX, [x, [None] * dim + [at]], x[(slice(None),) * dim + (at,)]


def gather(x: np.ndarray, dim: int, at: np.ndarray) -> Call:
    part = x[tuple(slice(None) if i == dim % x.ndim else slice(n) for i, n in enumerate(at.shape))]
    return GATHER, [x, dim, at, False], np.take_along_axis(part, at, dim)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ops(dtype: Any) -> None:
    calls = []
    for columns in (1, 3, 4, 16, 20):
        table = numbers((7, columns), dtype, columns)
        calls += [embedding(table, places(shape, 7)) for shape in ((), (5,), (2, 3), (1, 2, 2, 2))]
    x = numbers((5, 4, 6), dtype)
    for dim in (0, 1, 2, -1):
        size = x.shape[dim]
        calls += [
            index_select(x, dim, places((9,), size)),
            gather(x, dim, places((5, 4, 6), size)),
            gather(x, dim, places(tuple(11 if i == dim % 3 else 3 for i in range(3)), size)),
        ]
    for dim in range(3):
        size = x.shape[dim]
        negative = np.random.default_rng(dim).integers(-size, size, (2, 3), np.int32)
        calls += [index(x, dim, negative), index(x, dim, places((), size))]
    calls += [index_select(x[0, 0], 0, places((1,), 6)), gather(x[0, 0], 0, places((8,), 6))]
    check(*calls)


@each_row("gather_bytes", "gather_words", "gather_groups")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    unit = row.op.name.split("_")[-1]
    dtype, columns = {"bytes": (np.int8, 3), "words": (np.float32, 3), "groups": (np.float32, 8)}[
        unit
    ]
    table = numbers((50, columns), dtype)
    check(*(embedding(table, places((count,), 50)) for count in edges(row.tile_n // columns + 1)))


def test_indices_that_are_no_place() -> None:
    x = numbers((6, 8), np.float32)
    at = np.array([-1, -7, 6, 1 << 30, -(1 << 31), (1 << 31) - 1, 2], np.int32)
    clamped = np.clip(at, 0, 5)
    counted = np.clip(np.where(at < 0, at.astype(np.int64) + 6, at), 0, 5)
    check(
        (EMBEDDING, [Constant(x), at, -1, False, False], x[clamped]),
        (INDEX_SELECT, [x, 0, at], x[clamped]),
        (INDEX, [x, [at]], x[counted]),
        (GATHER, [x, 0, at[:, None], False], x[clamped, :1]),
    )


def test_sizes_below_the_bounds_and_none() -> None:
    table = numbers((9, 5), np.float32)
    at = places((2, 3), 9)
    y = run_op(
        EMBEDDING,
        [Constant(table), Dynamic(at, (4, 7)), -1, False, False],
        Output(np.float32, (4, 7, 5)),
    )
    assert_same_bytes(y, table[at], "dynamic")
    empty = np.zeros((0,), np.int32)
    y = run_op(
        EMBEDDING,
        [Constant(table), Dynamic(empty, (4,)), -1, False, False],
        Output(np.float32, (4, 5)),
    )
    assert y.shape == (0, 5)


def test_wrong_arguments() -> None:
    x, at = numbers((4, 6), np.float32), places((4, 6), 4)
    y = Output(np.float32, (4, 6))
    for op, arguments, message in [
        (EMBEDDING, [x[0], at, -1, False, False], r"weight must be \[rows, columns\], got \[6\]"),
        (EMBEDDING, [x, x, -1, False, False], "the index must be int32, got float32"),
        (INDEX_SELECT, [x, 2, at[0]], "dim 2 is outside a tensor of rank 2"),
        (INDEX_SELECT, [x, 0, at], "an index of one, got shapes"),
        (INDEX, [x, [at, at]], "one dimension can be indexed by a tensor, got more"),
        (INDEX, [x, [None, None, at]], "dimension 2 is indexed"),
        (INDEX, [x, [None]], "a list of tensors and None, at least one a tensor"),
        (GATHER, [x, 0, at[0], False], "the same number of dimensions"),
        (GATHER, [x, 0, places((4, 7), 4), False], r"an index of shape \[4, 7\] is larger"),
        (GATHER, [at, 0, at, False], "got int32 to float32"),
    ]:
        with pytest.raises(OpError, match=message):
            run_op(op, arguments, y)
    nothing = Dynamic(np.zeros((0, 6), np.float32), (4, 6))
    with pytest.raises(OpError, match="nothing can be picked from a dimension of size 0"):
        run_op(INDEX_SELECT, [nothing, 0, at[0]], Output(np.float32, (6, 6)))
