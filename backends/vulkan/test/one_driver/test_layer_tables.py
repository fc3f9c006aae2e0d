"""Layers with a table behind them against NumPy, byte by byte, on every kernel of the table of
kernels: the layer's int8 result, then table[result + 128]."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_residual import Residual, expected, random_case
from test_residual import arguments as residual_arguments

import reference
from convolution_cases import check, check_residual, random_residual, with_numbers
from linear_fixture import Linear, OpError, assert_same_bytes, random_linear
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_chain, run_op

BOUNDED, RESIDUAL = "et_vk.q8ta_linear.bounded", "et_vk.q8ta_linear.residual"
NO_ACTIVATION = ("none", 0.0, 0.0)
# Words of y that are whole or not, rows of x of each alignment, parts of tiles and more than one.
SHAPES = ((1, 5, 3), (7, 33, 15), (8, 64, 16), (35, 20, 132))


def random_table(rng: np.random.Generator) -> np.ndarray:
    """Each int8 value once, so that no two results look alike."""
    return rng.permutation(np.arange(-128, 128)).astype(np.int8)


def arguments(
    linear: Linear, table: Any, activation: tuple[str, float, float] = NO_ACTIVATION, x: Any = None
) -> list[Any]:
    return [
        *(linear.x if x is None else x, linear.input_scale, linear.input_zero_point),
        *(Constant(linear.weights), Constant(linear.weights.sum(1, dtype=np.int32))),
        *(Constant(linear.weight_scales), linear.output_scale, linear.output_zero_point),
        None if linear.bias is None else Constant(linear.bias),
        *(*activation, linear.quant_min, linear.quant_max, table),
    ]


def check_linear(linear: Linear, table: np.ndarray, **rest: Any) -> None:
    wanted = reference.look_up(linear.expected(), table)
    result = run_op(
        BOUNDED, arguments(linear, Constant(table), **rest), Output(np.int8, wanted.shape)
    )
    assert_same_bytes(result, wanted, f"{linear.x.shape} x {linear.weights.shape}")


def check_linear_residual(linear: Linear, residual: Residual) -> None:
    wanted = expected(linear, residual)
    result = run_op(RESIDUAL, residual_arguments(linear, residual), Output(np.int8, wanted.shape))
    assert_same_bytes(result, wanted, RESIDUAL)


# ---- Every kernel.


@each_row("q8ta_linear")
def test_every_linear_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    rng = np.random.default_rng(1)
    for m, k, n in SHAPES:
        check_linear(random_linear(rng, m, k, n, output_zero_point=-9), random_table(rng))
    # Whole tiles have a pipeline of their own.
    check_linear(random_linear(rng, row.tile_m, 2 * row.tile_k, row.tile_n), random_table(rng))
    for round_linear in (False, True):
        linear, residual = random_case(rng, 9, 33, 21, round_linear)
        check_linear_residual(linear, replace(residual, table=random_table(rng)))


@each_row("q8ta_conv2d")
def test_every_window_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    rng = np.random.default_rng(2)
    grouped = {"groups": 2, "padding": (2, 1), "dilation": (1, 2)}
    for channels, outputs, rest in ((16, 12, {}), (6, 10, grouped)):
        conv = with_numbers(rng, (2, channels, 5, 6), outputs, (3, 2), **rest)
        check(replace(conv, table=random_table(rng)))
    residual = random_residual(rng, conv)
    check_residual(replace(conv, table=random_table(rng)), residual)


@each_row("q8ta_conv2d_dw")
def test_every_depthwise_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    rng = np.random.default_rng(3)
    for channels, multiplier in ((8, 1), (7, 1), (5, 3)):
        conv = with_numbers(
            *(rng, (2, channels, 6, 7), channels * multiplier, (3, 3)),
            padding=(1, 1),
            groups=channels,
        )
        conv.table = random_table(rng)
        check(conv)
        check_residual(conv, random_residual(rng, conv))


# ---- Values.


def test_every_entry() -> None:
    """A layer that gives each int8 value."""
    linear = Linear(
        *(np.arange(-128, 128, dtype=np.int8)[:, None], np.ones((3, 1), np.int8)),
        *(np.ones(3, np.float32), None, 0.5),
        output_scale=0.5,
    )
    assert len(np.unique(linear.expected())) == 256
    check_linear(linear, random_table(np.random.default_rng(4)))


def test_bounds_and_activations_come_before_the_table() -> None:
    rng = np.random.default_rng(5)
    linear = random_linear(rng, 9, 33, 21, output_zero_point=-20, quant_min=-70, quant_max=61)
    table = random_table(rng)
    check_linear(linear, table)
    linear.relu = True
    for activation in (("relu", 0.0, 0.0), ("clamp", 0.0, float("inf"))):
        check_linear(linear, table, activation=activation)


def test_fewer_rows_than_planned() -> None:
    rng = np.random.default_rng(6)
    linear, table = random_linear(rng, 3, 17, 9), random_table(rng)
    called = arguments(linear, Constant(table), x=Dynamic(linear.x, (40, 17)))
    result = run_op(BOUNDED, called, Output(np.int8, (40, 9)))
    assert_same_bytes(result, reference.look_up(linear.expected(), table), BOUNDED)


def test_layers_share_a_table() -> None:
    """And a table that is an op of its own has it too."""
    rng = np.random.default_rng(7)
    first, second = random_linear(rng, 5, 8, 12), random_linear(rng, 5, 12, 7)
    table = Constant(random_table(rng))
    second.x = reference.look_up(first.expected(), table.array)
    twice = reference.look_up(reference.look_up(second.expected(), table.array), table.array)
    outputs = [Output(np.int8, (5, 12)), Output(np.int8, (5, 7)), Output(np.int8, (5, 7))]
    (result,), kernels = run_chain(
        [
            (BOUNDED, arguments(first, table), outputs[0]),
            (BOUNDED, arguments(second, table, x=outputs[0]), outputs[1]),
            ("et_vk.q8ta_table.default", [outputs[1], table], outputs[2]),
        ],
        [outputs[2]],
    )
    assert_same_bytes(result, twice, "the chain")
    assert [name.split("__")[0] for name in kernels] == ["q8ta_linear", "q8ta_linear", "q8ta_table"]


def test_wrong_tables() -> None:
    linear = random_linear(np.random.default_rng(8), 3, 4, 5)
    for table, message in (
        (
            Constant(np.zeros(256, np.float32)),
            r"the table must be int8 \[256\], got float32 \[256\]",
        ),
        (Constant(np.zeros(255, np.int8)), r"the table must be int8 \[256\], got int8 \[255\]"),
        (Constant(np.zeros((16, 16), np.int8)), r"got int8 \[16, 16\]"),
        (np.zeros(256, np.int8), r"\(table\) must be a constant"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(BOUNDED, arguments(linear, table), Output(np.int8, (3, 5)))
