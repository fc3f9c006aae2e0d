"""Other partitioners before and behind ours: who takes which quantize, and the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.backends.xnnpack.partition.config.gemm_configs import ConvolutionConfig
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    get_symmetric_quantization_config,
)
from executorch.exir import EdgeCompileConfig, to_edge, to_edge_transform_and_lower
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import read_delegates
from model_cases import DEQUANTIZE, LINEAR, QUANTIZE, Quantizer
from nothing import Nothing
from on_cpu import ON_CPU, on_cpu
from programs import run
from quantized_graphs import Grid, QuantizedWeight

Tensors = tuple[torch.Tensor, ...]


class ResidualBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 4, 3, padding=1)
        self.linear = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        return self.linear(torch.relu(x + y).mean((2, 3)))


class ConvLinearConv(nn.Module):
    """The linear works on the last dimension, so its neighbours are convolutions."""

    def __init__(self, convs: int = 1) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.linear = nn.Linear(8, 8)
        self.after = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(convs)))
        self.last = nn.Linear(8, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.after(self.linear(self.before(x))))


class FanOut(nn.Module):
    """A layer of ours and a convolution read the same tensor, and a third layer both."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.second = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.last(self.conv(x) + self.second(x))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "residual": (ResidualBlock, (1, 4, 8, 8)),
    "conv_linear_conv": (ConvLinearConv, (2, 3, 8, 8)),
    "two_in_a_row": (lambda: ConvLinearConv(2), (2, 3, 8, 8)),
    "fan_out": (FanOut, (2, 3, 8, 8)),
}


def quantized(name: str) -> tuple[nn.Module, Tensors]:
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    module, inputs = build().eval(), (torch.randn(shape),)
    config = get_symmetric_quantization_config(is_per_channel=True)
    quantizer = Quantizer().set_global(config)
    prepared = prepare_pt2e(torch.export.export(module, inputs).module(), quantizer)
    for _ in range(4):
        prepared(torch.randn(shape))
    return convert_pt2e(prepared), inputs


def lower(module: nn.Module, inputs: Tensors, *partitioners: Any) -> Any:
    config = EdgeCompileConfig(_check_ir_validity=False)
    exported = torch.export.export(module, inputs)
    return to_edge_transform_and_lower(
        exported, partitioner=list(partitioners), compile_config=config
    )


def only_convolutions() -> XnnpackPartitioner:
    return XnnpackPartitioner(configs=[ConvolutionConfig])


def no_convolutions() -> VulkanPartitioner:
    return VulkanPartitioner(operator_blocklist=[torch.ops.aten.convolution.default])


