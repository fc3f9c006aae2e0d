"""Quantized convolutions against NumPy, byte by byte, on every kernel of the table."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import convolution_cases as cases
from convolution_cases import Residual, check, check_floats, check_residual, with_numbers
from linear_fixture import OpError, assert_same_bytes
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_chain, run_op

WINDOW_ROWS = ("q8ta_conv2d", "conv2d_q8ta_q8csw")
DEPTHWISE_ROWS = ("q8ta_conv2d_dw", "conv2d_dw_q8ta_q8csw")
BOUNDED = "et_vk.q8ta_conv2d.bounded"


# Compiles each variant for a second or more: there, of the forms of an op only two.
SLOW_DRIVER = os.environ.get("ETVK_TEST_DRIVER") == "swiftshader"


def check_all(rng: np.random.Generator, conv: cases.Convolution) -> None:
    """In all forms that the ops have."""
    check(conv)
    residual = cases.random_residual(rng, conv)
    if not SLOW_DRIVER:
        check_floats(conv)
        check_residual(conv, replace(residual, own=None))
    check_residual(conv, replace(residual, own=(conv.output_scale * 0.7, -3)))


# ---- What networks have.

LAYERS: dict[str, dict[str, Any]] = {
    "first": {"shape": (1, 3, 19, 21), "out": 16, "kernel": (7, 7), "stride": (2, 2), "pad": 3},
    "first of one channel": {"shape": (2, 1, 12, 11), "out": 8, "kernel": (3, 3), "pad": 1},
    "square": {"shape": (1, 16, 9, 9), "out": 16, "kernel": (3, 3), "pad": 1},
    "stride": {"shape": (2, 32, 9, 8), "out": 24, "kernel": (3, 3), "stride": (2, 2), "pad": 1},
    "pointwise": {"shape": (2, 24, 7, 5), "out": 20, "kernel": (1, 1)},
    "pointwise stride": {"shape": (1, 16, 8, 8), "out": 32, "kernel": (1, 1), "stride": (2, 2)},
    "dilated": {"shape": (1, 20, 15, 13), "out": 5, "kernel": (3, 3), "pad": 2, "dilation": (2, 2)},
    "tall": {"shape": (1, 8, 20, 6), "out": 7, "kernel": (10, 4), "stride": (2, 1), "pad": 2},
    "groups": {"shape": (1, 32, 7, 7), "out": 16, "kernel": (3, 3), "pad": 1, "groups": 4},
    "odd groups": {"shape": (2, 15, 6, 5), "out": 9, "kernel": (3, 2), "pad": 1, "groups": 3},
    "depthwise": {"shape": (1, 24, 9, 9), "out": 24, "kernel": (3, 3), "pad": 1, "groups": 24},
    "odd depthwise": {"shape": (2, 7, 9, 10), "out": 7, "kernel": (5, 3), "pad": 1, "groups": 7},
    "depthwise stride": {
        **{"shape": (1, 16, 10, 9), "out": 16, "kernel": (3, 3), "pad": 1, "groups": 16},
        "stride": (2, 2),
    },
    "multiplier": {"shape": (1, 6, 8, 8), "out": 18, "kernel": (3, 3), "pad": 1, "groups": 6},
    "audio": {"shape": (2, 8, 50), "out": 12, "kernel": (9,), "stride": (2,), "pad": 4},
    "causal": {"shape": (1, 16, 30), "out": 16, "kernel": (3,), "dilation": (4,), "pad": 8},
    "depthwise audio": {"shape": (2, 12, 33), "out": 12, "kernel": (7,), "pad": 3, "groups": 12},
    "whole image": {"shape": (3, 5, 4, 6), "out": 9, "kernel": (4, 6)},
}
TRANSPOSED: dict[str, dict[str, Any]] = {
    "up by 2": {"shape": (1, 16, 5, 6), "out": 8, "kernel": (2, 2), "stride": (2, 2)},
    "output padding": {
        **{"shape": (2, 12, 5, 4), "out": 9, "kernel": (3, 3), "stride": (2, 2), "pad": 1},
        "output_padding": (1, 1),
    },
    "dilated": {"shape": (1, 4, 5, 7), "out": 6, "kernel": (3, 2), "dilation": (2, 3), "pad": 1},
    "groups": {"shape": (1, 12, 4, 4), "out": 8, "kernel": (4, 4), "stride": (2, 2), "groups": 4},
    "depthwise": {"shape": (1, 8, 5, 5), "out": 8, "kernel": (4, 4), "stride": (2, 2), "groups": 8},
    "pointwise": {"shape": (2, 5, 3, 3), "out": 7, "kernel": (1, 1)},
    "one row": {"shape": (2, 7, 9), "out": 5, "kernel": (5,), "stride": (3,), "pad": 2},
    "gaps": {"shape": (1, 3, 4, 4), "out": 4, "kernel": (1, 1), "stride": (3, 2)},
}


def layer(rng: np.random.Generator, spec: dict[str, Any], transposed: bool) -> cases.Convolution:
    rank = len(spec["kernel"])
    lists = {"stride": (1,) * rank, "dilation": (1,) * rank, "output_padding": (0,) * rank}
    given = {name: spec.get(name, default) for name, default in lists.items()}
    return with_numbers(
        *(rng, spec["shape"], spec["out"], spec["kernel"]),
        padding=(spec.get("pad", 0),) * rank,
        groups=spec.get("groups", 1),
        transposed=transposed,
        **given,
    )


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    rng = np.random.default_rng(1)
    check_all(rng, layer(rng, LAYERS[name], False))


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_layers(name: str) -> None:
    rng = np.random.default_rng(2)
    check_all(rng, layer(rng, TRANSPOSED[name], True))


# ---- Every kernel.


def run_row(row: Any, conv: cases.Convolution) -> None:
    (check if row.op.name.startswith("q8ta") else check_floats)(conv)


@each_row(*WINDOW_ROWS)
def test_every_window_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels and channels around the edges of a tile; channels of each alignment. Few variants of
    each, for every one is a pipeline."""
    force_row(monkeypatch, row)
    rng = np.random.default_rng(3)
    m, n = row.tile_m, row.tile_n
    for channels, pixels, outputs in ((16, m - 1, n + 4), (3, m + 1, n - 1), (20, 2 * m + 3, n)):
        shape = (1, channels, 4, max(1, pixels // 2) + 2)
        run_row(row, with_numbers(rng, shape, max(1, outputs), (3, 3), padding=(0, 0)))
    grouped = {"groups": 2, "padding": (2, 1), "dilation": (1, 2)}
    up = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "transposed": True}
    for channels, rest in ((6, grouped), (32, up)):
        run_row(row, with_numbers(rng, (2, channels, 5, 6), 10, (3, 2), **rest))
    if row.op.name.startswith("q8ta"):
        conv = with_numbers(rng, (1, 16, 3, 7), 9, (3, 3))
        check_residual(conv, cases.random_residual(rng, conv))


@each_row(*DEPTHWISE_ROWS)
def test_every_depthwise_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    rng = np.random.default_rng(4)
    for channels, multiplier, width in ((8, 1, 9), (7, 1, 6), (5, 3, 7), (4, 4, 4), (130, 1, 3)):
        for rest in (
            {"padding": (1, 2)},
            {"stride": (2, 3), "padding": (1, 1)},
            {"dilation": (2, 1)},
            {"transposed": True, "stride": (2, 1), "padding": (1, 1)},
        ):
            shape = (2, channels, 6, width)
            made = {"groups": channels, **rest}
            run_row(row, with_numbers(rng, shape, channels * multiplier, (3, 3), **made))


# ---- Random ones.


@pytest.mark.parametrize("seed", range(4))
def test_random(seed: int) -> None:
    check_random(seed, 10)


@pytest.mark.all
@pytest.mark.parametrize("seed", range(100, 150))
def test_many_random(seed: int) -> None:
    check_random(seed, 10)


def check_random(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        conv = cases.random_convolution(rng)
        form = int(rng.integers(4))
        if form == 0:
            check_floats(conv)
        elif form == 1:
            check_residual(conv, cases.random_residual(rng, conv))
        else:
            check(conv)


# ---- Numbers at their ends.


@pytest.mark.parametrize("zero_point", [-128, 127])
@pytest.mark.parametrize("x", [-128, 127])
@pytest.mark.parametrize("w", [-128, 127])
def test_extremes(x: int, w: int, zero_point: int) -> None:
    """The largest sums, with and without padding."""
    rng = np.random.default_rng(5)
    for channels, out_channels, groups in ((64, 8, 1), (3, 4, 1), (8, 8, 8)):
        conv = with_numbers(
            rng, (1, channels, 5, 5), out_channels, (3, 3), padding=(1, 1), groups=groups
        )
        conv.x[:] = x
        conv.weights[:] = w
        conv.input_zero_point = zero_point
        check(conv)
        if not SLOW_DRIVER:
            check_floats(conv)


# ---- Sizes.


@pytest.mark.parametrize("groups", [1, 12])
def test_fewer_pixels_than_planned(groups: int) -> None:
    rng = np.random.default_rng(6)
    rest = {"padding": (1, 1), "stride": (2, 1), "groups": groups}
    conv = with_numbers(rng, (2, 12, 5, 6), 12, (3, 3), **rest)
    y = cases.expected(conv)
    arguments = cases.bounded_arguments(conv, x=Dynamic(conv.x, (4, 12, 9, 11)))
    result = run_op(BOUNDED, arguments, Output(np.int8, (4, 12, 5, 11)))
    assert_same_bytes(result, y, str(conv))


def test_no_image() -> None:
    conv = with_numbers(np.random.default_rng(7), (0, 4, 5, 5), 4, (3, 3))
    arguments = cases.bounded_arguments(conv, x=Dynamic(conv.x, (2, 4, 5, 5)))
    assert run_op(BOUNDED, arguments, Output(np.int8, (2, 4, 3, 3))).shape == (0, 4, 3, 3)


@pytest.mark.parametrize("groups", [1, 5])
def test_guard_band(groups: int) -> None:
    """Nothing is written behind y: results of one pixel, whose order is any, are not copied."""
    rng = np.random.default_rng(8)
    for batch, channels in ((1, 5), (3, 5), (2, 10), (1, 15)):
        conv = with_numbers(rng, (batch, channels, 3, 3), channels, (3, 3), groups=groups)
        y = cases.expected(conv)
        x = Dynamic(conv.x, (7, channels, 3, 3))
        output = Output(np.int8, (7, channels, 1, 1))
        assert_same_bytes(run_op(BOUNDED, cases.bounded_arguments(conv, x), output), y, str(conv))
    conv = with_numbers(rng, (2, 3, 5, 6), 1, (2, 2))
    output = Output(np.int8, (3, 1, 4, 5))
    arguments = cases.bounded_arguments(conv, Dynamic(conv.x, (3, 3, 5, 6)))
    assert_same_bytes(run_op(BOUNDED, arguments, output), cases.expected(conv), str(conv))


# ---- The stock ops.


def padded(array: np.ndarray) -> np.ndarray:
    """The last dimension up to a multiple of 4."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, -array.shape[-1] % 4)])


def run_stock(op: str, conv: cases.Convolution, weights: np.ndarray, scales: np.ndarray) -> None:
    lists = [list(conv.kernel), list(conv.stride), list(conv.padding)]
    if conv.transposed:
        lists.append(list(conv.output_padding))
    conv.activation = ("relu", 0.0, 0.0)
    arguments = [
        *(conv.x, conv.input_scale, conv.input_zero_point, Constant(weights)),
        *(Constant(np.zeros(4, np.int32)), Constant(padded(scales))),
        *(conv.output_scale, conv.output_zero_point),
        None if conv.bias is None else Constant(padded(conv.bias)),
        *(*lists, list(conv.dilation), conv.groups, "relu"),
    ]
    y = cases.expected(conv)
    result = run_op(f"et_vk.{op}.default", arguments, Output(np.int8, y.shape))
    assert_same_bytes(result, y, f"{op}: {conv}")


def test_stock_ops() -> None:
    """As the stock partitioner writes them: rows and channels padded to multiples of 4."""
    rng = np.random.default_rng(9)
    for op, shape, out, kernel, rest in (
        ("q8ta_conv2d", (1, 3, 9, 8), 6, (3, 3), {"padding": (1, 1)}),
        ("q8ta_conv2d", (2, 5, 9, 8), 7, (3, 1), {"stride": (2, 1)}),
        ("q8ta_conv2d", (1, 6, 9, 8), 8, (3, 3), {"groups": 2}),
        ("q8ta_conv2d_pw", (2, 6, 5, 4), 10, (1, 1), {}),
        ("q8ta_conv2d_pw", (2, 6, 5, 4), 8, (1, 1), {"groups": 2}),
    ):
        conv = with_numbers(rng, shape, out, kernel, **rest)
        run_stock(op, conv, padded(cases.weight_rows(conv)), conv.weight_scales)


def test_stock_depthwise() -> None:
    rng = np.random.default_rng(10)
    for kernel, rest in (((3, 3), {"padding": (1, 1)}), ((5, 2), {"stride": (2, 2)})):
        conv = with_numbers(rng, (2, 12, 8, 9), 12, kernel, groups=12, **rest)
        taps = np.ascontiguousarray(conv.weights[:, 0].transpose(1, 2, 0))
        run_stock("q8ta_conv2d_dw", conv, taps, conv.weight_scales)


def test_stock_transposed() -> None:
    """The scales of one group serve all."""
    rng = np.random.default_rng(11)
    for groups in (1, 3):
        rest = {"stride": (2, 2), "padding": (1, 1), "output_padding": (1, 0), "groups": groups}
        conv = with_numbers(rng, (1, 9, 5, 4), 6, (3, 3), transposed=True, **rest)
        scales = conv.weight_scales[: 6 // groups]
        conv.weight_scales = np.tile(scales, groups)
        run_stock("q8ta_conv2d_transposed", conv, padded(cases.weight_rows(conv)), scales)


def test_float_input() -> None:
    """The stock serializer may hand over a tensor that the op quantizes."""
    rng = np.random.default_rng(12)
    conv = with_numbers(rng, (2, 5, 6, 7), 6, (3, 3), padding=(1, 1))
    x = (conv.x.astype(np.float32) - conv.input_zero_point) * np.float32(conv.input_scale)
    y = cases.expected(conv)
    result = run_op(BOUNDED, cases.bounded_arguments(conv, x), Output(np.int8, y.shape))
    assert_same_bytes(result, y, str(conv))


# ---- Chains.


def test_chain_keeps_its_order() -> None:
    """Two copies, at the ends; a residual is read as it is."""
    rng = np.random.default_rng(13)
    first = with_numbers(rng, (2, 8, 6, 6), 12, (3, 3), padding=(1, 1))
    second = with_numbers(rng, (2, 12, 6, 6), 12, (1, 1))
    third = with_numbers(rng, (2, 12, 6, 6), 12, (3, 3), padding=(1, 1), groups=12)
    second.x = cases.expected(first)
    third.x = cases.expected(second)
    residual = Residual(second.x, 0.05, 3)
    y = cases.expected(third, residual)
    outputs = [Output(np.int8, y.shape) for _ in range(3)]
    last = cases.residual_arguments(third, replace(residual, tensor=outputs[0]), x=outputs[1])
    (result,), kernels = run_chain(
        [
            (BOUNDED, cases.bounded_arguments(first), outputs[0]),
            (BOUNDED, cases.bounded_arguments(second, x=outputs[0]), outputs[1]),
            ("et_vk.q8ta_conv2d.residual", last, outputs[2]),
        ],
        [outputs[2]],
    )
    assert_same_bytes(result, y, "the chain")
    ops = [name.split("__")[0] for name in kernels]
    assert ops[1:4] == ["q8ta_conv2d", "q8ta_linear", "q8ta_conv2d_dw"]
    assert len(ops) == 5


# ---- What is refused.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": (0, 1)}, "stride has 0, it must be at least 1"),
        ({"dilation": (1, 0)}, "dilation has 0, it must be at least 1"),
        ({"padding": (-1, 0)}, "padding has -1, it must be at least 0"),
        ({"padding": (0, 70000)}, "padding has 70000, the limit is 65535"),
        ({"stride": (1, 1, 1)}, "stride has 3 numbers, it must have 2"),
        ({"groups": 0}, "groups is 0, it must be at least 1"),
        ({"groups": 3}, "x has 4 channels, they must be divisible by groups = 3"),
        ({"dilation": (3, 1)}, "the window is 7 pixels, the padded image only 6"),
        ({"input_zero_point": 200}, "zero point"),
        (
            {"transposed": True, "output_padding": (1, 0)},
            "output_padding has 1, it must be less than the larger of stride and dilation, 1",
        ),
        ({"transposed": True, "padding": (5, 0)}, "6 pixels give -2, with padding of 5"),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    conv = with_numbers(np.random.default_rng(14), (1, 4, 6, 6), 6, (3, 3))
    changed = replace(conv, **change)
    with pytest.raises(OpError, match=message):
        run_op(BOUNDED, cases.bounded_arguments(changed), Output(np.int8, (1, 6, 8, 8)))


def test_refused_shapes() -> None:
    rng = np.random.default_rng(15)
    conv = with_numbers(rng, (1, 4, 6, 6), 6, (3, 3))
    output = Output(np.int8, (1, 6, 4, 4))
    short = cases.bounded_arguments(conv)
    short[3] = Constant(cases.weight_rows(conv)[:, :-1])
    with pytest.raises(OpError, match="35 products, it must have 9 taps of 4 channels"):
        run_op(BOUNDED, short, output)
    scales = cases.bounded_arguments(conv)
    scales[5] = Constant(conv.weight_scales[:5])
    with pytest.raises(OpError, match=r"weight_scales must be float32 \[N\], N = 6"):
        run_op(BOUNDED, scales, output)
    residual = Residual(np.zeros((1, 6, 4, 3), np.int8), 0.1, 0)
    with pytest.raises(OpError, match=r"residual is \[1, 6, 4, 3\], it must have"):
        run_op("et_vk.q8ta_conv2d.residual", cases.residual_arguments(conv, residual), output)
    flat = cases.bounded_arguments(conv, x=conv.x.reshape(4, 36))
    with pytest.raises(OpError, match="must have 3 or 4 dimensions"):
        run_op(BOUNDED, flat, Output(np.int8, (6, 16)))
