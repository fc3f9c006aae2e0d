"""smooth_outliers: what it changes, that the model stays the same, and what int8 gains."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim
from torch.fx import GraphModule, symbolic_trace

from executorch_vulkan import smooth_outliers
from int8_quantizer import Inputs, Net, quantized_for_vulkan
from smoothing_cases import LEFT, OUTLIER, SMOOTHED, TIMES, C, L, N, layer_norm, linear, rows
from transformer_networks import TRANSFORMERS, PreNormLayer


def exported(module: nn.Module, inputs: Inputs, shapes: Any = None) -> GraphModule:
    program = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes, strict=False)
    module = program.module()
    assert isinstance(module, GraphModule)
    return module


def changed(module: GraphModule, before: dict[str, torch.Tensor]) -> set[str]:
    """The parameters that are not what they were."""
    return {
        name
        for name, value in module.state_dict().items()
        if name not in before or not torch.equal(value, before[name])
    }


def assert_same(actual: Any, wanted: Any) -> None:
    actual, wanted = (one if isinstance(one, tuple) else (one,) for one in (actual, wanted))
    for one, other in zip(actual, wanted, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * float(other.abs().max())


@pytest.mark.parametrize("name", SMOOTHED)
def test_a_norm_is_divided_and_its_layers_are_multiplied(name: str) -> None:
    network = SMOOTHED[name]
    module, x = network.build(), rows(*network.shape)
    before = copy.deepcopy(module.state_dict())
    graph_module = exported(module, (x,))
    with torch.no_grad():
        wanted = graph_module(x)
        assert smooth_outliers(graph_module, [(x,)]) is graph_module
        assert changed(graph_module, before) == set(network.changes.split())
        assert_same(graph_module(x), wanted)
        # What was exported has its own tensors still.
        assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("name", LEFT)
def test_what_can_not_be_scaled_is_left(name: str) -> None:
    network = LEFT[name]
    x = rows(*network.shape)
    graph_module = exported(network.build(), (x,))
    before = copy.deepcopy(graph_module.state_dict())
    code = graph_module.code
    smooth_outliers(graph_module, [(x,)])
    assert not changed(graph_module, before)
    assert graph_module.code == code


@pytest.mark.parametrize("strength", [0.0, 0.5, 0.8, 1.0])
def test_the_formula_is_smoothquants(strength: float) -> None:
    net = Net(lambda s, x: (s.a(x := s.norm(x)), s.b(x)), norm=layer_norm(), a=linear(), b=linear())
    batches = [(rows(N, L, C),), (2 * rows(7, L, C),)]
    graph_module = exported(net, batches[0], (({0: Dim("batch", max=8)},),))
    with torch.no_grad():
        read = np.concatenate([net.norm(x).reshape(-1, C).numpy() for (x,) in batches])
        weights = np.concatenate([net.a.weight.numpy(), net.b.weight.numpy()])
    largest = np.abs(read).max(0).astype(np.float64)
    s = largest**strength / np.abs(weights).max(0) ** (1 - strength)
    smooth_outliers(graph_module, batches, strength)
    found = (net.norm.weight / graph_module.norm.weight).detach().numpy()
    np.testing.assert_allclose(found / found[0], s / s[0], rtol=1e-5)
    by_column = (graph_module.b.weight / net.b.weight).detach().numpy()
    np.testing.assert_allclose(by_column, np.broadcast_to(found, by_column.shape), rtol=1e-5)


def test_channels_that_are_zero_are_left() -> None:
    norm = layer_norm(bias=False)
    with torch.no_grad():
        norm.weight[1] = 0
    a = linear()
    with torch.no_grad():
        a.weight[:, 5] = 0
    net = Net(lambda s, x: s.a(s.norm(x)), norm=norm, a=a)
    x = rows(N, L, C)
    graph_module = smooth_outliers(exported(net, (x,)), [(x,)])
    assert torch.equal(graph_module.a.weight[:, 1], a.weight[:, 1])
    assert torch.equal(graph_module.norm.weight[5], norm.weight[5])
    assert bool((graph_module.norm.weight[OUTLIER] < norm.weight[OUTLIER] / 2).all())


def test_values_that_are_not_finite_are_left() -> None:
    net = Net(lambda s, x: s.a(s.norm(x)), norm=layer_norm(), a=linear())
    x = rows(N, L, C)
    graph_module = exported(net, (x,))
    before = copy.deepcopy(graph_module.state_dict())
    smooth_outliers(graph_module, [(x,), (x * torch.inf,)])
    assert not changed(graph_module, before)


class Encoder(nn.Module):
    """A norm that a layer and a residual read."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.a = layer_norm(), linear(n=C)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        return x + self.a(x)


