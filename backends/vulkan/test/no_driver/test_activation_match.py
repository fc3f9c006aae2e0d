"""Activations: recognized as functions, whatever form the export gave them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import ExportedProgram

from executorch_vulkan.patterns.quantized_linear import match_quantized_linear
from executorch_vulkan.patterns.rules.activations import ActivationCall
from executorch_vulkan.patterns.rules.mac import MacMatch
from executorch_vulkan.patterns.vocabulary.constants import Constants
from executorch_vulkan.patterns.vocabulary.step import Step
from quantized_graphs import Grid, Layer, QuantizedWeight, edge_program, linears
from rewriting import assert_within_a_step, rewritten, rewritten_program

OUT = Grid(0.04, -60)
Function = Callable[[torch.Tensor], torch.Tensor]


class Prelu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([0.3]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.prelu(x, self.slope)


# Each written in some of the ways that exports and people write it.
FORMS: dict[str, tuple[Function, ActivationCall]] = {
    "leaky_relu": (lambda y: F.leaky_relu(y, 0.2), ActivationCall("leaky_relu", 0.2)),
    "leaky_relu_where": (
        lambda y: torch.where(y > 0, y, y * 0.2),
        ActivationCall("leaky_relu", 0.2),
    ),
    "leaky_relu_maximum": (
        lambda y: torch.maximum(y, 0.125 * y),
        ActivationCall("leaky_relu", 0.125),
    ),
    "sigmoid": (torch.sigmoid, ActivationCall("sigmoid")),
    "sigmoid_exp": (lambda y: 1 / (1 + torch.exp(-y)), ActivationCall("sigmoid")),
    "tanh": (torch.tanh, ActivationCall("tanh")),
    "tanh_sigmoid": (lambda y: 2 * torch.sigmoid(2 * y) - 1, ActivationCall("tanh")),
    "silu": (F.silu, ActivationCall("silu")),
    "silu_mul": (lambda y: torch.sigmoid(y) * y, ActivationCall("silu")),
    "hardswish": (F.hardswish, ActivationCall("hardswish")),
    "hardswish_relu6": (lambda y: y * F.relu6(y + 3) / 6, ActivationCall("hardswish")),
    "hardsigmoid": (F.hardsigmoid, ActivationCall("hardsigmoid")),
    "hardsigmoid_clamp": (
        lambda y: torch.clamp(y / 6 + 0.5, 0, 1),
        ActivationCall("hardsigmoid"),
    ),
    "gelu": (F.gelu, ActivationCall("gelu")),
    "gelu_erf": (
        lambda y: 0.5 * y * (1 + torch.erf(y / math.sqrt(2))),
        ActivationCall("gelu"),
    ),
    "gelu_tanh": (lambda y: F.gelu(y, approximate="tanh"), ActivationCall("gelu_tanh")),
    "gelu_tanh_written_out": (
        lambda y: (
            0.5 * y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * torch.pow(y, 3))))
        ),
        ActivationCall("gelu_tanh"),
    ),
    "elu": (lambda y: F.elu(y, 0.7), ActivationCall("elu", 0.7)),
    "elu_expm1": (
        lambda y: torch.where(y > 0, y, 0.5 * torch.expm1(y)),
        ActivationCall("elu", 0.5),
    ),
}


def match(module: nn.Module, *shape: int) -> MacMatch:
    return match_in(edge_program(module, *shape))


def match_in(program: ExportedProgram) -> MacMatch:
    found = match_quantized_linear(linears(program)[0], Constants(program))
    assert isinstance(found, Step), found
    assert isinstance(found.match, MacMatch)
    return found.match


forms = pytest.mark.parametrize("name", FORMS)


@forms
def test_folds_before_a_quantize(name: str) -> None:
    function, call = FORMS[name]
    epilogue = match(Layer(after=lambda y: OUT.round_trip(function(y))), 4, 8).epilogue
    assert epilogue is not None
    assert epilogue.activation.name == call.name
    assert epilogue.activation.alpha == pytest.approx(call.alpha)


@forms
def test_folds_before_a_float_reader(name: str) -> None:
    function, call = FORMS[name]
    module = Layer(after=function)
    program = edge_program(module, 2, 3, 8)
    found = match_in(program)
    assert found.epilogue is None and found.tail.activation.name == call.name
    names, result, wanted = rewritten_program(program, module, 2, 3, 8)
    assert names[-1] == "et_vk.linear_q8ta_q8csw.int8"
    torch.testing.assert_close(result, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "bounds"),
    [
        (lambda y: torch.clamp(y, -65504, 65504), (-65504, 65504)),
        (lambda y: 2 * torch.clamp(0.5 * y, max=500), (-math.inf, 1000)),
    ],
)
def test_far_bounds_are_kept(function: Function, bounds: tuple[float, float]) -> None:
    activation = match(Layer(after=function), 4, 8).tail.activation
    assert activation == ActivationCall("clamp", *bounds)


@forms
def test_rewritten_graph(name: str) -> None:
    function, _ = FORMS[name]
    module = Layer(after=lambda y: OUT.round_trip(function(y).reshape(6, 28)))
    names, result, wanted = rewritten(module, 28, 8)
    assert names[1:3] == ["et_vk.q8ta_linear.bounded", "aten.view_copy.default"]
    assert_within_a_step(result, wanted, OUT.scale, equal=0.99)


@pytest.mark.parametrize(
    ("function", "name", "bounds"),
    [
        (lambda y: torch.where(y <= 0, 0, y), "none", (-60, 127)),
        (lambda y: torch.clamp(torch.sigmoid(y), 0.25, 0.75), "sigmoid", (-54, -41)),
        (lambda y: F.relu(torch.tanh(y)), "tanh", (-60, 127)),
        (lambda y: torch.minimum(torch.relu(y), torch.tensor(1.0)), "none", (-60, -35)),
    ],
)
def test_clamps_narrow_the_range(function: Any, name: str, bounds: tuple[int, int]) -> None:
    epilogue = match(Layer(after=lambda y: OUT.round_trip(function(y))), 4, 8).epilogue
    assert epilogue is not None and epilogue.activation.name == name
    assert (epilogue.quant_min, epilogue.quant_max) == bounds


@pytest.mark.parametrize(
    "function",
    [
        torch.sin,
        lambda y: F.silu(1.001 * y),
        lambda y: F.silu(F.relu(y)),
        lambda y: y * torch.sigmoid(1.702 * y),
        lambda y: torch.where(y > 5, 5.1, F.silu(y)),
        lambda y: F.gelu(y) + 1e-3,
        lambda y: y * torch.sigmoid(y.t().reshape(4, 6)),
        lambda y: y + 3,
    ],
)
def test_near_misses_stay_float(function: Any) -> None:
    found = match(Layer(after=lambda y: OUT.round_trip(function(y))), 4, 8)
    assert found.epilogue is None


def test_the_longest_activation_is_taken_in_float() -> None:
    """A relu that the kernel can do, and a sine that it can't."""
    found = match(Layer(after=lambda y: OUT.round_trip(torch.sin(torch.relu(y)))), 4, 8)
    assert found.tail.activation == ActivationCall("clamp", 0.0, math.inf)


