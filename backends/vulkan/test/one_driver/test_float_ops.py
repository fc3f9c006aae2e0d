"""Every row of the table of float ops against PyTorch in float64; a new row is tested by itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from float_ops import (
    TABLE,
    assert_all,
    assert_right,
    aten,
    expected,
    is_right,
    name_of,
    result_dtype,
)
from linear_fixture import OpError
from op_fixture import Constant, Dynamic, Output, each_row, edges, force_row, run_op

INF, NAN = float("inf"), float("nan")
ROWS = {name_of(row): row for row in (*TABLE.UNARY, *TABLE.BINARY)}
ADD, GE, AND = ROWS["add.Tensor"], ROWS["ge.Tensor"], ROWS["logical_and.default"]
WHERE = TABLE.TERNARY[0]
# Parameters to test with beside the defaults; None takes these.
PARAMETERS: dict[str, list[tuple[float | int | bool | None, ...]]] = {
    "clamp.default": [(None, 0.75), (-1, None), (NAN, 1.0), (-INF, INF), (2.0, 1.0), (False, True)],
    "elu.default": [(1.6732632423543772, 1.0507009873554805, 1.0), (0.25, 2.0, 3.0)],
    "hardtanh.default": [(0.0, 6.0)],
    "leaky_relu.default": [(0.3,), (-1.5,)],
    "round.decimals": [(2,), (0,), (-1,)],
    "threshold.default": [(0.5, 2.0), (-1.0, INF)],
}
UNKNOWN = 0.5  # of a parameter without a default, for a row that is not listed here
NUMBERS = (0.75, -2.0, 0, 3, INF, -INF, NAN, 1e39)
EDGES = np.concatenate(
    [
        np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -2.5, 3.0], np.float32),
        np.array([88.7, 89.0, -87.0, -104.0, 8388609.0, 2.0**31 + 256, 1e-20, 1e20], np.float32),
        np.array([3e38, -3e38, 1.2e-38, -1.2e-38, INF, -INF, NAN], np.float32),
    ]
)
DENORMAL = np.array([1e-40, -1e-40, 1.1e-38, -1.1e-38, 1e-45, -1e-45], np.float32)
SHAPES = ((), (1,), (7,), (3, 5), (2, 3, 7), (2, 1, 3, 5), (2, 3, 1, 2, 5), (1, 2, 3, 1, 2, 3))
# In float64 the product would not be rounded before it is rounded to a whole number.
ROUNDED_PRODUCTS = ("round.decimals",)


def every(rows: Sequence[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=name_of)


def operand(row: Any, shape: tuple[int, ...], seed: int, dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    values = rng.uniform(*row.domain, shape).astype(np.float32)
    # Whole numbers too, for quotients and remainders, and for equality.
    return np.where(rng.random(shape) < 0.3, np.round(values), values).astype(np.float32)


def sweep(row: Any) -> np.ndarray:
    """Values of the domain, of every magnitude, and at the edges."""
    magnitudes = np.geomspace(1e-30, 3e38, 1501)
    signed = np.where(np.arange(1501) % 2, magnitudes, -magnitudes)
    values = [operand(row, (2001,), 0), signed.astype(np.float32), -signed.astype(np.float32)]
    return np.concatenate([*values, EDGES])


def call(row: Any, operands: Sequence[Any], shape: tuple[int, ...], *more: Any) -> np.ndarray:
    keywords = [value for _, value in getattr(row, "keywords", ())]
    arguments = [*operands, *more, *keywords]
    return run_op(f"aten.{row.aten}", arguments, Output(result_dtype(row), shape))


def scale_of(row: Any, operands: Sequence[Any], alpha: float = 1.0) -> np.ndarray | None:
    """Of results that may cancel."""
    if row.aten.split(".")[0] not in ("add", "sub", "remainder"):
        return None
    a, b = (np.abs(np.asarray(one, np.float64)) for one in operands)
    scale = a + abs(alpha) * b
    return np.where(np.isfinite(scale), scale, 0.0)


# ---- Functions of one tensor.


def parameter_sets(row: Any) -> list[tuple[Any, ...]]:
    defaults = tuple(default for _, default in row.parameters)
    sets = list(PARAMETERS.get(row.aten, []))
    if None not in defaults:
        return [defaults, *sets]
    return sets or [tuple(UNKNOWN if value is None else value for value in defaults)]


def unary_reference(row: Any, x: np.ndarray, parameters: Sequence[Any]) -> np.ndarray:
    named = dict(zip((name for name, _ in row.parameters), parameters, strict=True))
    given = {name: value for name, value in named.items() if value is not None}
    if row.aten in ROUNDED_PRODUCTS:
        return aten(row)(torch.from_numpy(x), **given).numpy().astype(np.float64)
    return expected(row, [x], **given)


def check_unary(row: Any, x: np.ndarray, parameters: tuple[Any, ...]) -> None:
    y = call(row, [x], x.shape, *parameters)
    # PyTorch adds erf() or tanh() to 1, which cancels far below zero.
    lost = 1e-10 * np.abs(x) if row.aten == "gelu.default" else None
    what = f"{name_of(row)}{parameters} of {x.shape}"
    assert_right(y, unary_reference(row, x, parameters), [x], what, lost)


@every([*TABLE.UNARY, *TABLE.BOOL_UNARY])
def test_unary(row: Any) -> None:
    for dtype in row.operands:
        x = sweep(row) if dtype == "float32" else operand(row, (1001,), 0, dtype)
        for parameters in parameter_sets(row):
            check_unary(row, x, parameters)
        for shape in SHAPES:
            check_unary(row, operand(row, shape, 1, dtype), parameters)


@every([row for row in TABLE.UNARY if "float32" in row.operands])
def test_unary_of_denormals(row: Any) -> None:
    """A device may take them for zeros."""
    parameters = parameter_sets(row)[0]
    y = call(row, [DENORMAL], DENORMAL.shape, *parameters)
    flushed = np.copysign(np.float32(0), DENORMAL)
    wanted = unary_reference(row, DENORMAL, parameters)
    right = is_right(y, wanted) | is_right(y, unary_reference(row, flushed, parameters))
    assert_all(right, y, wanted, [DENORMAL], name_of(row))


# ---- Of two and of three.


def check_binary(
    row: Any,
    a: Any,
    b: Any,
    alpha: float | None = None,
    constant: tuple[bool, bool] = (False, False),
) -> None:
    named = {} if alpha is None else {"alpha": alpha}
    wanted = expected(row, [a, b], **named)
    called = [
        Constant(one) if is_constant else one
        for one, is_constant in zip((a, b), constant, strict=True)
    ]
    more = [alpha] if row.alpha else []
    y = call(row, called, wanted.shape, *more)
    scale = scale_of(row, [a, b], 1.0 if alpha is None else alpha)
    assert_right(y, wanted, [a, b], name_of(row), scale)


BROADCASTS = (
    ((4, 8), (8,)),
    ((4, 8), (4, 1)),
    ((3, 5), (5,)),
    ((7, 15), (7, 1)),
    ((9, 12), ()),
    ((), (6,)),
    ((5,), (4, 3, 5)),
    ((2, 1, 7), (3, 1)),
    ((3, 1, 8), (3, 4, 8)),
    ((2, 1, 3, 1, 5), (1, 4, 1, 2, 5)),
    ((2, 1, 2, 1, 2, 1), (1, 3, 1, 3, 1, 3)),
)


@every([*TABLE.BINARY, *TABLE.BOOL_BINARY])
def test_binary(row: Any) -> None:
    for dtype in row.operands:
        a, b = operand(row, (1003,), 0, dtype), operand(row, (1003,), 1, dtype)
        alphas = () if not row.alpha else (2, -0.5) if dtype == "float32" else (False, True)
        if not row.scalar:
            check_binary(row, a, b)
            if dtype == "float32":  # every pair of edges, broadcast
                check_binary(row, EDGES[:, None], np.concatenate([EDGES, a[:32]])[None, :])
            for alpha in alphas:
                check_binary(row, a, b, alpha)
        else:
            tensor = np.concatenate([a, EDGES]) if dtype == "float32" else a
            numbers = (False, True) if row in TABLE.BOOL_BINARY else (*NUMBERS, *map(float, b[:5]))
            for number in numbers:
                check_binary(row, *((number, tensor) if row.scalar == "a" else (tensor, number)))
            for alpha in alphas:
                check_binary(row, a, True if dtype == "bool" else 0.75, alpha)


@every([row for row in TABLE.BOOL_BINARY if row.alpha])
@pytest.mark.parametrize("alpha", [-1, 0.5, np.inf, np.nan])
def test_alpha_of_bools_is_a_truth_value(row: Any, alpha: float) -> None:
    """PyTorch takes bools alone; a program may have any number."""
    a, b = operand(row, (67,), 0, "bool"), operand(row, (67,), 1, "bool")
    for other in (False, True) if row.scalar else (b,):
        y = call(row, [a, other], a.shape, alpha)
        assert np.array_equal(y, np.logical_or(a, other))


@pytest.mark.parametrize(("row", "dtype"), [(ADD, "float32"), (GE, "float32"), (AND, "bool")])
def test_broadcasting(row: Any, dtype: str) -> None:
    for first, second in BROADCASTS:
        check_binary(row, operand(row, first, 2, dtype), operand(row, second, 3, dtype))
        check_binary(row, operand(row, second, 4, dtype), operand(row, first, 5, dtype))
    for shape in SHAPES:
        check_binary(row, operand(row, shape, 6, dtype), operand(row, shape, 7, dtype))


def test_one_tensor_twice_and_constants() -> None:
    a = operand(ADD, (13,), 0)
    check_binary(ADD, a, a)
    for constant in ((True, False), (False, True)):
        check_binary(ADD, operand(ADD, (3, 7), 0), operand(ADD, (7,), 1), constant=constant)
        check_binary(ADD, operand(ADD, (3, 8), 0), operand(ADD, (), 1), constant=constant)


def check_where(condition: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    wanted = expected(WHERE, [condition, a, b])
    y = call(WHERE, [condition, a, b], wanted.shape)
    assert_right(y, wanted, [condition, a, b], WHERE.aten)


def test_where() -> None:
    shapes = ((4, 8), (4, 1), (8,), (), (1, 1))
    for first, second, third in itertools.product(shapes, repeat=3):
        condition = operand(WHERE, first, 0, "bool")
        check_where(condition, operand(WHERE, second, 1), operand(WHERE, third, 2))
    for shape in SHAPES:
        condition = operand(WHERE, shape, 3, "bool")
        check_where(condition, operand(WHERE, shape, 4), operand(WHERE, shape[-1:], 5))
    many = np.resize(EDGES, 101)
    check_where(operand(WHERE, (101,), 6, "bool"), many, operand(WHERE, (101,), 7))


def test_smaller_than_planned() -> None:
    a, b = operand(ADD, (3, 7), 0), operand(ADD, (1, 7), 1)
    arguments = [Dynamic(a, (50, 7)), b, 1]
    y = run_op("aten.add.Tensor", arguments, Output(np.float32, (50, 7)))
    assert_right(y, expected(ADD, [a, b]), [a, b], "add", scale_of(ADD, [a, b]))
    y = run_op("aten.abs.default", [Dynamic(a, (20, 90))], Output(np.float32, (20, 90)))
    np.testing.assert_array_equal(y, np.abs(a))
    y = run_op("aten.isnan.default", [Dynamic(a, (20, 90))], Output(np.bool_, (20, 90)))
    assert y.shape == (3, 7) and not y.any()


# ---- Reductions.


def reduction_arguments(row: Any, dims: Any, keepdim: bool) -> list[Any]:
    values = {"dim": dims, "keepdim": keepdim, "dtype": None}
    return [values[name] for name in row.arguments]


def takes_dims(row: Any) -> bool:
    """Whether it takes a list of dimensions; a dim_int takes one."""
    return "dim" in row.arguments and not row.aten.endswith(".dim_int")


def check_reduction(row: Any, x: np.ndarray, dims: Any = None, keepdim: bool = False) -> None:
    """A sum that cancels may be wrong by what float64 makes of its elements."""
    has_dim = "dim" in row.arguments
    listed = [] if dims is None and row.aten.startswith("am") else dims
    wanted = expected(row, [x, listed, keepdim] if has_dim else [x])
    y = call(row, [x], wanted.shape, *reduction_arguments(row, dims, keepdim))
    finite = np.where(np.isfinite(x), x, 0).astype(np.float64)
    what = f"{row.aten} of {x.shape} over {dims}"
    assert_right(y, wanted, [], what, np.full(wanted.shape, 1e-9 * np.abs(finite).sum()))


@every([row for row in TABLE.REDUCTIONS if row.aten.endswith(".dim_int")])
def test_reduction_of_one_dimension(row: Any) -> None:
    for shape in (*SHAPES, (2, 3, 7), (4, 15, 33), (3, 8, 16), (1, 33, 5), (5, 300, 12)):
        for dim in range(len(shape)):
            check_reduction(row, operand(row, shape, 0), dim)
            check_reduction(row, operand(row, shape, 1), dim - len(shape), True)
    x = operand(row, (24, 5), 2)
    for special in (INF, -INF, NAN, 0.0):
        x[3, 1] = special
        for dim in (0, 1):
            check_reduction(row, x, dim)


@every([row for row in TABLE.REDUCTIONS if not row.aten.endswith(".dim_int")])
def test_reduction(row: Any) -> None:
    for shape in ((2, 3, 7), (4, 15, 33), (3, 8, 16), (1, 33, 5), (5, 300, 12)):
        x = operand(row, shape, 0)
        for count in range(4 if takes_dims(row) else 1):
            for dims in itertools.combinations(range(3), count):
                check_reduction(
                    row, x, [dim - 3 for dim in dims] if count == 2 else list(dims), True
                )
                check_reduction(row, x, list(dims))
    for shape in SHAPES:
        check_reduction(row, operand(row, shape, 1))
    if "dim" in row.arguments:
        for dim, keepdim in ((0, False), (-1, True)):  # of a single number
            check_reduction(row, operand(row, (), 3), [dim], keepdim)
    x = operand(row, (24, 5), 2)
    for special in ((INF,), (-INF,), (INF, -INF), (NAN,), (1e38, 1e38), (NAN, INF)):
        x[: len(special), 1] = special
        x[11, 3 : 3 + len(special[:1])] = special[0]
        check_reduction(row, x)
        if "dim" in row.arguments:
            check_reduction(row, x, [0])
            check_reduction(row, x, [1], True)


@every([row for row in TABLE.REDUCTIONS if takes_dims(row)])
def test_reduction_of_many_dimensions(row: Any) -> None:
    x = operand(row, (2, 3, 2, 3, 2, 2, 3, 2), 0)
    for dims in ([-1], [-2, 1], [0, 2, 4, 6], [1, 3, 5, 7], [7, 0], [3, 4], None):
        check_reduction(row, x, dims)


def test_long_sums_are_precise() -> None:
    """float32 alone would lose a thousandth of the small ones beside the large."""
    total = next(row for row in TABLE.REDUCTIONS if row.aten == "sum.dim_IntList")
    rng = np.random.default_rng(0)
    for shape, dims in (((3, 1_000_003), [1]), ((300_001, 3), [0]), ((1_200_000,), None)):
        check_reduction(total, rng.uniform(0, 1, shape).astype(np.float32), dims)
        check_reduction(total, rng.normal(1000, 1, shape).astype(np.float32), dims)
        x = rng.normal(0, 1, shape).astype(np.float32)
        x.flat[:2] = 1e7, -1e7
        check_reduction(total, x, dims)


def test_smaller_reduction_than_planned() -> None:
    row = next(row for row in TABLE.REDUCTIONS if row.aten == "mean.dim")
    x = operand(row, (3, 9, 7), 0)
    for dims, bounds in (([1], (20, 7)), ([0], (50, 7)), ([2], (20, 50)), ([0, 1], (7,))):
        arguments = [Dynamic(x, (20, 50, 7)), dims, False, None]
        y = run_op("aten.mean.dim", arguments, Output(np.float32, bounds))
        assert_right(y, expected(row, [x, dims, False]), [], "mean", np.full(y.shape, 1e-6))


# ---- Kernels.

OF_ROW = {
    "unary": (ROWS["exp.default"], ["float32"]),
    "unary_to_bool": (ROWS["isinf.default"], ["float32"]),
    "unary_of_bool": (ROWS["bitwise_not.default"], ["bool"]),
    "binary": (ADD, ["float32"] * 2),
    "binary_to_bool": (GE, ["float32"] * 2),
    "binary_of_bool": (AND, ["bool"] * 2),
    "where": (WHERE, ["bool", "float32", "float32"]),
}


@each_row(*OF_ROW, *(f"{op}_words" for op in OF_ROW if not op.startswith("unary")))
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around the edges of a tile, whole and in part, and with operands that are repeated."""
    force_row(monkeypatch, row)
    op, dtypes = OF_ROW[row.op.name.removesuffix("_words")]
    shapes = [[(count,)] * len(dtypes) for count in edges(row.tile_n)]
    if len(dtypes) > 1:
        matrix = (67, 132) if row.op.name.endswith("_words") else (33, 65)
        others = (matrix, (1, matrix[1]), (matrix[0], 1), ())
        shapes += [[matrix, *(other,) * (len(dtypes) - 1)] for other in others]
        shapes += [[other, *(matrix,) * (len(dtypes) - 1)] for other in others]
    for own in shapes:
        operands = [
            operand(op, shape, seed, dtype)
            for seed, (shape, dtype) in enumerate(zip(own, dtypes, strict=True))
        ]
        wanted = expected(op, operands)
        y = call(op, operands, wanted.shape, *([1] if getattr(op, "alpha", False) else []))
        scale = scale_of(op, operands) if op is ADD else None
        assert_right(y, wanted, operands, f"{row.name} of {own}", scale)