def test_batches_may_be_named_and_of_any_size() -> None:
    net = Encoder()
    x = rows(N, L, C)
    shapes = {"x": {0: Dim("batch", max=8), 1: Dim("length", max=9)}}
    program = torch.export.export(net.eval(), (), {"x": x}, dynamic_shapes=shapes)
    graph_module = program.module()
    assert isinstance(graph_module, GraphModule)
    wanted = graph_module(x=x[:1, :2]).detach()
    smooth_outliers(graph_module, [{"x": x}, {"x": x[:2, :3]}])
    assert not torch.equal(graph_module.a.weight, net.a.weight)
    assert_same(graph_module(x=x[:1, :2]).detach(), wanted)


def small() -> GraphModule:
    return exported(Encoder(), (rows(N, L, C),))


@pytest.mark.parametrize(
    ("model", "batches", "strength", "error", "message"),
    [
        (small, [(rows(N, L, C),)], 1.5, ValueError, "strength must be from 0 to 1.*got 1.5"),
        (small, [], None, ValueError, "batches has none.*at least one"),
        (small, [(rows(N, L, C + 1),)], None, ValueError, "batch 0 does not fit the exported"),
        (small, [rows(N, L, C)], None, TypeError, "batch 0 must be a tuple.*got a Tensor"),
        (Encoder, [(rows(N, L, C),)], None, TypeError, "torch.export.*got a Encoder"),
        (lambda: symbolic_trace(Encoder()), [(rows(N, L, C),)], None, TypeError, "torch.export"),
    ],
)
def test_errors(model, batches, strength, error, message) -> None:
    module = model()
    before = getattr(module, "code", None)
    with pytest.raises(error, match=message):
        smooth_outliers(module, batches, strength)
    assert getattr(module, "code", None) == before


def test_what_a_program_keeps_stays() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.a = layer_norm(), linear()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls.add_(1)
            return self.a(self.norm(x)) + self.calls

    x = rows(N, L, C)
    graph_module = smooth_outliers(exported(Counter(), (x,)), [(x,), (x,)])
    assert float(graph_module.calls) == 0


def plant_outliers(module: nn.Module) -> None:
    """Two channels behind each norm are larger, as in large models, and what reads them smaller."""
    for layer in module.modules():
        if isinstance(layer, PreNormLayer):
            attention = layer.attention
            readers = {layer.norm1: (attention.q, attention.k, attention.v)}
            readers[layer.norm2] = (layer.first,)
            for norm, layers in readers.items():
                for parameter in (norm.weight, norm.bias):
                    parameter[[5, 17]] *= TIMES
                for one in layers:
                    one.weight[:, [5, 17]] /= TIMES


@torch.no_grad()
def test_a_network_with_outliers_is_closer_to_float() -> None:
    torch.manual_seed(0)
    network = TRANSFORMERS["vit"]
    generator = torch.Generator().manual_seed(2)
    calibration, others = (network.inputs(3, 17, generator) for _ in range(2))
    module = network.build().eval()
    plant_outliers(module)
    wanted = module(*others)
    errors = []
    for smooth in (False, True):
        shapes = network.dynamic_shapes()
        found = quantized_for_vulkan(module, calibration, shapes, smooth=smooth)(*others)
        errors.append(float((found - wanted).norm() / wanted.norm()))
    assert errors[1] < 0.5 * errors[0]
