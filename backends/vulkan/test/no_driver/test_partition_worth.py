"""Which delegates are made: what they compute against what they move in and out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import EdgeCompileConfig, to_edge, to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.partitioning.worth import moved_bytes, work_ns
from executorch_vulkan.program import read_delegates
from on_cpu import on_cpu
from quantized_graphs import Grid, Layer, QuantizedWeight, edge_program

IN, OUT = Grid(0.0517), Grid(0.0973, -7)
PERMUTE = "aten.permute_copy.default"
CONFIG = EdgeCompileConfig(_check_ir_validity=False)


class Between(nn.Module):
    """A quantized function between ops that stay on the CPU."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return on_cpu(OUT.round_trip(self.function(IN.round_trip(on_cpu(x)))))


def functions(count: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def apply(x: torch.Tensor) -> torch.Tensor:
        for _ in range(count):
            x = torch.sin(x)
        return x

    return apply


def lowered(module: nn.Module, *shape: int) -> Any:
    exported = torch.export.export(module.eval(), (torch.zeros(shape),))
    return to_edge_transform_and_lower(
        exported, partitioner=[VulkanPartitioner()], compile_config=CONFIG
    )


@pytest.mark.parametrize("shape", [(4, 8), (64, 112, 112)])
@pytest.mark.parametrize(
    ("function", "op"),
    [
        (F.relu6, "aten.hardtanh.default"),
        (lambda x: x + IN.round_trip(x.abs()), "aten.add.Tensor"),
        (lambda x: x.transpose(0, 1), "aten.permute_copy.default"),
    ],
    ids=["relu6", "add", "move"],
)
def test_one_cheap_op_is_not(function: Any, op: str, shape: tuple[int, ...]) -> None:
    program = lowered(Between(function), *shape)
    assert not read_delegates(program)
    reasons = [row.reason for row in explain(program) if row.op.startswith("quantized")]
    assert any("not worth a delegate" in reason and op in reason for reason in reasons)


def test_many_ops_on_large_tensors_are() -> None:
    module = Between(functions(12))
    assert len(read_delegates(lowered(module, 1024, 1024))) == 1
    assert not read_delegates(lowered(module, 32, 32))


def test_a_layer_is_whatever_its_size() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Layer(weight=QuantizedWeight(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return on_cpu(self.layer(on_cpu(x)))

    assert len(read_delegates(lowered(Model(), 1, 8))) == 1


@pytest.mark.parametrize("before", [on_cpu, lambda x: x.reshape(8, 4)], ids=["cpu", "view"])
@pytest.mark.parametrize("behind", [on_cpu, lambda x: x.reshape(2, 16)], ids=["cpu", "view"])
def test_only_what_is_between_ops_outside_is_weighed(before: Any, behind: Any) -> None:
    class Model(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return behind(OUT.round_trip(F.relu6(IN.round_trip(before(x)))))

    wanted = 0 if before is on_cpu and behind is on_cpu else 1
    assert len(read_delegates(lowered(Model(), 4, 8))) == wanted


@pytest.mark.parametrize("where", ["before", "behind", "between"])
def test_float_ops_beside_ops_outside_are_weighed(where: str) -> None:
    class Model(nn.Module):
        def __init__(self, count: int) -> None:
            super().__init__()
            self.function = functions(count)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x if where == "before" else on_cpu(x)
            x = self.function(x)
            return x if where == "behind" else on_cpu(x)

    program = lowered(Model(1), 4, 10)
    assert not read_delegates(program)
    exported = torch.export.export(Model(1), (torch.zeros(4, 10),))
    partitioner = VulkanPartitioner()
    partitioner.partition(to_edge(exported, compile_config=CONFIG).exported_program())
    [rejection] = partitioner.rejections
    assert rejection.reason == (
        "not worth a delegate: aten.sin.default would save the CPU about 0.012 us, and the call "
        "with its 320 bytes in and out takes about 30.1; next to a layer on Vulkan it runs there "
        "as well"
    )
    [delegate] = read_delegates(lowered(Model(12), 1024, 1024))
    assert delegate.op_names == ("aten.sin.default",) * 12


def test_a_float_program_that_is_ours_whole_is_a_delegate() -> None:
    class Model(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(4, 5).abs().t()

    [delegate] = read_delegates(lowered(Model(), 20))
    assert delegate.op_names == ("aten.view_copy.default", "aten.abs.default", PERMUTE)


def test_float_ops_beside_a_layer_are_not_weighed() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Layer(weight=QuantizedWeight(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.layer(torch.sin(on_cpu(x)))
            return on_cpu(x / (1 + x.abs().sum(-1, keepdim=True)))

    [delegate] = read_delegates(lowered(Model(), 1, 8))
    assert delegate.op_names[0] == "et_vk.prepack.default"
    assert {"aten.sin.default", "aten.sum.dim_IntList", "aten.div.Tensor"} <= {*delegate.op_names}


def test_constants_are_neither_computed_nor_moved() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.ones(1024, 1024))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return on_cpu(x * self.weight.exp().sin().sin().sin()[0, :8])

    partitioner = VulkanPartitioner()
    exported = torch.export.export(Model(), (torch.zeros(4, 8),))
    partitioner.partition(to_edge(exported, compile_config=CONFIG).exported_program())
    [rejection] = partitioner.rejections
    assert "aten.mul.Tensor would save the CPU about 0.0096 us" in rejection.reason
    assert "the call with its 256 bytes in and out takes about 30.1" in rejection.reason


def test_views_alone_are_no_delegate() -> None:
    class Views(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(2, -1).unsqueeze(0)

    assert not read_delegates(lowered(Views(), 4, 8))


def test_the_reason_is_the_same_before_and_after() -> None:
    def reasons(program: Any) -> set[tuple[str, str]]:
        return {(row.op, row.reason) for row in explain(program)}

    module = Between(F.relu6)
    exported = torch.export.export(module, (torch.zeros(4, 8),))
    before = reasons(to_edge(exported, compile_config=CONFIG))
    assert before == reasons(lowered(module, 4, 8))
    assert any(
        "aten.hardtanh.default would save the CPU about 0.0288 us, and the call with its 256 bytes "
        "in and out takes about 30.1" in reason
        for _, reason in before
    )


def test_work_and_bytes_of_ops() -> None:
    program = edge_program(Layer(weight=QuantizedWeight(6, 8)), 4, 8)
    work = {node.name: work_ns(node) for node in program.graph.nodes}
    assert work["aten_addmm_default"] == math.inf
    assert work["quantized_decomposed_quantize_per_tensor_default"] == pytest.approx(0.3 * 32)
    assert work["quantized_decomposed_dequantize_per_tensor_default"] == 0
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    constants = {"p_bias", "b_weight_weight", "b_weight_scales", "b_weight_zeros"}
    # float32 [4, 8] in and float32 [4, 6] out.
    assert moved_bytes(calls, lambda node: node.name in constants) == 4 * (32 + 24)
    # From the second on: int8 [4, 8] in.
    assert moved_bytes(calls[1:], lambda node: node.name in constants) == 32 + 4 * 24


def test_a_mean_counts_what_it_reads() -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(-1)

    nodes = edge_program(Mean(), 4, 8).graph.nodes
    [mean] = [node for node in nodes if node.op == "call_function"]
    assert work_ns(mean) == pytest.approx(0.3 * 32)
