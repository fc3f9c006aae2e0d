"""Float32 matrix products against float64: each kernel around its tile edges, and each op."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from linear_fixture import OpError
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_op

MM, BMM, ADDMM = "aten.mm.default", "aten.bmm.default", "aten.addmm.default"
LINEAR, MATMUL = "aten.linear.default", "et_vk.matmul.default"
INF, NAN = float("inf"), float("nan")


def drawn(shape: Sequence[int], seed: int) -> np.ndarray:
    """Of both signs, but so that sums do not cancel."""
    return np.random.default_rng(seed).uniform(-1, 3, shape).astype(np.float32)


def limit(k: int) -> float:
    """Of the largest result of a row."""
    return 1e-5 if k <= 1000 else 1e-4


def assert_close(y: np.ndarray, wanted: np.ndarray, k: int, what: str) -> None:
    assert y.shape == wanted.shape, what
    rounded = wanted.astype(np.float32)
    finite = np.isfinite(rounded)
    assert np.array_equal(np.where(finite, 0, y), np.where(finite, 0, rounded), True), what
    largest = np.abs(np.where(finite, wanted, 0)).max(-1, keepdims=True, initial=0)
    with np.errstate(invalid="ignore"):
        error = np.abs(np.where(finite, y.astype(np.float64) - wanted, 0))
    assert (error <= limit(k) * largest).all(), f"{what}: {error.max()} of {largest.max()}"


def check_mm(m: int, n: int, k: int) -> None:
    a, b = drawn((m, k), 1), drawn((k, n), 2)
    y = run_op(MM, [a, b], Output(np.float32, (m, n)))
    assert_close(y, a.astype(np.float64) @ b.astype(np.float64), k, f"mm {m}x{k}x{n}")


def check_linear(m: int, n: int, k: int) -> None:
    x, w, bias = drawn((m, k), 1), drawn((n, k), 2), drawn((n,), 3)
    y = run_op(LINEAR, [x, Constant(w), Constant(bias)], Output(np.float32, (m, n)))
    wanted = x.astype(np.float64) @ w.astype(np.float64).T + bias
    assert_close(y, wanted, k, f"linear {m}x{k}x{n}")


def edges(tile: int) -> list[int]:
    """Around a tile, none of them whole groups of four."""
    return sorted({1, max(tile - 1, 1), tile + 1, 2 * tile + 3} - {4})


def group_edges(tile: int) -> list[int]:
    tile = max(tile, 4)
    return sorted({4, tile, tile + 4, 2 * tile + 4})


@each_row("matmul")
def test_tile_edges(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes are such that a row has four pipelines here, which is what takes the time."""
    force_row(monkeypatch, row)
    for check in (check_mm, check_linear):
        for m in (*edges(row.tile_m), row.tile_m):
            check(m, row.tile_n + 1, row.tile_k + 1)
        for n in edges(row.tile_n):
            check(row.tile_m + 1, n, row.tile_k + 1)
        for k in edges(row.tile_k):
            check(row.tile_m + 1, row.tile_n + 1, k)
        for n, k in itertools.product(group_edges(row.tile_n), group_edges(row.tile_k)):
            check(row.tile_m + 1, n, k)


