"""Softmax and norms that read or give int8, against PyTorch in float64: a step at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from float_ops import assert_right
from linear_fixture import OpError
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_chain, run_op

SHAPES = ((1,), (7,), (3, 5), (4, 16), (2, 3, 7), (2, 1, 3, 8), (3, 33), (1, 2, 3, 1, 2, 3))
X_GRID = (0.05, -7)
NO_GRID, NO_Y_GRID = (None, 0), (None, 0, -128, 127)
TYPES = ("int8 to int8", "float32 to int8", "int8 to float32")
Reference = Callable[[torch.Tensor], torch.Tensor]


def bytes_of(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, tuple(shape), np.int8)


def floats_of(shape: Sequence[int], seed: int = 0, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, tuple(shape)).astype(np.float32)


def quantized(f: np.ndarray, grid: tuple[Any, ...]) -> np.ndarray:
    scale, zero_point, low, high = grid
    return np.clip(np.round(np.nan_to_num(f) / scale) + zero_point, low, high)


def check_result(y: np.ndarray, wanted: np.ndarray, grid: tuple[Any, ...], what: str) -> None:
    if grid[0] is None:
        magnitude = np.abs(wanted).max() if wanted.size else 0.0
        assert_right(y, wanted, [], what, np.broadcast_to(magnitude, wanted.shape))
        return
    assert y.dtype == np.int8
    steps = np.abs(y.astype(np.float64) - quantized(wanted, grid))
    assert steps.max(initial=0) <= 1, what
    assert np.count_nonzero(steps) <= max(1, steps.size // 100), what


def check(
    op: str,
    x: np.ndarray,
    arguments: Sequence[Any],
    reference: Reference,
    bounds: Any = None,
    types: Sequence[str] = TYPES,
) -> None:
    """x in int8 or as the float32 that it stands for, and y likewise: some of TYPES."""
    scale, zero_point = X_GRID
    f = ((x.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)).astype(
        np.float32
    )
    wanted = reference(torch.from_numpy(f.astype(np.float64))).numpy()
    spread = float(np.abs(wanted).max()) if wanted.size else 1.0
    y_grids = (spread / 90 or 1.0, 5, -128, 127), (spread / 60 or 1.0, -128, -100, 90)
    calls = (
        (TYPES[0], x, X_GRID, y_grids),
        (TYPES[1], f, NO_GRID, y_grids),
        (TYPES[2], x, X_GRID, (NO_Y_GRID,)),
    )
    for own, given, x_grid, grids in calls:
        for y_grid in grids if own in types else ():
            run_and_check(op, given, x_grid, arguments, y_grid, wanted, bounds)


def run_and_check(
    op: str,
    x: np.ndarray,
    x_grid: tuple[Any, ...],
    arguments: Sequence[Any],
    y_grid: tuple[Any, ...],
    wanted: np.ndarray,
    bounds: Any,
) -> None:
    dtype = np.float32 if y_grid[0] is None else np.int8
    given = x if bounds is None else Dynamic(x, bounds)
    y = run_op(op, [given, *x_grid, *arguments, *y_grid], Output(dtype, bounds or x.shape))
    check_result(y, wanted, y_grid, f"{op} of {x.shape}, {x.dtype} to {dtype.__name__}")


def softmax_and_log(x: np.ndarray, dim: int, bounds: Any = None) -> None:
    """Both functions and all types; which function has which depends on the sizes."""
    turn = (x.size + dim) % len(TYPES)
    log, both = [TYPES[turn]], [own for own in TYPES if own != TYPES[turn]]
    check("et_vk.q8ta_softmax.default", x, [dim], lambda f: torch.softmax(f, dim), bounds, both)
    check(
        *("et_vk.q8ta_log_softmax.default", x, [dim], lambda f: torch.log_softmax(f, dim)),
        *(bounds, log),
    )


def layer_norm(x: np.ndarray, rank: int, weighted: bool = True, bounds: Any = None) -> None:
    shape = list(x.shape[x.ndim - rank :])
    pair = [floats_of(shape, 1, 2.0), floats_of(shape, 2)] if weighted else [None, None]
    wide = [None if one is None else torch.from_numpy(one.astype(np.float64)) for one in pair]
    given = [None if one is None else Constant(one) for one in pair]
    check(
        "et_vk.q8ta_layer_norm.default",
        x,
        [shape, *given, 1e-3],
        lambda f: F.layer_norm(f, shape, *wide, float(np.float32(1e-3))),
        bounds,
    )


def test_softmax() -> None:
    for shape in SHAPES:
        for dim in range(len(shape)):
            softmax_and_log(bytes_of(shape), dim if dim % 2 == 0 else dim - len(shape))


def test_layer_norm() -> None:
    for shape in SHAPES:
        for rank in range(1, min(len(shape), 3) + 1):
            layer_norm(bytes_of(shape), rank, rank != 2)


def test_rms_norm() -> None:
    for shape in SHAPES:
        weight = floats_of(shape[-1:], 1, 1.0)
        wide = torch.from_numpy(weight.astype(np.float64))
        check(
            "et_vk.q8ta_rms_norm.default",
            bytes_of(shape),
            [Constant(weight), 1e-6],
            lambda f, wide=wide: F.rms_norm(f, [f.shape[-1]], wide, 1e-6),  # type: ignore[misc]
        )


def test_group_norm() -> None:
    for shape in ((3, 6), (2, 6, 5), (1, 12, 4, 4), (2, 6, 3, 5)):
        pair = [floats_of(shape[1:2], 1, 1.0), floats_of(shape[1:2], 2)]
        wide = [torch.from_numpy(one.astype(np.float64)) for one in pair]
        for groups in (1, 2, 3):
            check(
                "et_vk.q8ta_group_norm.default",
                bytes_of(shape),
                [groups, *map(Constant, pair), 1e-3],
                lambda f, groups=groups, wide=wide: F.group_norm(f, groups, *wide, 1e-3),  # type: ignore[misc]
            )


def test_rows_of_one_value_and_ends_of_the_range() -> None:
    x = bytes_of((6, 20))
    x[0], x[1], x[2] = -128, 127, X_GRID[1]
    layer_norm(x, 1)
    softmax_and_log(x, 1)
    softmax_and_log(np.ascontiguousarray(x.T), 0)


def test_what_is_not_finite() -> None:
    """NaN becomes 0, as PyTorch quantizes it on the CPU; what is beyond the range saturates."""
    x = floats_of((4, 8))
    x[0, 2], x[1, 3], x[2] = np.nan, np.inf, -np.inf
    for size in (8, 7):
        own = np.ascontiguousarray(x[:, :size])
        grid = (1 / 256, -128, -128, 127)
        arguments = [own, *NO_GRID, 1, *grid]
        y = run_op("et_vk.q8ta_softmax.default", arguments, Output(np.int8, own.shape))
        assert (y[:3] == 0).all()
        wanted = torch.softmax(torch.from_numpy(own[3:].astype(np.float64)), 1).numpy()
        check_result(y[3:], wanted, grid, f"softmax of {size}")
    check_saturated()


def check_saturated() -> None:
    x = np.array([[-80.0, 0.0, 80.0, 1.0]], np.float32)
    y = run_op(
        "et_vk.q8ta_log_softmax.default",
        [x, *NO_GRID, 1, 0.1, 0, -128, 127],
        Output(np.int8, x.shape),
    )
    assert y.tolist() == [[-128, -128, 0, -128]]


def test_channels_last_stays_so() -> None:
    x = bytes_of((2, 6, 3, 4))
    given = np.moveaxis(x, 1, -1).copy()
    f = torch.from_numpy((x.astype(np.float64) + 7) * np.float32(0.05))
    weight, bias = floats_of((6,), 1, 1.0), floats_of((6,), 2)
    wide = [torch.from_numpy(one.astype(np.float64)) for one in (weight, bias)]
    grid = (0.03, 3, -128, 127)
    norm = [*X_GRID, 3, Constant(weight), Constant(bias), 1e-5, *grid]
    calls = [("et_vk.q8ta_group_norm.default", norm, F.group_norm(f, 3, *wide))]
    for dim in range(4):
        softmax = [*X_GRID, dim, *grid]
        calls.append(("et_vk.q8ta_softmax.default", softmax, torch.softmax(f, dim)))
    for op, arguments, wanted in calls:
        last, y = Output(np.int8, x.shape), Output(np.int8, x.shape)
        back = Output(np.int8, given.shape)
        chain = [
            ("test.to_channels_last", [given], last),
            (op, [last, *arguments], y),
            ("test.from_channels_last", [y], back),
        ]
        results, kernels = run_chain(chain, [back])
        check_result(np.moveaxis(results[0], -1, 1), wanted.numpy(), grid, op)
        assert [name.split("__")[0] for name in kernels] == ["normalize"]


@each_row("normalize")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for shape in ((1, 1), (3, 4), (17, 16), (5, 33), (67, 1000), (1029, 8), (2, 5, 12)):
        for dim in range(len(shape)):
            softmax_and_log(bytes_of(shape), dim)
        layer_norm(bytes_of(shape, 1), 1)


@each_row("normalize_rows")
def test_every_row_of_rows(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for shape in ((1, 4), (3, 12), (2 * row.tile_m + 3, row.tile_n // 2 + 4), (2, row.tile_n)):
        softmax_and_log(bytes_of(shape), len(shape) - 1)
        layer_norm(bytes_of(shape, 1), 1)
        layer_norm(bytes_of(shape, 2), 1, False)


def test_nearly_constant_rows() -> None:
    """One element a step beside all others, at the end of the range, where a float32 has the fewest
    digits left for the difference."""
    x = np.full((8, 256), 127, np.int8)
    x[np.arange(8), np.arange(8) * 31] = 126
    layer_norm(x, 1)
    layer_norm(x, 1, False)


def test_smaller_than_planned_and_empty() -> None:
    x = bytes_of((3, 7, 5))
    softmax_and_log(x, 1, (5, 9, 16))
    layer_norm(x, 1, True, (5, 9, 5))
    softmax_and_log(np.zeros((0, 4), np.int8), 1)


X = np.zeros((2, 6), np.int8)
ONE, NORM = (0.1, 0, -128, 127), "et_vk.q8ta_layer_norm.default"
REFUSED: dict[str, tuple[str, list[Any], str]] = {
    "x": (NORM, [X, None, 0, [6], None, None, 1e-5, *ONE], "x must be float32, got int8"),
    "y": (NORM, [X, 0.1, 0, [6], None, None, 1e-5, *NO_Y_GRID], "y must be float32, got int8"),
    "weight": (NORM, [X, 0.1, 0, [6], X[0], None, 1e-5, *ONE], "weight and bias must be float32"),
    "shape": (NORM, [X, 0.1, 0, [5], None, None, 1e-5, *ONE], r"the normalized shape is \[5\]"),
    "scale": (NORM, [X, 0.0, 0, [6], None, None, 1e-5, *ONE], "scale"),
    "y_scale": (NORM, [X, 0.1, 0, [6], None, None, 1e-5, 1e-45, *ONE[1:]], "scale"),
    "zero_point": (NORM, [X, 0.1, 200, [6], None, None, 1e-5, *ONE], "zero point 200 is not"),
    "range": (NORM, [X, 0.1, 0, [6], None, None, 1e-5, 0.1, 0, 9, 3], "range 9 to 3 is not"),
    "no_grid": (NORM, [X, 0.1, 0, [6], None, None, 1e-5, None, 128, -128, 127], "zero point 128"),
    "dim": ("et_vk.q8ta_softmax.default", [X, 0.1, 0, 2, *ONE], "dim 2 is outside"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    op, arguments, message = REFUSED[name]
    with pytest.raises(OpError, match=message):
        run_op(op, arguments, Output(np.int8, X.shape))
