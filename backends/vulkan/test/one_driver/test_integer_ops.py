"""Every row of integers of the table of elementwise ops, and where on any type, against PyTorch,
exact; a new row is tested by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from float_ops import TABLE, aten, name_of
from linear_fixture import OpError, assert_same_bytes
from op_fixture import Constant, Output, each_row, edges, force_row, run_chain, run_op

LEAST, MOST = -(1 << 31), (1 << 31) - 1
EDGES = np.array([0, 1, -1, 2, -2, 3, -3, 7, 100, -100, MOST, LEAST, MOST - 1, 65536], np.int32)
SHAPES = ((), (1,), (7,), (3, 5), (2, 1, 3, 5), (1, 2, 3, 1, 2, 3))
# Of those without a row here, the defaults are tested.
PARAMETERS: dict[str, list[tuple[int | bool | None, ...]]] = {
    "clamp.default": [(None, 3), (-2, None), (-1, 5), (4, -4), (False, True)],
}
ROWS = {name_of(row): row for row in (*TABLE.INTEGER_UNARY, *TABLE.INTEGER_BINARY)}
# PyTorch refuses to divide by zero.
DIVISIONS = ("div", "floor_divide", "fmod", "remainder")

Call = tuple[str, list[Any], np.ndarray]


def every(rows: Sequence[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=name_of)


def operand(shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(-10, 11, shape, np.int64)
    return np.where(rng.random(shape) < 0.3, rng.integers(LEAST, MOST, shape), small).astype(
        np.int32
    )


def wanted(row: Any, operands: Sequence[Any], **named: Any) -> np.ndarray:
    tensors = [torch.from_numpy(one) if isinstance(one, np.ndarray) else one for one in operands]
    result: np.ndarray = aten(row)(*tensors, **named, **dict(row.keywords)).numpy()
    return result


def check(calls: Sequence[Call], what: str) -> None:
    """All calls in one program."""
    outputs = [Output(expected.dtype, expected.shape) for _, _, expected in calls]
    results, _ = run_chain(
        [(op, args, y) for (op, args, _), y in zip(calls, outputs, strict=True)], outputs
    )
    for (_, arguments, expected), y in zip(calls, results, strict=True):
        assert_same_bytes(y, expected, f"{what} of {arguments}")


def call(row: Any, operands: Sequence[Any], more: Sequence[Any] = (), **named: Any) -> Call:
    keywords = [value for _, value in row.keywords]
    return f"aten.{row.aten}", [*operands, *more, *keywords], wanted(row, operands, **named)


@every(TABLE.INTEGER_UNARY)
def test_unary(row: Any) -> None:
    names = [name for name, _ in row.parameters]
    calls = []
    for parameters in PARAMETERS.get(row.aten, [()]):
        named = dict(zip(names, parameters, strict=True))
        shapes = [operand(shape, 1) for shape in SHAPES]
        for x in (EDGES, operand((1001,), 0), *shapes):
            calls.append(call(row, [x], parameters, **named))
    check(calls, row.aten)


def divisor(row: Any, b: np.ndarray) -> np.ndarray:
    """What a CPU can divide by; LEAST / -1 ends a process there."""
    if row.aten.split(".")[0] not in DIVISIONS:
        return b
    return np.where((b == 0) | (b == -1), 5, b).astype(np.int32)


def is_refused(row: Any, number: int) -> bool:
    """By PyTorch: a division by zero, True taken from a number, a number to a negative power."""
    divides = row.aten.split(".")[0] in DIVISIONS
    if (divides and number == 0) or (number is True and row.aten == "sub.Scalar"):
        return True
    return number < 0 and bool(row.aten == "pow.Tensor_Scalar")


@every(TABLE.INTEGER_BINARY)
def test_binary(row: Any) -> None:
    calls = []
    alphas = (1, 3, -2) if row.alpha else (None,)
    for alpha in alphas:
        named = {} if alpha is None else {"alpha": alpha}
        more = [] if alpha is None else [alpha]
        a = np.concatenate([operand((103,), 0), EDGES])
        if row.scalar:
            for number in (1, 2, -3, 7, 0, MOST, LEAST, True):
                if is_refused(row, number):
                    continue
                operands = [number, a] if row.scalar == "a" else [a, number]
                calls.append(call(row, operands, more, **named))
            continue
        b = np.concatenate([operand((103,), 1), EDGES[::-1]])
        calls.append(call(row, [a, divisor(row, b)], more, **named))
        calls.append(call(row, [EDGES[:, None], divisor(row, EDGES)[None]], more, **named))
        for shape in SHAPES:
            other = divisor(row, operand(shape[-1:], 3))
            calls.append(call(row, [operand(shape, 2), other], more, **named))
    check(calls, row.aten)


def test_divisions_without_a_result() -> None:
    """By zero, which gives 0 and leaves the dividend; of the least value by -1, which wraps."""
    a, b = np.array([5, -5, 0, LEAST], np.int32), np.array([0, 0, 0, -1], np.int32)
    quotient = np.array([0, 0, 0, LEAST], np.int32)
    rest = np.array([5, -5, 0, 0], np.int32)
    check(
        [
            *(("aten.div.Tensor_mode", [a, b, mode], quotient) for mode in ("floor", "trunc")),
            ("aten.floor_divide.default", [a, b], quotient),
            ("aten.fmod.Tensor", [a, b], rest),
            ("aten.remainder.Tensor", [a, b], rest),
            ("aten.floor_divide.default", [a[:3], np.full(3, -1, np.int32)], -a[:3]),
        ],
        "division",
    )


def reduction_calls(row: Any, x: np.ndarray) -> list[Call]:
    """Over all elements, each dimension, and where the op takes lists some of several."""
    if "dim" not in row.arguments:
        dims: list[Any] = [None]
    elif row.aten.endswith(".dim_int"):
        dims = list(range(x.ndim))
    else:
        dims = [[], *([dim] for dim in range(-x.ndim, x.ndim)), list(range(0, x.ndim, 2))]
    calls = []
    for one in dims:
        for keepdim in (False, True):
            given = {"dim": one, "keepdim": keepdim, "dtype": None}
            arguments = [given[name] for name in row.arguments]
            operands = arguments[: 2 if "dim" in row.arguments else 0]
            result = aten(row)(torch.from_numpy(x), *operands).numpy().astype(np.int32)
            calls.append((f"aten.{row.aten}", [x, *arguments], result))
    return calls


@every(TABLE.INTEGER_REDUCTIONS)
def test_reduction(row: Any) -> None:
    """Sums and products wrap around, as the low half of PyTorch's int64 results does."""
    shapes = (*SHAPES, (4, 15, 33), (3, 8, 16), (5, 300, 12))
    check([one for shape in shapes for one in reduction_calls(row, operand(shape, 1))], row.aten)
    check(reduction_calls(row, EDGES), row.aten)


