"""Softmax, norms and the variance against PyTorch in float64, and any()."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from float_ops import assert_right
from linear_fixture import OpError
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_chain, run_op

INF, NAN = float("inf"), float("nan")
SOFTMAX, LOG_SOFTMAX = "aten._softmax.default", "aten._log_softmax.default"
LAYER_NORM, GROUP_NORM = "aten.native_layer_norm.default", "aten.native_group_norm.default"
BATCH_NORM, RMS_NORM = "aten._native_batch_norm_legit.no_stats", "et_vk.rms_norm.default"
VARIANCE = "aten.var.correction"
SHAPES = (
    (),
    (1,),
    (7,),
    (3, 5),
    (4, 16),
    (2, 3, 7),
    (2, 1, 3, 5),
    (2, 3, 1, 2, 8),
    (1, 2, 3, 1, 2, 3),
)
Weight = np.ndarray | None


def drawn(
    shape: Sequence[int], seed: int = 0, mean: float = 0.0, spread: float = 3.0
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(mean + spread * rng.standard_normal(tuple(shape)), np.float32)


def wide(x: Weight) -> Any:
    return None if x is None else torch.from_numpy(x.astype(np.float64))


def check(
    y: np.ndarray, wanted: torch.Tensor, dims: Sequence[int], what: str, around: Any = 0.0
) -> None:
    """Within 1e-5 of the largest magnitude of a row, which goes through `dims`; `around`: what is
    added to the row, and may cancel."""
    expected = wanted.numpy()
    magnitude = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    largest = magnitude.max(axis=tuple(dims), keepdims=True) if magnitude.size else magnitude
    scale = np.broadcast_to(largest + around, expected.shape)
    assert_right(y, expected, [], what, scale)


def outputs(y: Output) -> list[Output]:
    """Of an op of three, of which it writes the first one."""
    return [y, Output(np.float32, (1,)), Output(np.int64, ())]


def run_first(op: str, arguments: Sequence[Any], y: Output) -> np.ndarray:
    return run_chain([(op, arguments, outputs(y))], [y])[0][0]


# ---- Softmax.


def check_softmax(x: np.ndarray, dim: int, bounds: tuple[int, ...] | None = None) -> None:
    given = x if bounds is None else Dynamic(x, bounds)
    for op, reference in ((SOFTMAX, torch.softmax), (LOG_SOFTMAX, torch.log_softmax)):
        y = run_op(op, [given, dim, False], Output(np.float32, bounds or x.shape))
        check(y, reference(wide(x), dim), [dim] if x.ndim else [], f"{op} of {x.shape} over {dim}")


def test_softmax() -> None:
    for shape in SHAPES:
        for dim in range(max(len(shape), 1)):
            check_softmax(drawn(shape), dim if dim % 2 == 0 else dim - len(shape))


def test_softmax_of_special_values() -> None:
    rows = drawn((12, 9))
    rows[0] = -INF
    rows[1, 3], rows[2, :4], rows[3, 0] = INF, -INF, NAN
    rows[4, :2], rows[5, :2] = (INF, INF), (INF, -INF)
    rows[6], rows[7], rows[8, 4] = 3e38, -3e38, 3e38
    rows[9] = np.linspace(-200, 200, 9)
    rows[10, 1:], rows[11] = -INF, 0.0
    with np.errstate(all="ignore"):
        check_softmax(rows, 1)
        check_softmax(np.ascontiguousarray(rows.T), 0)
        check_softmax(np.ascontiguousarray(rows[:, :8]), 1)


@pytest.mark.parametrize("shape", [(2, 100_003), (100_003, 3), (3, 1, 20_000)], ids=str)
def test_long_rows(shape: tuple[int, ...]) -> None:
    dim = int(np.argmax(shape))
    check_softmax(drawn(shape, spread=1.0), dim)
    check_layer_norm(np.moveaxis(drawn(shape, 1, 100.0), dim, -1).copy(), 1, True, True)


def test_channels_last_stays_so() -> None:
    """Read and written as it lies, over each of its dimensions."""
    x = drawn((2, 6, 3, 4))
    given = np.moveaxis(x, 1, -1).copy()
    weight, bias = drawn((6,), 1), drawn((6,), 2)

    def check_chain(op: str, arguments: list[Any], wanted: torch.Tensor, dims: list[int]) -> None:
        last, y = Output(np.float32, x.shape), Output(np.float32, x.shape)
        back = Output(np.float32, given.shape)
        calls = [
            ("test.to_channels_last", [given], last),
            (op, [last, *arguments], y if op == SOFTMAX else outputs(y)),
            ("test.from_channels_last", [y], back),
        ]
        results, kernels = run_chain(calls, [back])
        check(np.moveaxis(results[0], -1, 1), wanted, dims, f"{op} over {dims}")
        assert [name.split("__")[0] for name in kernels] == ["normalize"]

    for dim in range(4):
        check_chain(SOFTMAX, [dim, False], torch.softmax(wide(x), dim), [dim])
    norm = [Constant(weight), bias, 2, 6, 12, 3, 1e-5]
    check_chain(GROUP_NORM, norm, F.group_norm(wide(x), 3, wide(weight), wide(bias)), [1, 2, 3])


# ---- Norms of the last dimensions.


def check_layer_norm(
    x: np.ndarray, rank: int, weighted: bool, biased: bool, eps: float = 1e-5
) -> None:
    shape = list(x.shape[x.ndim - rank :])
    weight = drawn(shape, 5, 1.0, 0.3) if weighted else None
    bias = drawn(shape, 6) if biased else None
    given = [None if one is None else Constant(one) for one in (weight, bias)]
    y = run_first(LAYER_NORM, [x, shape, *given, eps], Output(np.float32, x.shape))
    wanted = F.layer_norm(wide(x), shape, wide(weight), wide(bias), float(np.float32(eps)))
    check(y, wanted, range(x.ndim - rank, x.ndim), f"layer norm of {x.shape}, {shape}")


def test_layer_norm() -> None:
    for shape in SHAPES[1:]:
        for rank in range(1, len(shape) + 1):
            for weighted, biased in itertools.product((False, True), repeat=2):
                check_layer_norm(drawn(shape), rank, weighted, biased)
    for eps in (0.0, 1e-12, 0.1, 10):
        check_layer_norm(drawn((5, 33)), 1, True, True, eps)


def check_layer_norm_of_hard_rows(elements: int) -> None:
    for mean, spread in ((1000.0, 1.0), (-3e4, 0.5), (1e-6, 1e-6), (1e8, 1e4), (5.0, 0.0)):
        check_layer_norm(drawn((4, elements), 0, mean, spread), 1, False, False)
        check_layer_norm(drawn((4, 37), 1, mean, spread), 1, True, True)
    x = drawn((6, 12))
    x[0, 3], x[1, 2], x[2, 5] = INF, NAN, -INF
    x[3], x[4, :2] = 7.25, (INF, -INF)
    check_layer_norm(x, 1, True, True)
    check_layer_norm(x, 1, False, False, 0.0)


def normalized(x: np.ndarray) -> torch.Tensor:
    return F.layer_norm(wide(x), x.shape[-1:], None, None, float(np.float32(1e-5)))


def check_layer_norm_of_far_elements(elements: int) -> None:
    """One is far from all others, which the weights make the largest; and rows of neighbouring
    float32, or of one number."""
    x = drawn((elements, elements), 2, 5.0, 1.0)
    np.fill_diagonal(x, 1e4)
    weight = np.where(np.arange(elements) == 0, np.float32(1e-3), np.float32(30.0))
    y = run_first(
        LAYER_NORM, [x, [elements], Constant(weight), None, 1e-5], Output(np.float32, x.shape)
    )
    wanted = F.layer_norm(wide(x), [elements], wide(weight), None, float(np.float32(1e-5)))
    check(y[:1], wanted[:1], [-1], "layer norm of a first element that is far")
    check(y, wanted, [-1], "layer norm of elements that are far")

    near = np.full((6, elements), 0.1, np.float32)
    near[1:] = np.nextafter(np.float32(123.4), np.float32(np.inf))
    near[1, 0], near[2, -1], near[3, ::2], near[4, 1:] = (np.float32(123.4),) * 4
    y = run_first(LAYER_NORM, [near, [elements], None, None, 1e-5], Output(np.float32, near.shape))
    check(y, normalized(near), [-1], "layer norm of neighbouring numbers")


def test_layer_norm_of_rows_that_are_hard() -> None:
    check_layer_norm_of_hard_rows(384)
    check_layer_norm_of_far_elements(256)


def check_rms_norm(x: np.ndarray, eps: float = 1e-6) -> None:
    weight = drawn(x.shape[-1:], 3, 1.0, 0.3)
    y = run_op(RMS_NORM, [x, Constant(weight), eps], Output(np.float32, x.shape))
    wanted = F.rms_norm(wide(x), x.shape[-1:], wide(weight), eps)
    check(y, wanted, [-1], f"rms norm of {x.shape}")


def test_rms_norm() -> None:
    for shape in SHAPES[1:]:
        check_rms_norm(drawn(shape))
    x = drawn((5, 12))
    x[0, 3], x[1, 2], x[2], x[3, :2] = INF, NAN, 0.0, (INF, -INF)
    check_rms_norm(x)


# ---- Norms of channels.


def check_group_norm(
    x: np.ndarray, groups: int, weight: Weight = None, bias: Weight = None
) -> None:
    given = [None if one is None else Constant(one) for one in (weight, bias)]
    n, c = x.shape[:2]
    rest = int(np.prod(x.shape[2:]))
    arguments = [x, *given, n, c, rest, groups, 1e-5]
    y = run_first(GROUP_NORM, arguments, Output(np.float32, x.shape))
    wanted = F.group_norm(wide(x), groups, wide(weight), wide(bias))
    check(y, wanted, range(1, x.ndim), f"group norm of {x.shape}, {groups}")


def test_group_norm() -> None:
    for shape in ((3, 6), (2, 6, 5), (1, 12, 4, 4), (2, 6, 3, 5), (2, 4, 2, 3, 2)):
        weight, bias = drawn(shape[1:2], 1, 1.0), drawn(shape[1:2], 2)
        for groups in (1, 2, shape[1]):
            if x_count(shape) > shape[0] * groups:
                check_group_norm(drawn(shape), groups, weight, bias)
        check_group_norm(drawn(shape), 2)
        check_group_norm(drawn(shape), 2, weight)
        check_group_norm(drawn(shape), 2, None, bias)


def x_count(shape: Sequence[int]) -> int:
    return int(np.prod(shape))


def test_batch_norm_of_the_batch() -> None:
    """Instance norms are batch norms of one image with all channels of all images."""
    for shape in ((1, 6, 5), (4, 3, 2, 3), (9, 4), (2, 3, 2, 2, 3)):
        weight, bias = drawn(shape[1:2], 1, 1.0), drawn(shape[1:2], 2)
        for own, other in ((None, None), (weight, bias)):
            x = drawn(shape)
            given = [None if one is None else Constant(one) for one in (own, other)]
            arguments = [x, *given, True, 0.1, 1e-5]
            y = run_first(BATCH_NORM, arguments, Output(np.float32, x.shape))
            wanted = F.batch_norm(wide(x), None, None, wide(own), wide(other), True, 0.1, 1e-5)
            dims = [dim for dim in range(x.ndim) if dim != 1]
            check(y, wanted, dims, f"batch norm of {shape}")


# ---- Variance.


def check_variance(x: np.ndarray, dims: Any, correction: Any, keepdim: bool) -> None:
    wanted = torch.var(
        wide(x), dims, correction=1 if correction is None else correction, keepdim=keepdim
    )
    y = run_op(VARIANCE, [x, dims, correction, keepdim], Output(np.float32, tuple(wanted.shape)))
    check(y, wanted, [], f"variance of {x.shape} over {dims} less {correction}")


@pytest.mark.filterwarnings("ignore:var")
def test_variance() -> None:
    for shape in SHAPES[1:]:
        x = drawn(shape)
        for count in range(len(shape) + 1):
            for dims in list(itertools.combinations(range(len(shape)), count))[:4]:
                check_variance(x, list(dims) or None, [None, 0, 1.0, 2][count % 4], count % 2 == 0)
    for dims in ([0], [1], [0, 1]):
        check_variance(drawn((33, 20), 0, 1e4), dims, None, False)
    x = drawn((5, 12))
    x[0, 3], x[1, 2], x[2], x[3, :2] = INF, NAN, 3.0, (INF, -INF)
    check_variance(x, [1], 1, True)


# ---- Any.


def check_any(x: np.ndarray, dims: list[int], keepdim: bool) -> None:
    wanted = x.astype(bool).any(axis=tuple(dims) or None, keepdims=keepdim)
    arguments = [x, dims, keepdim]
    y = run_op("aten.any.dims", arguments, Output(np.bool_, np.shape(wanted)))
    np.testing.assert_array_equal(y, wanted, f"{x.shape} over {dims}")
    if len(dims) == 1:
        y = run_op("aten.any.dim", [x, dims[0], keepdim], Output(np.bool_, np.shape(wanted)))
        np.testing.assert_array_equal(y, wanted)


def sparse(shape: Sequence[int], seed: int) -> np.ndarray:
    """Rather few are true, so that some rows have none."""
    rng = np.random.default_rng(seed)
    return rng.random(tuple(shape)) < 1 / max(shape, default=1)


def check_any_of(shape: Sequence[int]) -> None:
    for dtype in (np.bool_, np.float32):
        x = np.asarray(sparse(shape, len(shape)), dtype)
        for count in range(1, len(shape) + 1):
            for dims in list(itertools.combinations(range(len(shape)), count))[:4]:
                check_any(x, list(dims), count % 2 == 0)


def test_any() -> None:
    for shape in SHAPES:
        check_any_of(shape)
        for dtype in (np.bool_, np.float32):
            x = np.asarray(sparse(shape, 7), dtype)
            y = run_op("aten.any.default", [x], Output(np.bool_, ()))
            assert bool(y) == bool(x.astype(bool).any())
    for value, wanted in ((NAN, True), (-0.0, False), (1e-40, True), (INF, True)):
        x = np.array([0.0, value], np.float32)
        assert bool(run_op("aten.any.default", [x], Output(np.bool_, ()))) is wanted
    with pytest.raises(OpError, match="expected bool or float32, got int8"):
        run_op("aten.any.default", [np.zeros(3, np.int8)], Output(np.bool_, ()))


@each_row("any", "any_of_float")
def test_every_any_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for shape in ((1, 1), (3, 4), (17, 16), (5, 33), (67, 300), (1029, 8)):
        dtype = np.float32 if row.op.name == "any_of_float" else np.bool_
        for dims in ([0], [1], [0, 1]):
            check_any(np.asarray(sparse(shape, 3), dtype), dims, False)


# ---- Kernels, sizes, refusals.


@each_row("normalize")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps than threads and more, whole groups and not, along rows and columns."""
    force_row(monkeypatch, row)
    for shape in ((1, 1), (3, 4), (17, 16), (5, 33), (67, 1000), (1029, 8), (2, 5, 12)):
        for dim in range(len(shape)):
            check_softmax(drawn(shape), dim)
        check_layer_norm(drawn(shape, 1), 1, True, True)
        check_variance(drawn(shape, 2), [0], 0, False)


