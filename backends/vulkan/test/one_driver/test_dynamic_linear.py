"""Linears of a float32 x that is quantized at run time, against PyTorch's own quantizing ops and
NumPy, to the last bit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from dynamic_grids import EPS, GRIDS
from linear_fixture import OpError
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_chain, run_op

OP = "et_vk.linear_dq8ca_q8csw.default"
each_grid = pytest.mark.parametrize("grids", GRIDS, ids=lambda one: f"{one[0]}-{one[1]}{one[2]}")


# ---- Calls.


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Rows of several magnitudes and signs, one of them zeros and one of middles between steps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(np.float32)
    rows = x.reshape(-1, shape[-1])
    rows *= (2.0 ** rng.integers(-20, 15, (len(rows), 1))).astype(np.float32)
    rows += (
        np.abs(rows).max(initial=0) * 1e-3 * rng.integers(-1, 2, (len(rows), 1)).astype(np.float32)
    )
    if len(rows) > 3:
        rows[1] = 0
        rows[2] = (rng.integers(-100, 154, shape[-1]) + 0.5) * 0.125
        rows[2, 0], rows[2, -1] = -100 * 0.125, 155 * 0.125
    return x


def call(
    x: Any, grids: tuple[Any, ...], w: np.ndarray, scales: np.ndarray, bias: Any = None
) -> list[Any]:
    sums = Constant(w.sum(1, dtype=np.int32))
    tail = ("none", 0.0, 0.0)
    given = None if bias is None else Constant(bias)
    return [x, *grids, Constant(w), sums, Constant(scales), given, *tail]


def run(
    x: Any, grids: tuple[Any, ...], w: np.ndarray, scales: np.ndarray, bias: Any = None
) -> np.ndarray:
    bounds = x.bounds if isinstance(x, Dynamic) else x.shape
    output = Output(np.float32, (*bounds[:-1], len(w)))
    return run_op(OP, call(x, grids, w, scales, bias), output)


def wanted(
    x: np.ndarray,
    grids: tuple[Any, ...],
    w: np.ndarray,
    scales: np.ndarray,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Exact sums, then float32 steps in the order of the formula."""
    q, scale, zero_point = (one.numpy() for one in GRIDS[grids](torch.from_numpy(x)))
    acc = (q.astype(np.float64) - zero_point) @ w.T.astype(np.float64)
    y = acc.astype(np.float32) * (scale.astype(np.float32) * scales)
    return y if bias is None else y + bias


def layer(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weights, scales, bias)"""
    rng = np.random.default_rng(seed)
    w = rng.integers(-127, 128, (n, k)).astype(np.int8)
    scales, bias = rng.uniform(0.001, 0.02, n), rng.normal(size=n)
    return w, scales.astype(np.float32), bias.astype(np.float32)


# ---- Grids and integers.


@each_grid
@each_row("quantize_rows", "quantize_long_rows")
def test_integers(row: Any, grids: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of the identity give the dequantized x, whatever the order of its sums."""
    force_row(monkeypatch, row)
    for seed, (m, k) in enumerate(
        [(1, 1), (7, 2), (5, 3), (6, 16), (9, 67), (1, 260), (300, 5), (6, row.tile_n + 9)]
    ):
        x, w = drawn((m, k), seed), np.eye(k, dtype=np.int8)
        ones = np.ones(k, np.float32)
        np.testing.assert_array_equal(run(x, grids, w, ones), wanted(x, grids, w, ones), f"{m} {k}")


