"""explain(): what it says that each node becomes, and the reasons that it gives."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig, to_edge, to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import read_delegates
from model_cases import CASES, DEQUANTIZE, LINEAR, QUANTIZE, ModelCase, quantize_and_lower
from quantized_graphs import Grid, Layer, QuantizedWeight
from test_quantized_linear import NOT_STATIC, REFUSED

CONFIG = EdgeCompileConfig(_check_ir_validity=False)
ADDMM = "aten.addmm.default"
on_cpu = partial(torch.softmax, dim=-1)
PER_CHANNEL = "quantized_decomposed.dequantize_per_channel.default"
OFF = "not on Vulkan"


def exported(module: nn.Module, *shape: int) -> torch.export.ExportedProgram:
    return torch.export.export(module.eval(), (torch.zeros(shape),))


def edge(module: nn.Module, *shape: int) -> Any:
    return to_edge(exported(module, *shape), compile_config=CONFIG)


def lowered(module: nn.Module, *shape: int, partitioner: Any = None) -> Any:
    return to_edge_transform_and_lower(
        exported(module, *shape),
        partitioner=[partitioner or VulkanPartitioner()],
        compile_config=CONFIG,
    )


class Two(nn.Module):
    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first = Layer(weight=QuantizedWeight(8, 8, seed=1))
        self.second = Layer(weight=QuantizedWeight(8, 8, seed=2), x_grid=Grid(0.1, -7))
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.between(self.first(x)))


NO_SOFTMAX = (
    "aten._softmax.default has no kernel here, so it runs on the CPU and parts the layers around "
    "it; README lists the ops that have one"
)
LAYER = [
    (QUANTIZE, QUANTIZE, ""),
    (DEQUANTIZE, LINEAR, ""),
    (PER_CHANNEL, LINEAR, ""),
    (ADDMM, LINEAR, ""),
    (QUANTIZE, LINEAR, ""),
    (DEQUANTIZE, DEQUANTIZE, ""),
]


def test_every_node_of_two_delegates() -> None:
    report = explain(edge(Two(on_cpu), 4, 8))
    wanted = [*LAYER, ("aten._softmax.default", OFF, NO_SOFTMAX), *LAYER]
    assert [(row.op, row.became, row.reason) for row in report] == wanted
    assert [row.delegate for row in report] == [*[0] * 6, None, *[1] * 6]
    assert {row.method for row in report} == {"forward"}
    assert [row.op for row in report.left_out] == ["aten._softmax.default"]


def test_lowered_and_not_lowered_programs_give_the_same() -> None:
    def key(row: Any) -> tuple[Any, ...]:
        return row.op, row.became, row.delegate, row.reason

    for between in (on_cpu, torch.sin, lambda x: x.reshape(2, 2, 8)):
        before = sorted(map(str, map(key, explain(edge(Two(between), 4, 8)))))
        assert before == sorted(map(str, map(key, explain(lowered(Two(between), 4, 8)))))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_layers_are_those_of_the_delegates(case: ModelCase) -> None:
    """What the report says of the linears is what the blobs hold, in the same delegates."""
    program = quantize_and_lower(case).program
    report = explain(program)
    assert all(bool(row.reason) == (row.delegate is None) for row in report)
    for index, delegate in enumerate(read_delegates(program)):
        layers = [name for name in delegate.op_names if "linear" in name]
        rows = [row for row in report if row.delegate == index and "quantize" not in row.op]
        assert [row.became for row in rows] == layers
        for name in (QUANTIZE, DEQUANTIZE):
            kept = sum(row.became == name and row.delegate == index for row in report)
            assert kept >= delegate.op_names.count(name)


WHY = {
    **{name: (build, shape) for name, (build, shape, _) in REFUSED.items()},
    **{name: (build, (4, 8)) for name, (build, _) in NOT_STATIC.items()},
}
REASONS = {
    "zero_points": "weight zero points are not all zero; quantize weights symmetrically",
    "per_tensor_zero_point": "weight zero points are not all zero; quantize weights symmetrically",
    "weight_dtype": "weight dtype is torch.uint8, not torch.int8; quantize it to int8",
    "axis": "weight is quantized along axis 1 of [N, K]; quantize it along axis 0",
    "per_group": "weight is quantized per group (torchao.dequantize_affine.default); quantize it "
    "per channel or per tensor",
    "stored_k_n": "weight is stored [K, N]; use nn.Linear, which stores [N, K]",
    "weight_not_constant": "weight is not a constant; make it a parameter, or a buffer that "
    "nothing writes",
    "activation_scale": "activation scale 1e-40 is not a positive normal float32; calibrate with "
    "inputs that are finite and not all zero",
    "output_range": "output quantize dtype is torch.int16, not int8; quantize activations to int8",
    "large_k": "K = 70000 is above 65536 and the weights do not rule out an int32 overflow; split "
    "the layer along K",
    "bias_not_constant": "bias is not a constant; make it a parameter, or a buffer that nothing "
    "writes",
    "bias_shape": "bias is not a vector of 6 values; give it one for each output channel",
    "addmm_alpha": "addmm with alpha = 2; multiply the weight or bias by it",
    "bmm": "bmm of batch 2: only a 2-D weight runs as an int8 layer; use linear, or leave it out "
    "of the quantization",
    "bmm_of_one": "bmm of batch 1: only a 2-D weight runs as an int8 layer; use linear, or leave "
    "it out of the quantization",
    "dynamic": "activation scale is computed at run time; quantize activations statically "
    "(is_dynamic=False)",
    "weight_only": "only the weight is quantized; quantize its input statically as well",
    "float": "it is not quantized; quantize its input and weight to run it on Vulkan",
}


@pytest.mark.parametrize("name", REASONS)
def test_reason_of_a_linear(name: str) -> None:
    build, shape = WHY[name]
    rows = [row for row in explain(edge(build(), *shape)) if "quantize" not in row.op]
    linears = [row for row in rows if row.op.split(".")[1] in ("addmm", "mm", "bmm")]
    assert [(row.became, row.reason) for row in linears] == [(OFF, REASONS[name])]


def test_its_quantizes_name_the_linear() -> None:
    weight = QuantizedWeight()
    weight.zeros[2] = 1
    report = explain(edge(Layer(weight=weight), 4, 8))
    wanted = f"it belongs to aten_addmm_default: {REASONS['zero_points']}"
    around = [row for row in report if row.op != ADDMM]
    assert [row.op for row in around] == [QUANTIZE, DEQUANTIZE, PER_CHANNEL, QUANTIZE, DEQUANTIZE]
    assert {row.reason for row in around} == {wanted}


def test_quantizes_without_a_layer() -> None:
    class Pairs(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Grid().round_trip(on_cpu(Grid(0.2).round_trip(x)))

    report = explain(edge(Pairs(), 4, 8))
    assert [row.op for row in report] == [QUANTIZE, DEQUANTIZE, QUANTIZE, DEQUANTIZE]
    assert {row.reason for row in report} == {
        "no int8 layer is next to it, only aten._softmax.default; quantize around layers that run "
        "on Vulkan, or leave this out of the quantization"
    }


def test_lists_of_the_partitioner() -> None:
    partitioner = VulkanPartitioner(nn_module_blocklist=["Layer"])
    report = explain(edge(Layer(), 4, 8), partitioner)
    assert {row.reason for row in report} == {"its module is in nn_module_blocklist"}
    again = explain(lowered(Layer(), 4, 8, partitioner=partitioner), partitioner)
    assert {row.reason for row in again} == {"its module is in nn_module_blocklist"}


def test_lowered_without_a_layer() -> None:
    class Blocked(Layer):
        pass

    module = nn.Sequential(Layer(weight=QuantizedWeight(8, 8)), Blocked())
    partitioner = VulkanPartitioner(nn_module_blocklist=["Blocked"])
    report = explain(lowered(module, 4, 8, partitioner=partitioner))
    linears = [(row.became, row.reason) for row in report if row.op == ADDMM]
    assert linears == [
        (LINEAR, ""),
        (OFF, "the program was lowered without it; lower it with VulkanPartitioner()"),
    ]


def test_another_backend_had_it() -> None:
    report = explain(lowered(Layer(), 4, 8, partitioner=XnnpackPartitioner()))
    [linear] = [row for row in report if "quantize" not in row.op]
    assert (linear.became, linear.delegate) == ("XnnpackBackend", None)
    assert linear.reason == (
        "XnnpackBackend took it; put VulkanPartitioner before that backend's partitioner in the "
        "list"
    )


def test_all_methods() -> None:
    methods = {"one": exported(Layer(), 1, 8), "many": exported(Layer(), 5, 8)}
    report = explain(to_edge(methods, compile_config=CONFIG))
    linears = [(row.method, row.became) for row in report if row.op == ADDMM]
    assert linears == [("many", LINEAR), ("one", "et_vk.q8ta_linear_gemv.default")]
    assert str(report).startswith("method")


def test_printed() -> None:
    lines = str(explain(edge(Two(on_cpu), 4, 8))).splitlines()
    assert [line.split()[:4] for line in lines[:5:4]] == [
        ["node", "op", "became", "delegate"],
        ["aten_addmm_default", ADDMM, LINEAR, "0"],
    ]
    assert lines[7].split(maxsplit=6)[5:] == ["-", NO_SOFTMAX]
    assert len(lines) == 14


def test_nothing_is_changed() -> None:
    program = edge(Layer(), 4, 8).exported_program()
    before, weights = str(program), {k: v.clone() for k, v in program.state_dict.items()}
    explain(program)
    assert str(program) == before
    assert all(torch.equal(program.state_dict[key], value) for key, value in weights.items())
    assert not any("delegation_tag" in node.meta for node in program.graph.nodes)


def test_the_partitioner_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="executorch_vulkan"):
        lowered(Two(on_cpu), 4, 8)
    [message] = [r.message for r in caplog.records if "what becomes" in r.message]
    assert message.splitlines()[1:] == str(explain(edge(Two(on_cpu), 4, 8))).splitlines()


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="got Linear"):
        explain(nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'ATEN', not 'EDGE'.*to_edge"):
        explain(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)).run_decompositions())