@each_row("matmul")
def test_many_products(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for m, n, k in ((5, 7, 9), (row.tile_m + 1, row.tile_n + 4, 8)):
        a, b = drawn((6, m, k), 1), drawn((6, k, n), 2)
        y = run_op(BMM, [a, b], Output(np.float32, (6, m, n)))
        assert_close(y, a.astype(np.float64) @ b.astype(np.float64), k, f"bmm 6x{m}x{k}x{n}")


@pytest.mark.parametrize("k", [1000, 4096])
@each_row("matmul")
def test_long_sums(row: Any, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one sign, where roundings add up, and of both."""
    force_row(monkeypatch, row)
    a, b = drawn((3, k), 1), drawn((k, 8), 2)
    for x, y in ((np.abs(a), np.abs(b)), (a - 1, b - 1)):
        result = run_op(MM, [x, y], Output(np.float32, (3, 8)))
        assert_close(result, x.astype(np.float64) @ y.astype(np.float64), k, f"K = {k}")


@each_row("matmul")
def test_special_values(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    a, b = drawn((6, 11), 1), drawn((11, 9), 2)
    a[1, 3], a[2, 4], a[3, 5], a[4, 10] = INF, -INF, NAN, INF
    b[3, 2], b[10, 5], b[0, 8] = 0.0, -INF, NAN
    with np.errstate(all="ignore"):
        wanted = a.astype(np.float64) @ b.astype(np.float64)
    assert_close(run_op(MM, [a, b], Output(np.float32, (6, 9))), wanted, 11, "special values")
    # What lies behind a row is not part of it.
    y = run_op(LINEAR, [a, np.ascontiguousarray(b.T), None], Output(np.float32, (6, 9)))
    assert_close(y, wanted, 11, "special values of linear")


@pytest.mark.parametrize("sizes", [(0, 3, 4), (3, 0, 4), (3, 5, 0), (0, 0, 0)], ids=str)
def test_no_elements(sizes: tuple[int, int, int]) -> None:
    m, n, k = sizes
    a, b = Dynamic(np.zeros((m, k), np.float32), (5, 8)), np.zeros((k, n), np.float32)
    y = run_op(MM, [a, Dynamic(b, (8, 5))], Output(np.float32, (5, 5)))
    assert np.array_equal(y, np.zeros((m, n), np.float32))
    if n > 0:
        c = drawn((n,), 3)
        y = run_op(
            ADDMM, [Dynamic(c, (5,)), a, Dynamic(b, (8, 5)), 1, 1], Output(np.float32, (5, 5))
        )
        assert np.array_equal(y, np.broadcast_to(c, (m, n)))


ADDENDS = ((), (1,), (7,), (1, 7), (5, 1), (5, 7), (1, 1))
FACTORS = ((1, 1), (0.5, -2.0), (1.0, 0), (0.0, 1.0))


@pytest.mark.parametrize("shape", ADDENDS, ids=str)
def test_addmm(shape: tuple[int, ...]) -> None:
    c, a, b = drawn(shape, 1), drawn((5, 6), 2), drawn((6, 7), 3)
    for alpha, beta in FACTORS:
        y = run_op(ADDMM, [c, a, b, beta, alpha], Output(np.float32, (5, 7)))
        wanted = alpha * (a.astype(np.float64) @ b.astype(np.float64)) + beta * c
        assert_close(y, wanted, 6, f"addmm of {shape}, alpha {alpha}, beta {beta}")


def test_an_addend_that_does_not_count() -> None:
    c, a, b = np.full((5, 7), NAN, np.float32), drawn((5, 6), 2), drawn((6, 7), 3)
    y = run_op(ADDMM, [c, a, b, 0, 1], Output(np.float32, (5, 7)))
    assert_close(y, a.astype(np.float64) @ b.astype(np.float64), 6, "beta 0")
    a[:] = INF
    y = run_op(ADDMM, [b[:5], a, b, 1, 0], Output(np.float32, (5, 7)))
    assert np.array_equal(y, b[:5])


LEADING = ((), (5,), (2, 3), (2, 1, 3), (1, 2, 1, 3, 2))


@pytest.mark.parametrize("leading", LEADING, ids=str)
def test_linear(leading: tuple[int, ...]) -> None:
    for n, k, is_constant in ((7, 6, True), (8, 4, False), (1, 1, True)):
        x, w, bias = drawn((*leading, k), 1), drawn((n, k), 2), drawn((n,), 3)
        wanted = x.astype(np.float64) @ w.astype(np.float64).T
        weight = Constant(w) if is_constant else w
        for own in (None, Constant(bias), bias):
            y = run_op(LINEAR, [x, weight, own], Output(np.float32, (*leading, n)))
            added = bias if own is not None else 0
            assert_close(y, wanted + added, k, f"linear {n}x{k} of {leading}")


# Shapes of a and b as they are, and which of their dimensions batch, rows and columns are.
MOVED = {
    "transposed": ((2, 3, 5, 8), (2, 3, 7, 8), (0, 1, 2, 3), (0, 1, 3, 2)),
    "heads": ((2, 5, 3, 8), (2, 7, 3, 8), (0, 2, 1, 3), (0, 2, 3, 1)),
    "odd": ((2, 5, 3, 7), (2, 9, 3, 7), (0, 2, 1, 3), (0, 2, -1, 1)),
    "both_transposed": ((3, 8, 5), (3, 7, 8), (0, 2, 1), (0, 2, 1)),
    "repeated": ((2, 3, 5, 4), (3, 4, 8), (0, 1, 2, 3), (0, 1, 2)),
    "one_matrix": ((2, 3, 5, 4), (4, 8), (0, 1, 2, 3), (0, 1)),
    "repeated_both": ((2, 1, 5, 4), (1, 3, 4, 6), (0, 1, 2, 3), (0, 1, 2, 3)),
    "outer": ((4, 5), (2, 3, 5, 4), (0, 1), (0, 1, 2, 3)),
    "four_loops": ((2, 1, 2, 1, 3, 4), (1, 2, 1, 2, 4, 3), (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5)),
    "one_row": ((2, 3, 1, 8), (2, 3, 7, 8), (0, 1, 2, 3), (0, 1, 3, 2)),
    "batch_inside": ((5, 8, 3), (8, 7, 3), (2, 0, 1), (2, 0, 1)),
}


@pytest.mark.parametrize("case", MOVED)
def test_moved_operands(case: str) -> None:
    a_shape, b_shape, a_dims, b_dims = MOVED[case]
    a, b = drawn(a_shape, 1), drawn(b_shape, 2)
    wanted = a.astype(np.float64).transpose(a_dims) @ b.astype(np.float64).transpose(b_dims)
    for operands in ([a, b], [a, Constant(b)], [Constant(a), b]):
        arguments = [*operands, list(a_dims), list(b_dims)]
        y = run_op(MATMUL, arguments, Output(np.float32, wanted.shape))
        assert_close(y, wanted, a_shape[a_dims[-1]], case)


def test_every_form_of_an_operand() -> None:
    """Along K, along N and element by element, of a and of b at once."""
    for m, n, k in itertools.product((1, 4, 5), (4, 6), (4, 6)):
        for a_moved, b_moved in itertools.product((False, True), repeat=2):
            a = drawn((k, m) if a_moved else (m, k), 1)
            b = drawn((n, k) if b_moved else (k, n), 2)
            arguments = [a, b, [1, 0] if a_moved else [0, 1], [1, 0] if b_moved else [0, 1]]
            y = run_op(MATMUL, arguments, Output(np.float32, (m, n)))
            wanted = (a.T if a_moved else a).astype(np.float64) @ (b.T if b_moved else b)
            assert_close(y, wanted, k, f"{m}x{k}x{n}, {a_moved}, {b_moved}")


def test_dynamic_sizes() -> None:
    a, b = drawn((2, 5, 6), 1), drawn((2, 6, 7), 2)
    arguments = [Dynamic(a, (3, 9, 8)), Dynamic(b, (3, 8, 12))]
    y = run_op(BMM, arguments, Output(np.float32, (3, 9, 12)))
    assert_close(y, a.astype(np.float64) @ b.astype(np.float64), 6, "dynamic bmm")


F32 = np.float32
REFUSED = {
    "inner": (MM, [drawn((2, 3), 1), drawn((4, 2), 2)], (2, 2), "have no product"),
    "rank": (MM, [drawn((2, 3, 4), 1), drawn((4, 2), 2)], (2, 2), "must have 2 dimensions"),
    "batch": (BMM, [drawn((2, 3, 4), 1), drawn((3, 4, 2), 2)], (2, 3, 2), "batches of 2 and 3"),
    "dtype": (MM, [drawn((2, 3), 1), np.zeros((3, 2), np.int8)], (2, 2), "must be float32"),
    "addend": (
        ADDMM,
        [drawn((3,), 1), drawn((2, 3), 1), drawn((3, 2), 2), 1, 1],
        (2, 2),
        "an addend of",
    ),
    "weight": (LINEAR, [drawn((2, 3), 1), drawn((3,), 2), None], (2,), "must have 2 dimensions"),
    "dims": (MATMUL, [drawn((2, 3), 1), drawn((3, 2), 2), [0, 0], [0, 1]], (2, 2), "a_dims"),
    "loops": (
        MATMUL,
        [
            drawn((1, 2, 1, 2, 1, 3, 4), 1),
            drawn((2, 1, 2, 1, 2, 4, 3), 1),
            list(range(7)),
            list(range(7)),
        ],
        (2, 2, 2, 2, 2, 3, 3),
        "5 batch dimensions that cannot be merged, the limit is 4",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    op, arguments, shape, reason = REFUSED[case]
    with pytest.raises(OpError, match=reason):
        run_op(op, arguments, Output(F32, shape))