@each_grid
@each_row("quantize_whole_rows")
def test_rows_in_registers(
    row: Any, grids: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tile_n: the longest row. Those whose size is no multiple of four take another kernel."""
    force_row(monkeypatch, row)
    w, scales, bias = layer(3, row.tile_n, 2)
    for seed, (m, k) in enumerate(
        [(1, 4), (7, 12), (2 * row.tile_m + 1, row.tile_n), (70, row.tile_n // 2 + 4), (3, 18)]
    ):
        x, one = drawn((m, k), seed), (w[:, :k].copy(), scales, bias)
        np.testing.assert_array_equal(run(x, grids, *one), wanted(x, grids, *one), f"{m} {k}")


@each_grid
def test_many_values(grids: tuple[Any, ...]) -> None:
    """Scales of every kind: a division that is not rounded to nearest differs in some of them."""
    w, ones = np.eye(4, dtype=np.int8), np.ones(4, np.float32)
    bits = np.random.default_rng(3).integers(0x30000000, 0x50000000, (40_000, 4), np.uint32)
    x = bits.view(np.float32) * np.random.default_rng(4).choice([-1, 1], bits.shape)
    x = x.astype(np.float32)
    np.testing.assert_array_equal(run(x, grids, w, ones), wanted(x, grids, w, ones))


@each_grid
def test_middles_between_steps(grids: tuple[Any, ...]) -> None:
    """Rows on a power of two, of which every value is rounded to even, and next to those."""
    middles = (np.arange(-101, 155) + 0.5).astype(np.float32)
    rows = [middles, np.nextafter(middles, np.float32(999)), np.nextafter(middles, -middles)]
    ends = [[-100.0, 155.0], [-128.0, 127.0], [-127.0, 127.0], [-127.5, 127.5], [-255.0, 0.0]]
    x = np.stack([np.clip([*end, *row], *end) for end in ends for row in rows]).astype(np.float32)
    w, ones = np.eye(x.shape[1], dtype=np.int8), np.ones(x.shape[1], np.float32)
    for one in (x, *x[:, None]):
        np.testing.assert_array_equal(run(one, grids, w, ones), wanted(one, grids, w, ones))


@each_grid
def test_not_finite(grids: tuple[Any, ...]) -> None:
    """There is no grid then, of the row or of the tensor; other rows are what they are."""
    w, scales, bias = layer(6, 20, 1)
    x = drawn((9, 20), 1)
    broken = x.copy()
    broken[3, 4], broken[5, 19], broken[6, 0] = np.nan, np.inf, -np.inf
    broken[8, :2] = 3e38, -3e38 if grids[1] != "symmetric" else np.inf
    y = run(broken, grids, w, scales, bias)
    lost = [3, 5, 6, 8] if grids[0] == "per_row" else range(9)
    assert np.isnan(y[list(lost)]).all()
    kept = [row for row in range(9) if row not in lost]
    np.testing.assert_array_equal(y[kept], wanted(x, grids, w, scales, bias)[kept])


# ---- Rounded values.


def rounded(x: Any, grids: tuple[Any, ...]) -> np.ndarray:
    bounds = x.bounds if isinstance(x, Dynamic) else x.shape
    return run_op("et_vk.round_rows.default", [x, *grids], Output(np.float32, bounds))


def wanted_rounded(x: np.ndarray, grids: tuple[Any, ...]) -> np.ndarray:
    q, scale, zero_point = (one.numpy() for one in GRIDS[grids](torch.from_numpy(x)))
    return (q.astype(np.float32) - zero_point.astype(np.float32)) * scale.astype(np.float32)


@each_grid
@each_row("dequantize_rows")
def test_rounded(row: Any, grids: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    shapes = [(1,), (7,), (1, 1), (9, 67), (3, 2, 16), (300, 5), (2, 1, 3, row.tile_n + 3)]
    for seed, shape in enumerate(shapes):
        x = drawn(shape, seed)
        np.testing.assert_array_equal(rounded(x, grids), wanted_rounded(x, grids), f"{shape}")


@each_grid
def test_rounded_dynamic_and_not_finite(grids: tuple[Any, ...]) -> None:
    for rows in (0, 1, 4):
        x = drawn((rows, 3, 18), 6)
        y = rounded(Dynamic(x, (5, 3, 18)), grids)
        assert y.shape == x.shape
        if rows:
            np.testing.assert_array_equal(y, wanted_rounded(x, grids))
    x = drawn((9, 20), 1)
    broken = x.copy()
    broken[3, 4], broken[5, 19] = np.nan, np.inf
    y = rounded(broken, grids)
    lost = [3, 5] if grids[0] == "per_row" else range(9)
    assert np.isnan(y[list(lost)]).all()
    kept = [row for row in range(9) if row not in lost]
    np.testing.assert_array_equal(y[kept], wanted_rounded(x, grids)[kept])


# ---- Products.


@each_row("linear_q8ta_q8csw")
def test_product_edges(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    grids = itertools.cycle(GRIDS)
    sizes = [(1, row.tile_n, row.tile_k), (row.tile_m, 1, 1), (row.tile_m + 1, row.tile_n + 1, 21)]
    sizes += [(2 * row.tile_m, 2 * row.tile_n, 2 * row.tile_k), (3, 5, row.tile_k + 1)]
    for seed, (m, n, k) in enumerate(sizes):
        x, (w, scales, bias), one = drawn((m, k), seed), layer(n, k, seed), next(grids)
        y = run(x, one, w, scales, bias)
        np.testing.assert_array_equal(y, wanted(x, one, w, scales, bias), f"{m}x{k}x{n}")


@each_grid
@pytest.mark.parametrize("shape", [(11,), (3, 11), (2, 3, 11), (2, 1, 3, 11)])
def test_ranks(grids: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    x, (w, scales, bias) = drawn(shape, 5), layer(7, 11, 5)
    y = run(x, grids, w, scales, bias)
    np.testing.assert_array_equal(y, wanted(x, grids, w, scales, bias))


@each_grid
@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_dynamic_rows(grids: tuple[Any, ...], rows: int) -> None:
    x, (w, scales, bias) = drawn((rows, 3, 18), 6), layer(4, 18, 6)
    y = run(Dynamic(x, (5, 3, 18)), grids, w, scales, bias)
    assert y.shape == (rows, 3, 4)
    if rows:
        np.testing.assert_array_equal(y, wanted(x, grids, w, scales, bias))


@each_grid
def test_readers_share_the_integers(grids: tuple[Any, ...]) -> None:
    x = drawn((5, 24), 7)
    layers = [layer(n, 24, n) for n in (8, 3, 12)]
    outputs = [Output(np.float32, (5, len(w))) for w, _, _ in layers]
    calls = [(OP, call(x, grids, *one), out) for one, out in zip(layers, outputs, strict=True)]
    results, kernels = run_chain(calls, outputs)
    for y, one in zip(results, layers, strict=True):
        np.testing.assert_array_equal(y, wanted(x, grids, *one))
    passes = 1 if grids[0] == "per_row" else 2  # a tensor's range is found first
    assert len([name for name in kernels if name.startswith("quantize_")]) == passes


def test_other_grids_are_not_shared() -> None:
    x, one = drawn((5, 24), 8), layer(6, 24, 8)
    outputs = [Output(np.float32, (5, 6)) for _ in GRIDS]
    calls = [(OP, call(x, grids, *one), out) for grids, out in zip(GRIDS, outputs, strict=True)]
    for y, grids in zip(run_chain(calls, outputs)[0], GRIDS, strict=True):
        np.testing.assert_array_equal(y, wanted(x, grids, *one))


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_activation(activation: str) -> None:
    x, (w, scales, bias), grids = drawn((4, 24), 9), layer(5, 24, 9), next(iter(GRIDS))
    scales /= np.abs(wanted(x, grids, w, scales)).max()  # results of some ones
    arguments = call(x, grids, w, scales, bias)
    arguments[-3] = activation
    y = run_op(OP, arguments, Output(np.float32, (4, 5)))
    f = torch.from_numpy(wanted(x, grids, w, scales, bias))
    expected = getattr(torch.nn.functional, activation)(f).numpy()
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (1, "per_group", "granularity 'per_group'"),
        (2, "mean", "rule 'mean'"),
        (3, 127, "range 127 to 127"),
        (3, -129, "range -129 to 127"),
        (4, 128, "range -128 to 128"),
        (5, 0.0, "eps 0"),
        (5, float("nan"), "eps nan"),
        (5, 1e-40, "eps"),
    ],
)
def test_refusals(index: int, value: Any, message: str) -> None:
    w, scales, bias = layer(5, 24, 9)
    arguments = call(drawn((4, 24), 9), next(iter(GRIDS)), w, scales, bias)
    arguments[index] = value
    with pytest.raises(OpError, match=message):
        run_op(OP, arguments, Output(np.float32, (4, 5)))


def test_refused_input() -> None:
    w, scales, _ = layer(5, 24, 9)
    for x in (drawn((4, 23), 9), np.zeros((4, 24), np.int8)):
        with pytest.raises(OpError, match="x must be"):
            run_op(OP, call(x, next(iter(GRIDS)), w, scales), Output(np.float32, (4, 5)))


# ---- Rows that a norm makes and rounds at once.

NORM, VIEW = "aten.native_layer_norm.default", "aten.view_copy.default"
PER_ROW = [grids for grids in GRIDS if grids[0] == "per_row"]


class Chain:
    """A layer norm of x over its last `inner` sizes, what layers read of it, and what is right for
    them, which goes by the norm's own result."""

    def __init__(self, x: Any, inner: tuple[int, ...]) -> None:
        self.shape = x.bounds if isinstance(x, Dynamic) else x.shape
        rng = np.random.default_rng(5)
        weight, bias = rng.normal(size=inner), rng.normal(size=inner)
        self.y = Output(np.float32, self.shape)
        given = [Constant(one.astype(np.float32)) for one in (weight, bias)]
        results = [self.y, Output(np.float32, (1,)), Output(np.int64, ())]
        self.calls: list[Any] = [(NORM, [x, list(inner), *given, 1e-5], results)]
        self.layers: list[tuple[Output, tuple[Any, ...], tuple[np.ndarray, ...]]] = []

    def view(self, shape: tuple[int, ...]) -> Output:
        z = Output(np.float32, shape)
        self.calls.append((VIEW, [self.y, list(shape)], z))
        return z

    def layer(self, x: Output, grids: tuple[Any, ...]) -> None:
        one = layer(5, x.bounds[-1], len(self.layers))
        z = Output(np.float32, (*x.bounds[:-1], 5))
        self.calls.append((OP, call(x, grids, *one), z))
        self.layers.append((z, grids, one))

    def check(self) -> list[str]:
        """Runs it; the kernels that did."""
        (y, *found), kernels = run_chain(self.calls, [self.y, *(z for z, _, _ in self.layers)])
        assert np.isfinite(y).any()
        for z, (_, grids, one) in zip(found, self.layers, strict=True):
            given = y.reshape(*z.shape[:-1], one[0].shape[1])
            np.testing.assert_array_equal(z, wanted(given, grids, *one), str(grids))
        return kernels


def quantizes(kernels: list[str]) -> int:
    return sum(name.startswith("quantize_") for name in kernels)


@pytest.mark.parametrize("grids", PER_ROW, ids=lambda one: f"{one[1]}{one[2]}")
@each_row("normalize_and_round_rows")
def test_norms_round_rows(
    row: Any, grids: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    force_row(monkeypatch, row)
    for seed, (m, k) in enumerate(
        [(1, 8), (7, 12), (2 * row.tile_m + 1, row.tile_n), (5, row.tile_n // 2 + 4)]
    ):
        x = drawn((m, k), seed)
        x[m // 2, k // 2] = np.nan if seed == 3 else 1.0
        chain = Chain(x, (k,))
        chain.layer(chain.y, grids)
        chain.layer(chain.y, grids)
        kernels = chain.check()
        assert row.name in kernels and not quantizes(kernels), (m, k)


def test_norms_round_for_views() -> None:
    """A view of the same rows, as of a batch's tokens, but not one of other rows."""
    grids = PER_ROW[0]
    for shape, rounded in (((6, 24), 0), ((2, 3, 1, 24), 0), ((2, 72), 1), ((12, 12), 1)):
        chain = Chain(drawn((2, 3, 24), 1), (24,))
        chain.layer(chain.view(shape), grids)
        assert quantizes(chain.check()) == rounded, shape


def test_norms_do_not_round() -> None:
    """Another grid than the first one, one grid for the tensor, rows that are no rows of the norm,
    and rows of no whole groups."""
    two = Chain(drawn((4, 3, 16), 2), (16,))
    for grids in PER_ROW[:2]:
        two.layer(two.y, grids)
    assert quantizes(two.check()) == 1
    for shape, inner, grids in (
        ((4, 3, 16), (16,), ("per_tensor", "affine", -128, 127, EPS)),
        ((4, 3, 16), (3, 16), PER_ROW[0]),
        ((4, 3, 18), (18,), PER_ROW[0]),
    ):
        chain = Chain(drawn(shape, 3), inner)
        chain.layer(chain.y, grids)
        assert quantizes(chain.check()) > 0, (shape, inner, grids)


def test_norms_round_less_rows() -> None:
    for rows in (5, 2, 0):
        chain = Chain(Dynamic(drawn((rows, 3, 16), rows), (5, 3, 16)), (16,))
        chain.layer(chain.y, PER_ROW[0])
        (y, z), _ = run_chain(chain.calls, [chain.y, chain.layers[0][0]])
        assert z.shape == (rows, 3, 5)
        _, grids, one = chain.layers[0]
        np.testing.assert_array_equal(z, wanted(y, grids, *one))


@each_row("normalize_and_round_rows")
def test_norms_of_sums_round_rows(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    a, b = drawn((2 * row.tile_m + 1, row.tile_n), 1), drawn((2 * row.tile_m + 1, row.tile_n), 2)
    for is_read in (False, True):
        chain = Chain(a, (row.tile_n,))
        x = Output(np.float32, a.shape)
        op, arguments, results = chain.calls[0]
        chain.calls = [("aten.add.Tensor", [a, b, 1.0], x), (op, [x, *arguments[1:]], results)]
        chain.layer(chain.y, PER_ROW[0])
        if is_read:
            chain.layer(x, ("per_tensor", "affine", -128, 127, EPS))
            found, kernels = run_chain(chain.calls, [x, chain.y, *(z for z, _, _ in chain.layers)])
            np.testing.assert_array_equal(found[0], a + b)
            given = found[:2][::-1]
        else:
            found, kernels = run_chain(chain.calls, [chain.y, chain.layers[0][0]])
            given = found[:1]
        for z, own, (_, grids, one) in zip(found[len(given) :], given, chain.layers, strict=True):
            np.testing.assert_array_equal(z, wanted(own, grids, *one))
        assert not any(name.startswith("binary") for name in kernels)