@each_row("reduce")
def test_every_reduce_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps than threads and more; large ones in parts, where the row can."""
    force_row(monkeypatch, row)
    rows = {row.aten: row for row in TABLE.REDUCTIONS}
    for shape in (
        (1, 1),
        (3, 4),
        (17, 16),
        (5, 33),
        (67, 1000),
        (2051, 8),
        (3, 40_001),
        (40_000, 4),
    ):
        for dims in ([0], [1], [0, 1]):
            check_reduction(rows["mean.dim"], operand(rows["mean.dim"], shape, 0), dims)
            check_reduction(rows["amax.default"], operand(rows["amax.default"], shape, 1), dims)
    for shape in ((3, 5, 8), (4, 33, 7)):
        for dims in ([0, 2], [1], [0, 1], [1, 2]):
            check_reduction(rows["sum.dim_IntList"], operand(rows["mean.dim"], shape, 2), dims)


# ---- Errors.


def test_wrong_arguments() -> None:
    a, b = np.ones(4, np.float32), np.ones(3, np.float32)
    i = np.ones(4, np.int32)
    y = Output(np.float32, (4,))
    for op, arguments, message in (
        ("add.Tensor", [a, b, 1], r"shapes \[4\] and \[3\] cannot be broadcast"),
        ("add.Tensor", [a, i, 1], "expected operands of float32, got int32"),
        ("abs.default", [i], "the output must be int32, got float32"),
        ("exp.default", [i], "there is no kernel for operands of int32"),
        ("abs.default", [i.astype(np.uint8)], "expected operands of float32, got uint8"),
        ("eq.Tensor", [a, a], "the output must be bool, got float32"),
        ("logical_and.default", [a, a > 0], "operands of different types, float32 and bool"),
        ("bitwise_and.Tensor", [a, a], "expected operands of bool, got float32"),
        ("gelu.default", [a, "fast"], "approximate 'fast' is none of none, tanh"),
        ("div.Tensor_mode", [a, a, "up"], "rounding_mode 'up' is none of None, floor, trunc"),
        ("clamp.default", [a, "0", None], r"argument 1 \(min\) must be a number"),
        ("add.Scalar", [a, None, 1], r"argument 1 \(other\) must be a number"),
        ("where.self", [a, a, a], "the condition must be bool, got float32"),
        (
            "where.self",
            [a > 0, i, a],
            "expected one type with elements of 1 or 4 bytes, got int32 to float32",
        ),
        ("amax.default", [i, [0], True], "expected int32 to int32, got int32 to float32"),
        ("amax.default", [a, [1], True], "dim 1 is outside a tensor of rank 1"),
        ("sum.dim_IntList", [a, a, True, None], r"argument 1 \(dim\) must be a list of integers"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(f"aten.{op}", arguments, y)
    empty = np.ones((4, 0), np.float32)
    with pytest.raises(OpError, match=r"a reduction of no elements, x is \[4, 0\]"):
        run_op("aten.sum.dim_IntList", [empty, [1], False, None], y)


def test_empty_tensors() -> None:
    empty = np.ones((0, 4), np.float32)
    for op, arguments, shape in (
        ("abs.default", [empty], (0, 4)),
        ("add.Tensor", [empty, np.ones(4, np.float32), 1], (0, 4)),
        ("sum.dim_IntList", [empty, [1], False, None], (0,)),
    ):
        assert run_op(f"aten.{op}", arguments, Output(np.float32, shape)).shape == shape