@each_row("normalize_rows")
def test_every_row_of_rows(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one group up to the longest that registers hold; fewer rows than a workgroup has, and
    more; what has other rows goes on as usual."""
    force_row(monkeypatch, row)
    half = row.tile_n // 2
    for shape in ((1, 4), (3, 12), (2, 2, half), (2 * row.tile_m + 3, half + 4), (2, row.tile_n)):
        check_softmax(drawn(shape), len(shape) - 1)
        check_layer_norm(drawn(shape, 1, 30.0), 1, True, True)
        check_layer_norm(drawn(shape, 1, 30.0), 1, False, True)
        check_rms_norm(drawn(shape, 2))
        check_variance(drawn(shape, 3, 30.0), [-1], 1, False)
    check_layer_norm_of_hard_rows(min(384, row.tile_n))
    check_layer_norm_of_far_elements(256)
    check_softmax(drawn((4, 6)), 1)
    check_softmax(drawn((4, 8)), 0)
    with pytest.raises(OpError, match=f"has room for rows of {row.tile_n} elements"):
        check_rms_norm(drawn((1, row.tile_n + 4)))


def kernel_of(op: str, arguments: list[Any], y: Output) -> str:
    return run_chain([(op, arguments, outputs(y) if "native" in op else y)], [y])[1][0]


def test_who_has_rows_in_registers() -> None:
    """Contiguous ones of whole groups of four elements, with weights along them."""
    x, y = drawn((6, 5, 64)), Output(np.float32, (6, 5, 64))
    weight = Constant(drawn((64,)))
    norm = [weight, None, 1e-5]
    for op, arguments, wanted in (
        (SOFTMAX, [x, 2, False], True),
        (SOFTMAX, [x, 1, False], False),
        (LAYER_NORM, [x, [64], *norm], True),
        (LAYER_NORM, [x, [5, 64], None, None, 1e-5], True),
        (RMS_NORM, [x, weight, 1e-5], True),
        (GROUP_NORM, [x, None, None, 6, 5, 64, 5, 1e-5], True),
        (GROUP_NORM, [x, Constant(drawn((5,))), None, 6, 5, 64, 5, 1e-5], False),
    ):
        in_registers = kernel_of(op, arguments, y).startswith("normalize_rows__")
        assert in_registers == wanted, (op, arguments[1:])


def test_smaller_than_planned() -> None:
    x = drawn((3, 7, 5))
    check_softmax(x, 1, (5, 9, 16))
    check_softmax(x, 2, (5, 9, 16))
    y = run_op(VARIANCE, [Dynamic(x, (5, 9, 16)), [1], 1, False], Output(np.float32, (5, 16)))
    check(y, torch.var(wide(x), 1), [], "variance")
    weight = drawn((5,), 1)
    arguments = [Dynamic(x, (5, 9, 5)), [5], Constant(weight), None, 1e-5]
    y = run_first(LAYER_NORM, arguments, Output(np.float32, (5, 9, 5)))
    check(y, F.layer_norm(wide(x), (5,), wide(weight)), [-1], "layer norm")


def test_empty_tensors() -> None:
    empty = np.zeros((0, 4), np.float32)
    assert run_op(SOFTMAX, [empty, 1, False], Output(np.float32, (0, 4))).shape == (0, 4)
    assert run_op(SOFTMAX, [empty, 0, False], Output(np.float32, (0, 4))).shape == (0, 4)
    y = run_first(LAYER_NORM, [empty, [4], None, None, 1e-5], Output(np.float32, (0, 4)))
    assert y.shape == (0, 4)
    with pytest.raises(OpError, match="a variance of no elements"):
        run_op(VARIANCE, [empty, [0], 1, False], Output(np.float32, (4,)))


X = np.zeros((2, 6), np.float32)
REFUSED: dict[str, tuple[str, list[Any], str]] = {
    "dtype": (SOFTMAX, [X.astype(np.int8), 1, False], "must be float32, got int8"),
    "half": (SOFTMAX, [X, 1, True], "half_to_float must be false"),
    "dim": (SOFTMAX, [X, 2, False], "dim 2 is outside a tensor of rank 2"),
    "shape": (LAYER_NORM, [X, [5], None, None, 1e-5], r"the normalized shape is \[5\]"),
    "rank": (LAYER_NORM, [X, [1, 2, 6], None, None, 1e-5], "a normalized shape of 3 dimensions"),
    "weight": (LAYER_NORM, [X, [6], X, None, 1e-5], r"weight and bias must be \[6\], got \[2, 6\]"),
    "groups": (GROUP_NORM, [X, None, None, 2, 6, 1, 4, 1e-5], "6 channels are no 4 groups"),
    "channels": (GROUP_NORM, [X[0], None, None, 1, 6, 1, 2, 1e-5], "x must have channels"),
    "bias": (GROUP_NORM, [X, None, X[0, :3], 2, 6, 1, 2, 1e-5], r"weight and bias must be \[6\]"),
    "training": (BATCH_NORM, [X, None, None, False, 0.1, 1e-5], "training must be true"),
    "rms_weight": (RMS_NORM, [X, X[0, :3], 1e-5], r"weight and bias must be \[6\], got \[3\]"),
    "none": (RMS_NORM, [X, None, 1e-5], "must be a tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    op, arguments, message = REFUSED[name]
    y = Output(np.float32, arguments[0].shape)
    with pytest.raises(OpError, match=message):
        run_chain([(op, arguments, outputs(y) if "native" in op else y)], [y])


# ---- Norms that make the sum that they read.

ADD, VIEW = "aten.add.Tensor", "aten.view_copy.default"


def sum_and_norm(
    a: Any, b: Any, inner: Sequence[int], alpha: float = 1.0
) -> tuple[list[Any], Output, Output]:
    """(calls, a + b, its layer norm)"""
    shape = a.bounds if isinstance(a, Dynamic) else a.shape
    x, y = Output(np.float32, shape), Output(np.float32, shape)
    weight, bias = Constant(drawn(inner, 8)), Constant(drawn(inner, 9))
    norm = (LAYER_NORM, [x, list(inner), weight, bias, 1e-5], outputs(y))
    return [(ADD, [a, b, alpha], x), norm], x, y


def norm_of(x: np.ndarray, inner: Sequence[int]) -> np.ndarray:
    """As the kernel makes it of x itself."""
    given = [list(inner), Constant(drawn(inner, 8)), Constant(drawn(inner, 9)), 1e-5]
    return run_first(LAYER_NORM, [x, *given], Output(np.float32, x.shape))


def adds(kernels: list[str]) -> int:
    return sum(name.startswith("binary") for name in kernels)


@each_row("normalize_rows")
def test_norms_of_sums(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether another reads the sum or not, to the last bit."""
    force_row(monkeypatch, row)
    for shape in ((1, 4), (7, 12), (2, 3, row.tile_n // 2 + 4), (2 * row.tile_m + 1, row.tile_n)):
        a, b = drawn(shape, 1), drawn(shape, 2, 5.0)
        a[0, 0], b[-1, -1] = 1e30, NAN
        calls, x, y = sum_and_norm(a, b, shape[-1:])
        wanted = norm_of(a + b, shape[-1:])
        (alone,), kernels = run_chain(calls, [y])
        np.testing.assert_array_equal(alone, wanted)
        assert not adds(kernels)
        found, kernels = run_chain(calls, [x, y])
        np.testing.assert_array_equal(found[0], a + b)
        np.testing.assert_array_equal(found[1], wanted)
        assert not adds(kernels)


def test_sums_that_others_read() -> None:
    """Behind the norm, as a residual does, in front of it, and as a view."""
    a, b, c = drawn((5, 3, 16), 1), drawn((5, 3, 16), 2), drawn((5, 3, 16), 3)
    calls, x, y = sum_and_norm(a, b, (16,))
    z = Output(np.float32, x.bounds)
    wanted = [norm_of(a + b, (16,)), (a + b) * c]
    times = ("aten.mul.Tensor", [x, c], z)
    for order, count in (([*calls, times], 1), ([calls[0], times, calls[1]], 2)):
        found, kernels = run_chain(order, [y, z])
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)
        assert adds(kernels) == count
    rows, z = Output(np.float32, (15, 16)), Output(np.float32, (15, 16))
    view, last = (VIEW, [x, [15, 16]], rows), ("aten.mul.Tensor", [rows, c.reshape(15, 16)], z)
    for order in ([*calls, view, last], [calls[0], view, calls[1], last]):
        found, _ = run_chain(order, [y, z])
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1].reshape(15, 16))