@each_row("reduce_of_int")
def test_every_reduction_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps than threads and more; large ones in parts, where the row can."""
    force_row(monkeypatch, row)
    rows = {one.aten: one for one in TABLE.INTEGER_REDUCTIONS}
    for shape in ((1, 1), (17, 16), (5, 33), (67, 1000), (3, 40_001), (40_000, 4)):
        for name in ("sum.dim_IntList", "amin.default"):
            check(reduction_calls(rows[name], operand(shape, 0)), name)


DTYPES = (np.float32, np.int32, np.int8, np.uint8, np.bool_)


@pytest.mark.parametrize("dtype", DTYPES)
def test_where(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    shapes = ((4, 8), (4, 1), (8,), (), (3, 5), (2, 1, 3, 5))
    calls: list[Call] = []
    for first in shapes:
        for second in shapes:
            condition = rng.integers(0, 2, first).astype(np.bool_)
            a = rng.integers(-128, 128, second).astype(dtype)
            b = rng.integers(-128, 128, first[-1:]).astype(dtype)
            try:
                expected = np.where(condition, a, b)
            except ValueError:
                continue
            calls.append(("aten.where.self", [condition, a, b], expected))
            calls.append(
                ("aten.where.self", [condition, Constant(b), a], np.where(condition, b, a))
            )
    check(calls, "where")


OF_ROW = {
    "unary_of_int": "abs.default",
    "unary_int_to_bool": "logical_not.default",
    "binary_of_int": "mul.Tensor",
    "binary_int_to_bool": "lt.Tensor",
    "where_bytes": "",
}


@each_row(*OF_ROW, *(f"{op}_words" for op in OF_ROW if not op.startswith("unary")))
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around the edges of a tile, whole and in part, and with operands that are repeated."""
    force_row(monkeypatch, row)
    op = row.op.name.removesuffix("_words")
    count = 1 if op.startswith("unary") else 2
    shapes: list[list[tuple[int, ...]]] = [[(size,)] * count for size in edges(row.tile_n)]
    if count > 1:
        matrix = (67, 132) if row.op.name.endswith("_words") else (33, 65)
        shapes += [[matrix, (1, matrix[1])], [(matrix[0], 1), matrix], [matrix, ()]]
    calls: list[Call] = []
    for own in shapes:
        operands = [operand(shape, seed) for seed, shape in enumerate(own)]
        if op == "where_bytes":
            a, b = (one.astype(np.int8) for one in operands)
            condition = operands[0] > 0
            calls.append(("aten.where.self", [condition, a, b], np.where(condition, a, b)))
        else:
            calls.append(call(ROWS[OF_ROW[op]], operands))
    check(calls, row.name)


def test_wrong_arguments() -> None:
    i, a = np.ones(4, np.int32), np.ones(4, np.float32)
    y = Output(np.int32, (4,))
    for op, arguments, message in (
        ("add.Scalar", [i, 0.5, 1], "other is 0.5, and with integers it must be one within 32"),
        ("add.Scalar", [i, 1 << 31, 1], "with integers it must be one within 32 bits"),
        ("add.Tensor", [i, i, 1.5], "alpha is 1.5, and with integers"),
        ("add.Tensor", [i, a, 1], "expected operands of int32, got float32"),
        ("clamp.default", [i, None, 0.25], "max is 0.25, and with integers"),
        ("eq.Tensor", [i, i], "the output must be bool, got int32"),
        ("atan2.default", [i, i], "there is no kernel for operands of int32"),
        ("where.self", [i, i, i], "the condition must be bool, got int32"),
        ("where.self", [i > 0, i, i.astype(np.int8)], "got int8 to int32"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(f"aten.{op}", arguments, y)