def test_a_second_reader_of_the_linear_keeps_it_in_float() -> None:
    found = match(Layer(after=lambda y: (y, OUT.round_trip(F.silu(y)))), 4, 8)
    assert found.epilogue is None and found.tail.activation.name == "none"


def test_a_second_reader_of_the_activation() -> None:
    names, result, wanted = rewritten(
        Layer(after=lambda y: (F.silu(y), OUT.round_trip(F.silu(y)))), 4, 8
    )
    assert names.count("et_vk.linear_q8ta_q8csw.int8") == 1
    torch.testing.assert_close(result[0], wanted[0])


def test_a_slope_that_is_a_parameter() -> None:
    prelu = Prelu()
    module = Layer(after=lambda y: OUT.round_trip(prelu(y)))
    module.prelu = prelu
    epilogue = match(module, 4, 8).epilogue
    assert epilogue is not None and epilogue.activation.name == "leaky_relu"
    assert epilogue.activation.alpha == pytest.approx(0.3)


def test_a_pair_between_layer_and_activation_is_honoured() -> None:
    """The layer's rounding is a step of its own: its int8 result goes through a table."""
    between = Grid(0.3, 4)
    module = Layer(
        weight=QuantizedWeight(64, 8), after=lambda y: OUT.round_trip(F.silu(between.round_trip(y)))
    )
    names, result, wanted = rewritten(module, 40, 8)
    assert names[1:-1] == ["et_vk.q8ta_linear.bounded"]
    # A value of the layer one step off is many output steps off, but hardly any is.
    assert float((result != wanted).float().mean()) <= 0.005
