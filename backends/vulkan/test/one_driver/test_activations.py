"""Activations in the linear kernels against the aten op that the table names for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

import reference
from linear_fixture import OpError, assert_same_bytes, glsl_module, kernels, random_linear
from op_fixture import Constant, Output, run_op

ACTIVATIONS = {row.name: row for row in glsl_module("activations").ACTIVATIONS}
# Parameters to test with; rows that are not here are tested with their defaults.
PARAMETERS: dict[str, list[tuple[float, ...]]] = {
    "clamp": [(-0.3, 0.45), (0.0, 6.0), (0.0, float("inf")), (float("-inf"), 0.1)],
    "leaky_relu": [(0.01,), (0.3,), (-1.5,)],
    "elu": [(1.0,), (0.25,)],
}
CASES = [
    (name, parameters)
    for name, row in ACTIVATIONS.items()
    for parameters in PARAMETERS.get(name, [tuple(default for _, default in row.parameters)])
]
EXACT = ("none", "clamp", "leaky_relu")
every_activation = pytest.mark.parametrize(("name", "parameters"), CASES)


def aten(name: str, parameters: Sequence[float], f: np.ndarray) -> np.ndarray:
    """The activation by PyTorch, in the dtype of f."""
    row = ACTIVATIONS[name]
    if not row.aten:
        return f
    op, overload = row.aten.split(".")
    function = getattr(getattr(torch.ops.aten, op), overload)
    named = {key: value for (key, _), value in zip(row.parameters, parameters, strict=True)}
    return function(torch.from_numpy(f), **named, **dict(row.keywords)).numpy()


def alpha_beta(parameters: Sequence[float]) -> tuple[float, float]:
    padded = (*parameters, 0.0, 0.0)
    return padded[0], padded[1]


def apply_float(name: str, parameters: Sequence[float], f: np.ndarray) -> np.ndarray:
    """The activation of any float32 values: a layer whose sums are zero and whose bias is f."""
    n = f.size
    arguments: list[Any] = [
        *(np.zeros((1, 4), np.int8), 1.0, 0),
        Constant(np.ones((n, 4), np.int8)),
        Constant(np.full(n, 4, np.int32)),
        Constant(np.ones(n, np.float32)),
        Constant(f),
        *(name, *alpha_beta(parameters)),
    ]
    return run_op("et_vk.linear_q8ta_q8csw.int8", arguments, Output(np.float32, (1, n)))[0]


@every_activation
def test_float_values(name: str, parameters: tuple[float, ...]) -> None:
    """Within some units in the last place, or a millionth of a small result that cancels."""
    f = np.concatenate(
        [
            np.linspace(-12, 12, 40_001),
            np.geomspace(1e-30, 1e4, 2000),
            -np.geomspace(1e-30, 1e4, 2000),
        ]
    ).astype(np.float32)
    actual = apply_float(name, parameters, f)
    if name in EXACT:
        np.testing.assert_array_equal(actual, aten(name, parameters, f))
        return
    expected = aten(name, parameters, f.astype(np.float64))
    tolerance = 1e-5 * np.abs(expected) + 4e-7 * np.minimum(np.abs(f), 1)
    error = np.abs(actual - expected)
    worst = int(np.argmax(error / np.maximum(tolerance, 1e-37)))
    assert (error <= tolerance + 1e-37).all(), (
        f"{name}({f[worst]}) is {actual[worst]}, expected {expected[worst]}"
    )


@every_activation
def test_no_nan_from_large_values(name: str, parameters: tuple[float, ...]) -> None:
    large = np.array([88, 89, 103, 128, 1e4, 1e13, 1e19, 3e38, np.inf], np.float32)
    f = np.concatenate([large, -large])
    actual = apply_float(name, parameters, f)
    expected = aten(name, parameters, f.astype(np.float64))
    # x / (1 + exp(-x)) and the like are NaN at -inf; their limit is 0.
    expected = np.where(np.isnan(expected), 0, expected)
    with np.errstate(over="ignore"):
        expected = expected.astype(np.float32)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-20)


@every_activation
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_int8_layer(name: str, parameters: tuple[float, ...], zero_point: int) -> None:
    """Odd sizes, within one step and 99 % equal; bounds apply behind the activation."""
    rng = np.random.default_rng(zero_point + 128)
    equal = total = 0
    for m, k, n in ((1, 7, 1), (3, 16, 7), (7, 33, 15), (33, 64, 66)):
        linear = random_linear(rng, m, k, n)
        # Real values between about -5 and 5.
        linear.weight_scales *= np.float32(5 / (127 * linear.output_scale))
        linear.bias = rng.uniform(-1, 1, n).astype(np.float32)
        f = reference.linear(
            linear.x, linear.weights, linear.weight_scales, linear.bias, linear.input_scale, 0
        )
        expected_f = aten(name, parameters, f)
        scale = max(float(np.abs(expected_f).max() / 120), 0.01)
        expected = reference.quantize(expected_f, scale, zero_point, -120, 125)
        arguments: list[Any] = [
            *(linear.x, linear.input_scale, 0, Constant(linear.weights)),
            Constant(linear.weights.sum(1, dtype=np.int32)),
            *(Constant(linear.weight_scales), scale, zero_point, Constant(linear.bias)),
            *(name, *alpha_beta(parameters), -120, 125, None),
        ]
        actual = run_op("et_vk.q8ta_linear.bounded", arguments, Output(np.int8, (m, n)))
        if name in EXACT:
            assert_same_bytes(actual, expected, name)
        assert np.abs(actual.astype(int) - expected).max() <= 1
        equal += int((actual == expected).sum())
        total += actual.size
    assert equal >= 0.99 * total


KERNELS = [name for name in kernels() if "linear_q8ta_q8csw__" in name]


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_applies_it(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = kernels()[kernel].refusal
    if refusal:
        pytest.skip(f"{kernel} {refusal}")
    monkeypatch.setenv("ETVK_KERNEL", kernel)
    f = np.linspace(-6, 6, 203, dtype=np.float32)
    for name, parameters in (("leaky_relu", (0.3,)), ("gelu", ())):  # with and without parameters
        expected = aten(name, parameters, f)
        np.testing.assert_allclose(
            apply_float(name, parameters, f), expected, rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_unknown_activation() -> None:
    with pytest.raises(OpError, match="'softmax' is none of relu, none, clamp, leaky_relu"):
        apply_float("softmax", (), np.ones(4, np.float32))


def test_parameters_must_be_numbers() -> None:
    with pytest.raises(OpError, match="parameter of activation 'elu' is not a number"):
        apply_float("elu", (float("nan"),), np.ones(4, np.float32))
