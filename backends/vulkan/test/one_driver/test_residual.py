"""q8ta_linear.residual against NumPy, byte by byte, on every kernel of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import reference
from linear_fixture import Linear, OpError, assert_same_bytes, kernels, random_linear
from op_fixture import Constant, Dynamic, Output, run_op

OP = "et_vk.q8ta_linear.residual"
SHAPES = ((1, 1, 1), (2, 7, 3), (3, 16, 7), (7, 33, 15), (8, 64, 16), (15, 8, 33), (33, 20, 130))
KERNELS = [name for name in kernels() if name.startswith("q8ta_linear__")]


@dataclass
class Residual:
    tensor: np.ndarray  # int8 [M, N]
    scale: float
    zero_point: int
    round_linear: bool
    linear_scale: float
    linear_zero_point: int
    linear_bounds: tuple[int, int] = (-128, 127)
    activation: tuple[str, float, float] = ("none", 0.0, 0.0)
    table: np.ndarray | None = None  # int8 [256]


def random_case(
    rng: np.random.Generator, m: int, k: int, n: int, round_linear: bool
) -> tuple[Linear, Residual]:
    """Scales at which both addends matter and the sum leaves int8 here and there."""
    linear = random_linear(rng, m, k, n, with_bias=bool(rng.integers(2)))
    linear.input_zero_point = int(rng.choice([-128, 0, 127]))
    linear.output_zero_point = int(rng.choice([-128, 0, 127]))
    residual = Residual(
        tensor=rng.integers(-128, 128, (m, n), dtype=np.int8),
        scale=linear.output_scale * float(rng.uniform(0.2, 1.5)),
        zero_point=int(rng.choice([-128, 0, 127])),
        round_linear=round_linear,
        linear_scale=linear.output_scale * float(rng.uniform(0.2, 1.5)),
        linear_zero_point=int(rng.choice([-128, 0, 127])),
    )
    return linear, residual


def unrounded(linear: Linear, residual: Residual) -> np.ndarray:
    f = reference.linear(
        linear.x,
        linear.weights,
        linear.weight_scales,
        linear.bias,
        linear.input_scale,
        linear.input_zero_point,
    )
    name, alpha, beta = residual.activation
    if name == "clamp":
        f = np.clip(f, np.float32(alpha), np.float32(beta))
    elif name == "relu":
        f = np.maximum(f, np.float32(0))
    if residual.round_linear:
        quantization = residual.linear_scale, residual.linear_zero_point
        f = reference.dequantize(
            reference.quantize(f, *quantization, *residual.linear_bounds), *quantization
        )
    return f + reference.dequantize(residual.tensor, residual.scale, residual.zero_point)


def expected(linear: Linear, residual: Residual) -> np.ndarray:
    g = unrounded(linear, residual)
    q = reference.quantize(
        g, linear.output_scale, linear.output_zero_point, linear.quant_min, linear.quant_max
    )
    return reference.look_up(q, residual.table)


def arguments(linear: Linear, residual: Residual) -> list[Any]:
    return [
        *(linear.x, linear.input_scale, linear.input_zero_point, Constant(linear.weights)),
        Constant(linear.weights.sum(1, dtype=np.int32)),
        *(Constant(linear.weight_scales), residual.linear_scale, residual.linear_zero_point),
        None if linear.bias is None else Constant(linear.bias),
        *(*residual.activation, *residual.linear_bounds, residual.round_linear),
        *(residual.tensor, residual.scale, residual.zero_point),
        *(linear.output_scale, linear.output_zero_point, linear.quant_min, linear.quant_max),
        None if residual.table is None else Constant(residual.table),
    ]


def assert_exact(linear: Linear, residual: Residual) -> None:
    y = run_op(OP, arguments(linear, residual), Output(np.int8, residual.tensor.shape))
    assert_same_bytes(y, expected(linear, residual), OP)


@pytest.mark.parametrize("round_linear", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel(kernel: str, round_linear: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = kernels()[kernel].refusal
    if refusal:
        pytest.skip(f"{kernel} {refusal}")
    monkeypatch.setenv("ETVK_KERNEL", kernel)
    rng = np.random.default_rng(len(kernel))
    for m, k, n in SHAPES:
        assert_exact(*random_case(rng, m, k, n, round_linear))


@pytest.mark.parametrize("round_linear", [False, True])
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_zero_points_and_bounds(zero_point: int, round_linear: bool) -> None:
    linear, residual = random_case(np.random.default_rng(1), 9, 33, 21, round_linear)
    linear.output_zero_point = residual.zero_point = residual.linear_zero_point = zero_point
    residual.linear_bounds = (-90, 80)
    linear.quant_min, linear.quant_max = -100, 101
    assert_exact(linear, residual)


@pytest.mark.parametrize("round_linear", [False, True])
def test_clamps_come_before_the_sum(round_linear: bool) -> None:
    rng = np.random.default_rng(2)
    for activation in (("relu", 0.0, 0.0), ("clamp", -3.0, 7.0), ("clamp", 0.0, float("inf"))):
        linear, residual = random_case(rng, 5, 30, 18, round_linear)
        residual.activation = activation
        assert_exact(linear, residual)


@pytest.mark.parametrize("round_linear", [False, True])
def test_sums_that_are_no_number(round_linear: bool) -> None:
    linear, residual = random_case(np.random.default_rng(6), 5, 16, 12, round_linear)
    linear.bias = np.zeros(12, np.float32)
    linear.bias[1::4] = np.nan, np.inf, -np.inf
    assert_exact(linear, residual)
    # Infinities of different signs: only the scales are that large, and the bias is finite.
    linear.bias = np.zeros(12, np.float32)
    linear.weight_scales[:] = 2.0**120
    residual.scale = residual.linear_scale = 2.0**126
    with np.errstate(all="ignore"):
        assert np.isnan(unrounded(linear, residual)).any()
        assert_exact(linear, residual)


def test_residual_may_be_the_input_or_a_constant() -> None:
    linear, residual = random_case(np.random.default_rng(3), 6, 10, 10, True)
    residual.tensor = linear.x
    assert_exact(linear, residual)
    called = arguments(linear, residual)
    called[15] = Constant(residual.tensor)
    y = run_op(OP, called, Output(np.int8, residual.tensor.shape))
    assert_same_bytes(y, expected(linear, residual), OP)


def test_fewer_rows_than_planned() -> None:
    linear, residual = random_case(np.random.default_rng(4), 3, 17, 9, True)
    called = arguments(linear, residual)
    called[0] = Dynamic(linear.x, (40, 17))
    called[15] = Dynamic(residual.tensor, (40, 9))
    y = run_op(OP, called, Output(np.int8, (40, 9)))
    assert_same_bytes(y, expected(linear, residual), OP)


def test_shape_must_be_that_of_the_output() -> None:
    linear, residual = random_case(np.random.default_rng(5), 3, 8, 9, True)
    residual.tensor = residual.tensor[:2]
    with pytest.raises(OpError, match=r"residual is \[2, 9\], .* result's shape \[3, 9\]"):
        run_op(OP, arguments(linear, residual), Output(np.int8, (3, 9)))
    residual.tensor = np.zeros((3, 9), np.float32)
    with pytest.raises(OpError, match="residual must be int8"):
        run_op(OP, arguments(linear, residual), Output(np.int8, (3, 9)))
