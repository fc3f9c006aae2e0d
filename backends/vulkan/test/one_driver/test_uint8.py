"""uint8 activations run in the int8 kernels, with zero points 128 lower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.exir import EdgeCompileConfig, to_edge, to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import read_delegates
from model_cases import BOUNDED, DEQUANTIZE, LINEAR, QUANTIZE, VIEW
from programs import run
from quantized_graphs import Grid, Layer, QuantizedWeight
from uint8_quantizer import quantized_to_uint8

TABLE = "et_vk.q8ta_table.default"
ADD = "et_vk.q8ta_binary.default"
CONFIG = EdgeCompileConfig(_check_ir_validity=False)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(24, 24), nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x + self.first(x))


def layers(*modules: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*modules)


class Reshape(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, 48)


MODELS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "two_layers": (layers(nn.Linear(24, 30), nn.Linear(30, 9)), 2),
    "relu": (layers(nn.Linear(24, 30), nn.ReLU(), nn.Linear(30, 9)), 2),
    "gelu": (layers(nn.Linear(24, 30), nn.GELU(), nn.Linear(30, 9)), 2),
    "reshape": (layers(nn.Linear(24, 24), Reshape(), nn.Linear(48, 9)), 2),
    "residual": (Residual, 2),
}


def lower(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
    exported = torch.export.export(module, inputs)
    return to_edge_transform_and_lower(
        exported, partitioner=[VulkanPartitioner()], compile_config=CONFIG
    )


def pte_of(program: Any) -> bytes:
    return bytes(program.to_executorch().buffer)


@pytest.mark.parametrize("quant_max", [255, 127])
@pytest.mark.parametrize("name", MODELS)
def test_model(name: str, quant_max: int) -> None:
    build, linears = MODELS[name]
    torch.manual_seed(0)
    # Shifted, so that zero points are neither 0 nor 128.
    x = torch.randn(64, 24) + 0.3
    module = quantized_to_uint8(build(), (x,), quant_max)
    assert "torch.uint8" in str(module.graph)
    program = lower(module, (x,))
    assert not explain(program).left_out
    [delegate] = read_delegates(program)
    assert sum("linear" in op for op in delegate.op_names) == linears
    assert delegate.op_names.count(QUANTIZE) == 1
    result, expected = run(pte_of(program), (x,))[0], module(x)
    step = float(expected.unique().diff().min())
    difference = (result - expected).abs()
    assert float(difference.max()) <= 1.001 * step
    assert float((difference < step / 2).float().mean()) >= 0.995


def test_reduced_range_is_kept() -> None:
    """0..127 becomes -128..-1: values that would lie above are clamped."""
    module = Layer(
        x_grid=Grid(0.05, 60, 0, 127, torch.uint8),
        after=Grid(0.02, 40, 0, 127, torch.uint8).round_trip,
    ).eval()
    x = torch.randn(16, 8) * 5
    program = lower(module, (x,))
    [delegate] = read_delegates(program)
    assert delegate.op_names == (QUANTIZE, BOUNDED, DEQUANTIZE)
    result, expected = run(pte_of(program), (x,))[0], module(x)
    assert float(expected.max()) == pytest.approx((127 - 40) * 0.02)
    assert torch.equal(result, expected)


class TakesAndGivesUint8(nn.Module):
    """Its quantize and dequantize are somewhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = QuantizedWeight()
        self.x_grid = Grid(0.05, 100, 0, 255, torch.uint8)
        self.y_grid = Grid(0.1, 131, 0, 255, torch.uint8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.x_grid.dequantize(x)
        return self.y_grid.quantize(nn.functional.linear(x, self.weight()))


def test_uint8_inputs_and_outputs() -> None:
    module = TakesAndGivesUint8().eval()
    x = torch.arange(256, dtype=torch.uint8).reshape(32, 8)
    program = lower(module, (x,))
    [delegate] = read_delegates(program)
    assert delegate.op_names == (TABLE, LINEAR, TABLE)
    result = run(pte_of(program), (x,))[0]
    expected = module(x)
    assert result.dtype == torch.uint8 and len(expected.unique()) > 50
    assert int((result.int() - expected.int()).abs().max()) <= 1
    assert float((result == expected).float().mean()) >= 0.995


class ViewsUint8(nn.Module):
    """Reads its input directly, if wanted, and behind a view of uint8."""

    def __init__(self, directly: bool) -> None:
        super().__init__()
        self.first, self.second = QuantizedWeight(), QuantizedWeight()
        self.grid = Grid(0.05, 100, 0, 255, torch.uint8)
        self.directly = directly

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        results = []
        if self.directly:
            results.append(nn.functional.linear(self.grid.dequantize(x), self.first()))
        viewed = self.grid.dequantize(x.view(-1, 8))
        return (*results, nn.functional.linear(viewed, self.second()))


@pytest.mark.parametrize("directly", [False, True])
def test_uint8_input_behind_a_view(directly: bool) -> None:
    module = ViewsUint8(directly).eval()
    x = torch.arange(128, dtype=torch.uint8).reshape(2, 8, 8)
    program = lower(module, (x,))
    [delegate] = read_delegates(program)
    assert delegate.op_names.count(TABLE) == 1
    assert not explain(program).left_out
    for result, expected in zip(run(pte_of(program), (x,)), module(x), strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)


def test_to_backend_and_explain_agree() -> None:
    module = quantized_to_uint8(MODELS["reshape"][0](), (torch.randn(4, 24),))
    edge = to_edge(torch.export.export(module, (torch.randn(4, 24),)), compile_config=CONFIG)
    wanted = [row.became for row in explain(edge) if "addmm" in row.op]
    assert wanted == [LINEAR, LINEAR]
    assert not explain(edge).left_out
    [delegate] = read_delegates(edge.to_backend(VulkanPartitioner()))
    assert delegate.op_names == (QUANTIZE, LINEAR, VIEW, LINEAR, DEQUANTIZE)


def test_uint8_weights_are_left_alone() -> None:
    class Weight(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.randint(0, 256, (6, 8), dtype=torch.uint8))

        def forward(self) -> torch.Tensor:
            return Grid(0.01, 128, 0, 255, torch.uint8).dequantize(self.weight)

    edge = to_edge(
        torch.export.export(Layer(weight=Weight()).eval(), (torch.zeros(4, 8),)),
        compile_config=CONFIG,
    )
    [row] = [row for row in explain(edge) if "addmm" in row.op]
    assert row.reason.startswith("weight")