ORDERS: dict[str, Callable[[], list[Any]]] = {
    "first": lambda: [no_convolutions(), XnnpackPartitioner()],
    "second": lambda: [only_convolutions(), VulkanPartitioner()],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_values(name: str, order: str) -> None:
    """Those of eager PT2E. XNNPACK rounds a few sums of a convolution to the step beside."""
    module, inputs = quantized(name)
    program = lower(module, inputs, *ORDERS[order]())
    rows = [row for row in explain(program) if "quantize" not in row.op]
    backends = {row.op: row.became for row in rows}
    assert backends["aten.addmm.default"].startswith("et_vk.q8ta_linear")
    assert backends["aten.convolution.default"] == "XnnpackBackend"
    [result] = run(bytes(program.to_executorch().buffer), inputs)
    wanted = module(*inputs)
    steps = ((result - wanted) / torch.unique(wanted).diff().min()).abs()
    assert float(steps.max()) < 1.01 and float((steps > 0.01).float().mean()) <= 0.03


class OnCpu(nn.Module):
    """Two layers with an op between them that neither backend has a kernel for."""

    def __init__(
        self,
        ops: int = 1,
        shares: bool = False,
        behind: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
    ) -> None:
        super().__init__()
        self.weights = nn.ModuleList(QuantizedWeight(8, 8, seed=seed) for seed in range(3))
        self.ops, self.shares, self.behind = ops, shares, behind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grid = Grid(0.1, -7)
        x = grid.round_trip(nn.functional.linear(Grid().round_trip(x), self.weights[0]()))
        y = x
        for _ in range(self.ops):
            y = grid.round_trip(self.behind(on_cpu(y)))
        y = grid.round_trip(nn.functional.linear(y, self.weights[1]()))
        if self.shares:
            y = grid.round_trip(y + grid.round_trip(nn.functional.linear(x, self.weights[2]())))
        return y


def ops_outside(program: Any) -> list[str]:
    return [
        node.target.__name__
        for node in program.exported_program().graph.nodes
        if node.op == "call_function" and "." in getattr(node.target, "__name__", "")
    ]


@pytest.mark.parametrize("ops", [1, 2])
def test_a_foreign_op_keeps_its_quantization(ops: int) -> None:
    inputs = (torch.randn(4, 8),)
    program = lower(OnCpu(ops), inputs, VulkanPartitioner(), Nothing())
    assert ops_outside(program) == [DEQUANTIZE, ON_CPU, QUANTIZE] * ops
    assert [one.op_names for one in read_delegates(program)] == [
        (QUANTIZE, LINEAR),
        (LINEAR, DEQUANTIZE),
    ]


def test_a_function_behind_a_foreign_op_stays_with_it() -> None:
    inputs = (torch.randn(4, 8),)
    module = OnCpu(behind=torch.relu)
    program = lower(module, inputs, VulkanPartitioner(), Nothing())
    wanted = [DEQUANTIZE, ON_CPU, "aten.relu.default", QUANTIZE]
    assert ops_outside(program) == wanted
    program = lower(module, inputs, VulkanPartitioner())
    assert ops_outside(program) == [ON_CPU]
    assert read_delegates(program)[1].op_names[0] == "aten.relu.default"


def test_alone_nothing_is_left_to_others() -> None:
    program = lower(OnCpu(2), (torch.randn(4, 8),), VulkanPartitioner())
    assert ops_outside(program).count(ON_CPU) == 2
    chains = [one.op_names for one in read_delegates(program)]
    assert chains == [(QUANTIZE, LINEAR, DEQUANTIZE)] * 2


def test_last_of_several_nothing_is_left_to_others() -> None:
    program = lower(OnCpu(), (torch.randn(4, 8),), Nothing(), VulkanPartitioner())
    assert ops_outside(program) == [ON_CPU]


def test_a_dequantize_that_both_read_is_there_twice() -> None:
    inputs = (torch.randn(4, 8),)
    module = OnCpu(shares=True)
    program = lower(module, inputs, VulkanPartitioner(), Nothing())
    assert ops_outside(program) == [DEQUANTIZE, ON_CPU, QUANTIZE]
    [result] = run(bytes(program.to_executorch().buffer), inputs)
    difference = (result - module(*inputs)).abs()
    assert float(difference.max()) <= 0.1001 and float((difference > 0.01).float().mean()) <= 0.05


def test_behind_to_backend_anything_may_follow() -> None:
    exported = torch.export.export(OnCpu(), (torch.randn(4, 8),))
    edge = to_edge(exported, compile_config=EdgeCompileConfig(_check_ir_validity=False))
    program = edge.to_backend(VulkanPartitioner())
    assert ops_outside(program) == [DEQUANTIZE, ON_CPU, QUANTIZE]


def test_one_list_for_each_method() -> None:
    exported = torch.export.export(OnCpu(), (torch.randn(4, 8),))
    program = to_edge_transform_and_lower(
        {"forward": exported},
        partitioner={"forward": [VulkanPartitioner(), Nothing()]},
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    assert ops_outside(program) == [DEQUANTIZE, ON_CPU, QUANTIZE]


def test_who_took_an_op_and_why_ours_did_not() -> None:
    module, inputs = quantized("conv_linear_conv")
    report = explain(lower(module, inputs, no_convolutions(), XnnpackPartitioner()))
    convolutions = [row for row in report if row.op == "aten.convolution.default"]
    assert {(row.became, row.reason) for row in convolutions} == {
        (
            "XnnpackBackend",
            "XnnpackBackend took it; VulkanPartitioner left it: aten.convolution.default is in "
            "operator_blocklist",
        )
    }
    report = explain(lower(module, inputs, only_convolutions(), VulkanPartitioner()))
    convolutions = [row for row in report if row.op == "aten.convolution.default"]
    assert {row.reason for row in convolutions} == {
        "XnnpackBackend took it; put VulkanPartitioner before that backend's partitioner in the "
        "list"
    }
    assert not [row for row in report if row.op in ("getitem", "executorch_call_delegate")]
