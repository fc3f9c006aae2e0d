"""permute, transpose, slice, select, expand and cat against NumPy, byte by byte."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Constant, Dynamic, Output, Sym, each_row, edges, force_row, run_op

PERMUTE = "aten.permute_copy.default"
TRANSPOSE = "aten.transpose_copy.int"
SLICE = "aten.slice_copy.Tensor"
SELECT = "aten.select_copy.int"
EXPAND = "aten.expand_copy.default"
CAT = "aten.cat.default"
DTYPES = (np.int8, np.float32)
both_types = pytest.mark.parametrize("dtype", DTYPES)
random_cases = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def numbers(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(-128, 128, shape)
    return values.astype(dtype)


def check(op: str, arguments: list[Any], expected: np.ndarray) -> None:
    expected = np.ascontiguousarray(expected).reshape(expected.shape)
    y = run_op(op, arguments, Output(expected.dtype, expected.shape))
    assert_same_bytes(y, expected, op)


@both_types
@pytest.mark.parametrize("shape", [(2, 3, 5), (4, 8, 16), (1, 7, 1), (33, 15, 3), (3, 4, 12)])
def test_permute(shape: tuple[int, ...], dtype: Any) -> None:
    x = numbers(shape, dtype)
    for dims in itertools.permutations(range(3)):
        check(PERMUTE, [x, list(dims)], x.transpose(dims))
    check(PERMUTE, [x, [-1, 0, -2]], x.transpose(2, 0, 1))


@each_row("transpose_bytes", "transpose_words")
def test_transposes_by_tiles(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    dtype = np.int8 if "bytes" in row.name else np.float32
    shapes = [(16, 16), (16, 17), (19, 16), (2 * row.tile_n + 3, 2 * row.tile_m + 5)]
    for rows in (row.tile_m - 1, row.tile_m, row.tile_m + 1, row.tile_m + 4):
        shapes += [(columns, rows) for columns in (row.tile_n, row.tile_n + 1, row.tile_n + 4)]
    for shape in shapes:
        x = numbers(shape, dtype)
        check(PERMUTE, [x, [1, 0]], x.T)
    for heads, size in ((3, 64), (2, 17)):
        x = numbers((2, 33, heads, size), dtype)
        for dims in ((0, 2, 3, 1), (2, 0, 3, 1), (3, 0, 2, 1), (0, 3, 2, 1)):
            check(PERMUTE, [x, list(dims)], x.transpose(dims))
    x = numbers((2, 2, 17, 2, 2, 16, 2, 3), dtype)
    for dims in ((0, 1, 5, 3, 4, 6, 7, 2), (6, 4, 7, 5, 3, 1, 0, 2)):
        check(PERMUTE, [x, list(dims)], x.transpose(dims))


@each_row("strided_copy_words", "strided_copy_groups", "strided_copy_bytes")
def test_copies_of_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of one byte, one word or four words; a row runs what it can, another one the rest."""
    force_row(monkeypatch, row)
    unit = {"bytes": 1, "words": 4, "groups": 16}[row.op.name.split("_")[-1]]
    for dtype in DTYPES:
        elements = max(unit // np.dtype(dtype).itemsize, 1)
        for count in edges(row.tile_n):
            x = numbers((2, (count + 1) * elements), dtype)
            check(SLICE, [x, 1, elements, None, 1], x[:, elements:])
            check(CAT, [[x, x], 1], np.concatenate([x, x], 1))
        for size in (elements, 3 * elements):
            x = numbers((3, 5, 2, size), dtype)
            check(PERMUTE, [x, [0, 2, 1, 3]], x.transpose(0, 2, 1, 3))
        x = numbers((3, 5 * elements + 1), dtype)
        check(SLICE, [x, 1, 1, None, 1], x[:, 1:])


@both_types
def test_permute_of_eight_dimensions(dtype: Any) -> None:
    x = numbers((2, 3, 2, 3, 2, 2, 3, 2), dtype)
    for dims in ((7, 6, 5, 4, 3, 2, 1, 0), (6, 4, 2, 0, 7, 5, 3, 1), (0, 2, 1, 3, 5, 4, 6, 7)):
        check(PERMUTE, [x, list(dims)], x.transpose(dims))


@both_types
def test_more_than_eight_dimensions_that_merge(dtype: Any) -> None:
    x = numbers((2, 3, 2, 1, 2, 1, 2, 2, 3, 1), dtype)
    dims = (4, 5, 6, 7, 8, 9, 0, 1, 2, 3)
    expected = x.transpose(dims).reshape(-1)
    y = run_op(PERMUTE, [x, list(dims)], Output(dtype, x.transpose(dims).shape))
    assert_same_bytes(y.reshape(-1), np.ascontiguousarray(expected), PERMUTE)


@both_types
@pytest.mark.parametrize("dims", [(0, 1), (1, 2), (-1, 0), (2, -1)])
def test_transpose(dims: tuple[int, int], dtype: Any) -> None:
    for shape in ((2, 3, 4), (7, 33, 8), (1, 1, 5), (16, 16, 16)):
        x = numbers(shape, dtype)
        check(TRANSPOSE, [x, *dims], x.swapaxes(*dims))


SLICES = [
    *((None, None, 1), (0, 1, 1), (1, 3, 1), (-2, None, 1), (None, -1, 1), (2, 2**63 - 1, 1)),
    *((-100, 100, 1), (0, None, 2), (1, None, 3), (0, 9, 100)),
]


@both_types
@pytest.mark.parametrize("bounds", SLICES)
def test_slice(bounds: tuple[int | None, int | None, int], dtype: Any) -> None:
    start, end, step = bounds
    for shape in ((5,), (16,), (33,), (4, 5), (5, 8), (8, 16), (3, 7, 4), (4, 6, 16)):
        x = numbers(shape, dtype)
        for dim in range(len(shape)):
            index = (slice(None),) * dim + (slice(start, end, step),)
            if x[index].size:
                check(SLICE, [x, dim, start, end, step], x[index])


@both_types
def test_select(dtype: Any) -> None:
    for shape in ((3,), (4, 5), (3, 8, 16), (2, 33, 7)):
        x = numbers(shape, dtype)
        for dim in range(-len(shape), len(shape)):
            for index in (0, -1, shape[dim] // 2):
                check(SELECT, [x, dim, index], x.take(index, dim))


@both_types
def test_expand(dtype: Any) -> None:
    for shape, size in [
        ((1,), (7,)),
        ((3, 1), (3, 5)),
        ((3, 1), (-1, 8)),
        ((1, 16), (33, 16)),
        ((5,), (2, 3, 5)),
        ((2, 1, 1, 3), (2, 3, 4, 3)),
        ((7, 4), (2, 7, 4)),
    ]:
        x = numbers(shape, dtype)
        full = tuple(
            s if s != -1 else shape[i - len(size) + len(shape)] for i, s in enumerate(size)
        )
        check(EXPAND, [x, list(size), False], np.broadcast_to(x, full))


@both_types
@pytest.mark.parametrize("lengths", [(1,), (1, 1), (2, 3, 5), (4, 8), (16, 1, 16), (1,) * 9])
def test_cat(lengths: tuple[int, ...], dtype: Any) -> None:
    for shape in ((3,), (3, 2), (2, 3, 5), (33, 4), (4, 16, 4)):
        for dim in range(-len(shape), len(shape)):
            parts = []
            for i, length in enumerate(lengths):
                sizes = list(shape)
                sizes[dim] = length
                parts.append(numbers(tuple(sizes), dtype, i))
            check(CAT, [parts, dim], np.concatenate(parts, dim))


@both_types
def test_cat_of_many_short_rows(dtype: Any) -> None:
    """Rows of one to three bytes: many threads have bytes in the same word."""
    for lengths in ((1, 1), (1, 2), (3, 1, 1), (3, 4), (5, 6, 2)):
        parts = [numbers((4099, length), dtype, i) for i, length in enumerate(lengths)]
        check(CAT, [parts, 1], np.concatenate(parts, 1))


@both_types
def test_cat_of_constants_and_of_the_same_tensor(dtype: Any) -> None:
    x = numbers((3, 5), dtype)
    constant = numbers((3, 2), dtype, 1)
    check(CAT, [[x, Constant(constant), x], 1], np.concatenate([x, constant, x], 1))


@both_types
def test_symbolic_arguments_and_smaller_inputs(dtype: Any) -> None:
    x = numbers((3, 7, 5), dtype)
    dynamic = Dynamic(x, (30, 7, 5))
    for start, end in ((0, 2), (1, 3), (-1, 3), (0, 2**31 - 1)):
        y = run_op(SLICE, [dynamic, 0, Sym(start), Sym(end), 1], Output(dtype, (30, 7, 5)))
        assert_same_bytes(y, x[start:end], SLICE)
    y = run_op(SELECT, [dynamic, 0, Sym(2)], Output(dtype, (7, 5)))
    assert_same_bytes(y, x[2], SELECT)
    y = run_op(PERMUTE, [dynamic, [1, 0, 2]], Output(dtype, (7, 30, 5)))
    assert_same_bytes(y, np.ascontiguousarray(x.transpose(1, 0, 2)), PERMUTE)
    row = numbers((1, 5), dtype)
    y = run_op(EXPAND, [row, [Sym(6), 5], False], Output(dtype, (40, 5)))
    assert_same_bytes(y, np.ascontiguousarray(np.broadcast_to(row, (6, 5))), EXPAND)
    y = run_op(CAT, [[dynamic, Constant(x[:2])], 0], Output(dtype, (32, 7, 5)))
    assert_same_bytes(y, np.concatenate([x, x[:2]]), CAT)


def test_integers_may_arrive_as_doubles() -> None:
    """The serializer has one value for 1 and 1.0, of the type that came first."""
    x = numbers((4, 9), np.int8)
    check(SLICE, [x, 1.0, 2.0, 7.0, 2.0], x[:, 2:7:2])
    check(SELECT, [x, 1.0, -2.0], x[:, -2])
    with pytest.raises(OpError, match=r"\(start\) must be an integer"):
        run_op(SLICE, [x, 1, 0.5, 7, 1], Output(np.int8, (4, 7)))


def random_shape(data: st.DataObject) -> tuple[int, ...]:
    sizes = st.sampled_from([1, 2, 3, 4, 7, 8, 12, 16])
    return tuple(data.draw(st.lists(sizes, min_size=1, max_size=4), label="shape"))


@random_cases
@given(data=st.data())
def test_random_permute_and_slice(data: st.DataObject) -> None:
    x = numbers(random_shape(data), data.draw(st.sampled_from(DTYPES), label="dtype"))
    dims = data.draw(st.permutations(range(x.ndim)), label="dims")
    check(PERMUTE, [x, dims], x.transpose(dims))
    dim = data.draw(st.integers(0, x.ndim - 1), label="dim")
    start = data.draw(st.integers(-x.shape[dim], x.shape[dim] - 1), label="start")
    step = data.draw(st.integers(1, 4), label="step")
    index = (slice(None),) * dim + (slice(start, None, step),)
    check(SLICE, [x, dim, start, None, step], x[index])


@random_cases
@given(data=st.data())
def test_random_cat(data: st.DataObject) -> None:
    shape = random_shape(data)
    dtype = data.draw(st.sampled_from(DTYPES), label="dtype")
    dim = data.draw(st.integers(0, len(shape) - 1), label="dim")
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4), label="lengths")
    parts = [
        numbers((*shape[:dim], length, *shape[dim + 1 :]), dtype, i)
        for i, length in enumerate(lengths)
    ]
    check(CAT, [parts, dim], np.concatenate(parts, dim))