def test_sums_that_norms_do_not_make() -> None:
    """Of other sizes, of a multiple, and of rows that another kernel has."""
    a = drawn((5, 3, 16), 1)
    for b, inner, alpha in (
        (drawn((16,), 2), (16,), 1.0),
        (drawn((5, 3, 16), 2), (16,), 2.0),
        (drawn((5, 3, 16), 2), (3, 16), 1.0),
    ):
        calls, _, y = sum_and_norm(a, b, inner, alpha)
        (found,), kernels = run_chain(calls, [y])
        np.testing.assert_array_equal(found, norm_of(a + np.float32(alpha) * b, inner))
        assert adds(kernels) == (inner == (16,))
    calls, _, y = sum_and_norm(drawn((4, 6), 1), drawn((4, 6), 2), (6,))
    (found,), kernels = run_chain(calls, [y])
    np.testing.assert_array_equal(found, norm_of(drawn((4, 6), 1) + drawn((4, 6), 2), (6,)))
    assert adds(kernels) == 1


def test_sums_of_less_rows() -> None:
    for rows in (5, 2, 0):
        a, b = drawn((rows, 3, 16), 1), drawn((rows, 3, 16), 2)
        calls, _, y = sum_and_norm(Dynamic(a, (5, 3, 16)), Dynamic(b, (5, 3, 16)), (16,))
        (found,), _ = run_chain(calls, [y])
        np.testing.assert_array_equal(found, norm_of(a + b, (16,)) if rows else a)
    one = drawn((1, 3, 16), 1)  # repeated, though its bounds are not
    other = drawn((4, 3, 16), 2)
    calls, x, y = sum_and_norm(Dynamic(one, (5, 3, 16)), Dynamic(other, (5, 3, 16)), (16,))
    (found_x, found), kernels = run_chain(calls, [x, y])
    np.testing.assert_array_equal(found_x, one + other)
    np.testing.assert_array_equal(found, norm_of(found_x, (16,)))
    assert adds(kernels) == 1
