"""q8ta_binary against NumPy, byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reference
from linear_fixture import OpError, assert_same_bytes
from op_fixture import Constant, Dynamic, Output, each_row, edges, force_row, run_op

OP = "et_vk.q8ta_binary.default"
FUNCTIONS = {"add": np.add, "sub": np.subtract, "mul": np.multiply}
ZERO_POINTS = (-128, 0, 127)
every_op = pytest.mark.parametrize("name", FUNCTIONS)


def arguments(
    a: Any, b: Any, name: str, zero_points: tuple[int, int, int], bounds: tuple[int, int]
) -> list[Any]:
    out_scale = 0.05 if name == "mul" else 0.04
    operands = (a, 0.021, zero_points[0], b, 0.017, zero_points[1])
    return [*operands, name, out_scale, zero_points[2], *bounds]


def check(
    a: np.ndarray,
    b: np.ndarray,
    name: str,
    zero_points: tuple[int, int, int] = (3, -7, 11),
    bounds: tuple[int, int] = (-128, 127),
    constants: tuple[bool, bool] = (False, False),
) -> None:
    called = arguments(
        Constant(a) if constants[0] else a,
        Constant(b) if constants[1] else b,
        name,
        zero_points,
        bounds,
    )
    g = FUNCTIONS[name](
        reference.dequantize(a, 0.021, zero_points[0]),
        reference.dequantize(b, 0.017, zero_points[1]),
    )
    expected = reference.quantize(g, called[7], zero_points[2], *bounds)
    y = run_op(OP, called, Output(np.int8, expected.shape))
    assert_same_bytes(y, expected, f"{name} of {a.shape} and {b.shape}")


def numbers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


@every_op
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 15, 16, 33, 257, 100_003])
def test_same_shape(count: int, name: str) -> None:
    check(numbers((count,), 0), numbers((count,), 1), name)


@each_row("q8ta_binary", "q8ta_binary_words", "q8ta_binary_groups")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way in which a unit of y finds its elements: whole units, one repeated, gathered."""
    force_row(monkeypatch, row)
    for count in edges(row.tile_n):
        check(numbers((count,), 0), numbers((count,), 1), "add")
        check(numbers((count,), 2), numbers((1,), 3), "sub")
    for rows, columns in ((5, 17), (3, 16), (67, 132), (33, 144), (1, 4), (33, 65)):
        matrix = numbers((rows, columns), 4)
        for other in ((rows, columns), (1, columns), (rows, 1), (1, 1)):
            check(matrix, numbers(other, 5), "sub")
            check(numbers(other, 6), matrix, "mul")
        check(numbers((rows, 1), 7), numbers((1, columns), 8), "add")
    for columns in (8, 7):
        check(numbers((3, 1, columns), 9), numbers((3, 4, columns), 10), "add")
        check(numbers((3, 4, 1), 11), numbers((1, 4, columns), 12), "add")


def test_scales_that_overflow() -> None:
    """Infinities that meet give NaN, which quantizes to the value of 0 as everywhere."""
    a = np.array([127, -128, 127, -128, 0, 127], np.int8)
    b = np.array([-128, 127, 127, -128, 0, 0], np.int8)
    for name, scales in (("add", (8e37, 8e37)), ("sub", (8e37, 8e37)), ("mul", (8e37, 0.5))):
        called = [a, scales[0], 0, b, scales[1], 0, name, 0.5, 3, -128, 127]
        with np.errstate(over="ignore", invalid="ignore"):
            g = FUNCTIONS[name](
                reference.dequantize(a, scales[0], 0), reference.dequantize(b, scales[1], 0)
            )
            expected = reference.quantize(g, 0.5, 3)
        assert_same_bytes(run_op(OP, called, Output(np.int8, (6,))), expected, name)


@every_op
def test_every_pair_of_values(name: str) -> None:
    values = np.arange(-128, 128, dtype=np.int8)
    check(values[:, None], values[None, :], name)


@every_op
@pytest.mark.parametrize("a_zero_point", ZERO_POINTS)
@pytest.mark.parametrize("b_zero_point", ZERO_POINTS)
def test_zero_points_and_bounds(name: str, a_zero_point: int, b_zero_point: int) -> None:
    a, b = numbers((5, 7), 2), numbers((5, 7), 3)
    for output_zero_point in ZERO_POINTS:
        zero_points = (a_zero_point, b_zero_point, output_zero_point)
        check(a, b, name, zero_points)
        check(a, b, name, zero_points, (-100, 90))


@every_op
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 5), (5,)),
        ((7, 16), (16,)),
        ((7, 16), (7, 1)),
        ((33, 15), (1, 1)),
        ((5,), (4, 3, 5)),
        ((2, 1, 7), (3, 1)),
        ((2, 1, 3, 1, 5), (1, 4, 1, 2, 5)),
        ((), (6,)),
        ((9,), ()),
        ((2, 1, 2, 1, 2, 1, 2, 1), (1, 3, 1, 3, 1, 3, 1, 3)),
    ],
)
def test_broadcast(a: tuple[int, ...], b: tuple[int, ...], name: str) -> None:
    check(numbers(a, 4), numbers(b, 5), name)


@every_op
def test_constants(name: str) -> None:
    for constants in ((True, False), (False, True)):
        check(numbers((3, 7), 6), numbers((7,), 7), name, constants=constants)


def test_both_operands_the_same() -> None:
    a = numbers((13,), 8)
    check(a, a, "mul", (5, 5, 5))


def test_fewer_rows_than_planned() -> None:
    a, b = numbers((3, 7), 9), numbers((1, 7), 10)
    called = arguments(Dynamic(a, (50, 7)), b, "add", (0, 0, 0), (-128, 127))
    g = reference.dequantize(a, 0.021, 0) + reference.dequantize(b, 0.017, 0)
    y = run_op(OP, called, Output(np.int8, (50, 7)))
    assert_same_bytes(y, reference.quantize(g, 0.04, 0), OP)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_shapes(data: st.DataObject) -> None:
    sizes = st.sampled_from([1, 2, 3, 4, 5, 8, 16])
    shape = data.draw(st.lists(sizes, min_size=1, max_size=4), label="shape")
    shapes = []
    for operand in "ab":
        own = [1 if data.draw(st.booleans(), label=f"repeat {operand}") else s for s in shape]
        shapes.append(tuple(own[data.draw(st.integers(0, len(own)), label="leading") :]))
    name = data.draw(st.sampled_from(sorted(FUNCTIONS)), label="op")
    check(numbers(shapes[0], 11), numbers(shapes[1], 12), name)


def test_wrong_arguments() -> None:
    a, b = numbers((4,), 0), numbers((3,), 0)
    y = Output(np.int8, (4,))
    with pytest.raises(OpError, match=r"shapes \[4\] and \[3\] cannot be broadcast"):
        run_op(OP, arguments(a, b, "add", (0, 0, 0), (-128, 127)), y)
    with pytest.raises(OpError, match="op 'div' is none of add, sub, mul"):
        run_op(OP, arguments(a, a, "div", (0, 0, 0), (-128, 127)), y)
    with pytest.raises(OpError, match="must be int8, got float32"):
        run_op(OP, arguments(a, a.astype(np.float32), "add", (0, 0, 0), (-128, 127)), y)
    with pytest.raises(OpError, match="zero point 128"):
        run_op(OP, arguments(a, a, "add", (0, 128, 0), (-128, 127)), y)