def test_wrong_arguments() -> None:
    x = numbers((4, 6), np.int8)
    y = Output(np.int8, (4, 6))
    for op, arguments, message in [
        (PERMUTE, [x, [0, 0]], r"dims \[0, 0\] do not name each of 2"),
        (PERMUTE, [x, [0, 2]], "dim 2 is outside a tensor of rank 2"),
        (TRANSPOSE, [x, 0, -3], "dim -3 is outside"),
        (SLICE, [x, 0, 0, 4, 0], "step 0 must be positive"),
        (SELECT, [x, 0, 4], "index 4 is outside dim 0 of size 4"),
        (EXPAND, [x, [3, 6], False], "size 4 of dim 0 cannot become 3"),
        (EXPAND, [x, [6], False], r"\[4, 6\] cannot become \[6\]"),
        (CAT, [[x, numbers((4, 5), np.int8)], 0], r"parts of shapes \[4, 6\] and \[4, 5\]"),
        (CAT, [[x, numbers((4,), np.int8)], 0], "a part of rank 1"),
        (CAT, [[x, numbers((4, 6), np.float32)], 0], "got float32 to int8"),
        (CAT, [[1, x], 0], r"\(tensors\) must be a list of tensors"),
        (PERMUTE, [numbers((4, 6), np.int64), [1, 0]], "elements of 1 or 4 bytes, got int64"),
    ]:
        with pytest.raises(OpError, match=message):
            run_op(op, arguments, y)
