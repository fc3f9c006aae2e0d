"""explain(): what it says that each node becomes, and the reasons that it gives."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig, to_edge, to_edge_transform_and_lower
from test_quantized_linear import NOT_STATIC, REFUSED
from torch import nn

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import read_delegates
from executorch_vulkan.reporting.report import Report, Row
from model_cases import (
    CONV_CLAMPED,
    DEQUANTIZE,
    LINEAR,
    QUANTIZE,
    ModelCase,
    each_case,
    quantize_and_lower,
)
from on_cpu import ON_CPU, on_cpu
from quantized_graphs import Grid, Layer, QuantizedWeight

CONFIG = EdgeCompileConfig(_check_ir_validity=False)
ADDMM = "aten.addmm.default"
PER_CHANNEL = "quantized_decomposed.dequantize_per_channel.default"
OFF = "not on Vulkan"


Shape = tuple[int, ...]


def exported(module: nn.Module, *shapes: Shape) -> torch.export.ExportedProgram:
    return torch.export.export(module.eval(), tuple(torch.zeros(shape) for shape in shapes))


def edge(module: nn.Module, *shape: int) -> Any:
    return to_edge(exported(module, shape), compile_config=CONFIG)


def lowered(module: nn.Module, *shape: int, partitioner: Any = None) -> Any:
    return lowered_for(module, shape, partitioner=partitioner)


def lowered_for(module: nn.Module, *shapes: Shape, partitioner: Any = None) -> Any:
    return to_edge_transform_and_lower(
        exported(module, *shapes),
        partitioner=[partitioner or VulkanPartitioner()],
        compile_config=CONFIG,
    )


class Parts(nn.Module):
    """Modules that have nothing to do with each other, each on an input of its own: what takes a
    program a module takes one for all."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        # Not by their bare names, for some are those of a module's attributes.
        self.parts = nn.ModuleDict({f"part {name}": part for name, part in parts.items()})

    def forward(self, *inputs: torch.Tensor) -> list[Any]:
        return [part(x) for part, x in zip(self.parts.values(), inputs, strict=True)]


class Reports:
    """Of Parts, before and after they are lowered."""

    def __init__(self, modules: Mapping[str, tuple[nn.Module, Shape]]) -> None:
        parts = Parts({name: module for name, (module, _) in modules.items()})
        shapes = [shape for _, shape in modules.values()]
        program = to_edge(exported(parts, *shapes), compile_config=CONFIG)
        self.program = lowered_for(parts, *shapes)
        self.before, self.after = explain(program), explain(self.program)
        self._part = {
            node.name: path.split(".")[1].removeprefix("part ")
            for node in program.exported_program().graph.nodes
            if node.op == "call_function"
            for path, _ in list(node.meta["nn_module_stack"].values())[1:2]
        }

    def of(self, name: str, report: Report) -> list[Row]:
        return [row for row in report if self._part[row.node] == name]


class Two(nn.Module):
    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first = Layer(weight=QuantizedWeight(8, 8, seed=1))
        self.second = Layer(weight=QuantizedWeight(8, 8, seed=2), x_grid=Grid(0.1, -7))
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.between(self.first(x)))


NO_KERNEL = (
    f"{ON_CPU} has no kernel here, so it runs on the CPU and parts the layers around it; README "
    "lists the ops that have one"
)
LAYER = [
    (QUANTIZE, QUANTIZE, ""),
    (DEQUANTIZE, LINEAR, ""),
    (PER_CHANNEL, LINEAR, ""),
    (ADDMM, LINEAR, ""),
    (QUANTIZE, LINEAR, ""),
    (DEQUANTIZE, DEQUANTIZE, ""),
]


@cache
def two_delegates() -> Report:
    return explain(edge(Two(on_cpu), 4, 8))


def test_every_node_of_two_delegates() -> None:
    report = two_delegates()
    wanted = [*LAYER, (ON_CPU, OFF, NO_KERNEL), *LAYER]
    assert [(row.op, row.became, row.reason) for row in report] == wanted
    assert [row.delegate for row in report] == [*[0] * 6, None, *[1] * 6]
    assert {row.method for row in report} == {"forward"}
    assert [row.op for row in report.left_out] == [ON_CPU]


def test_lowered_and_not_lowered_programs_give_the_same() -> None:
    def key(row: Any) -> tuple[Any, ...]:
        return row.op, row.became, row.delegate, row.reason

    betweens = {"cpu": on_cpu, "sin": torch.sin, "reshape": lambda x: x.reshape(2, 2, 8)}
    reports = Reports({name: (Two(between), (4, 8)) for name, between in betweens.items()})
    assert len(reports.before) > 3 * 12
    before = sorted(map(str, map(key, reports.before)))
    assert before == sorted(map(str, map(key, reports.after)))


class Delegated(nn.Module):
    """A layer that becomes a delegate, so that what is beside it is in a lowered program."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Layer(weight=QuantizedWeight(8, 8))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.layer(x)
        return y, on_cpu(y)


class On(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def quantized_bmm(x: torch.Tensor) -> torch.Tensor:
    return Grid().round_trip(torch.bmm(Grid().round_trip(x), Grid(0.1).round_trip(x)))


# No quantized layers, so they run in float32 without a word.
IN_FLOAT: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "products": (On(lambda x: torch.bmm(x, x)), (2, 8, 8)),
    **{name: (NOT_STATIC[name][0](), (4, 8)) for name in ("weight_only", "float")},
}
CONVOLUTION = "aten.convolution.default"
OF_THREE_DIMENSIONS = (
    "it is a convolution of 3 dimensions; here one of three runs if its sizes but the batch are "
    "fixed, and to_edge_transform_and_lower lowers it"
)


class Volume(nn.Module):
    """A convolution that to_edge() leaves without a kernel here."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x[None, None, None]).view(x.shape)


OUTSIDE: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "norm": (On(lambda x: Grid().round_trip(nn.functional.layer_norm(x, (8,)))), (4, 8)),
    "float_mean": (On(lambda x: on_cpu(x).mean(-1)), (4, 8)),
    "foreign": (On(lambda x: Grid().round_trip(on_cpu(Grid(0.1).round_trip(x)))), (4, 8)),
    "cheap": (
        On(lambda x: on_cpu(Grid(0.1).round_trip(torch.sin(Grid().round_trip(on_cpu(x)))))),
        (4, 8),
    ),
    "conv": (On(lambda x: nn.functional.conv1d(x[None], x[:, :4, None])[0]), (4, 8)),
}
# In float32, since int8 refuses them; all but one, which float32 refuses too.
WHY: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "quantized_bmm": (On(quantized_bmm), (2, 8, 8)),
    **{name: (build(), shape) for name, (build, shape, _) in REFUSED.items()},
}


@cache
def with_reasons() -> Reports:
    return Reports({"delegated": (Delegated(), (1, 8)), **OUTSIDE, **WHY})


@pytest.mark.parametrize("name", [*OUTSIDE, *WHY])
def test_reasons_do_not_change_by_lowering(name: str) -> None:
    reports = with_reasons()

    def key(row: Any) -> tuple[Any, ...]:
        return row.node, row.op, row.became, row.delegate, row.reason

    before = reports.of(name, reports.before)
    assert before
    after = reports.of(name, reports.after)
    assert sorted(map(str, map(key, before))) == sorted(map(str, map(key, after)))


def test_reasons_do_not_change_by_to_executorch() -> None:
    """Which changes the graph in place, names of nodes too."""
    reports = with_reasons()
    reports.program.to_executorch()
    reasons = {row.reason for row in reports.before}
    assert {row.reason for row in explain(reports.program)} == reasons
    assert len(reasons) > len(OUTSIDE) + len(REASONS) - 1


@each_case()
def test_layers_are_those_of_the_delegates(case: ModelCase) -> None:
    """What the report says of the linears is what the blobs hold, in the same delegates."""
    program = quantize_and_lower(case).program
    report = explain(program)
    assert all(bool(row.reason) == (row.delegate is None) for row in report)
    for index, delegate in enumerate(read_delegates(program)):
        names = (name.replace(CONV_CLAMPED, CONVOLUTION) for name in delegate.op_names)
        layers = [name for name in names if "linear" in name or "conv" in name]
        rows = [row for row in report if row.delegate == index and "quantize" not in row.op]
        assert [row.became for row in rows] == layers
        for name in (QUANTIZE, DEQUANTIZE):
            kept = sum(row.became == name and row.delegate == index for row in report)
            assert kept >= delegate.op_names.count(name)


REASONS = {
    "zero_points": "weight zero points are not all zero; quantize weights symmetrically",
    "per_tensor_zero_point": "weight zero points are not all zero; quantize weights symmetrically",
    "weight_dtype": "weight dtype is torch.uint8, not torch.int8; quantize it to int8",
    "axis": "weight is quantized along axis 1, which K = 8 is part of; quantize it along its "
    "output channels, N = 8",
    "per_group": "weight is quantized per group (torchao.dequantize_affine.default); quantize it "
    "per channel or per tensor",
    "weight_not_constant": "weight is not a constant: "
    "quantized_decomposed_quantize_per_tensor_default quantizes it at run time; leave products "
    "of activations out of the quantization, or make it a parameter and fold its quantize with "
    "convert_pt2e(..., fold_quantize=True)",
    "activation_scale": "activation scale 1e-40 is not a positive normal float32; calibrate with "
    "inputs that are finite and not all zero",
    "output_range": "output quantize dtype is torch.int16, not int8; quantize activations to int8",
    "large_k": "K = 70000 is above 65536 and the weights do not rule out an int32 overflow; split "
    "the layer along K",
    "bias_not_constant": "bias is not a constant; make it a parameter, or a buffer that nothing "
    "writes",
    "bias_shape": "bias has the shape [4, 6]; give it one value for each of 6 channels",
    "addmm_alpha": "addmm with alpha = 2; multiply the weight or bias by it",
}


@pytest.mark.parametrize("name", REASONS)
def test_reason_of_a_linear(name: str) -> None:
    reports = with_reasons()
    rows = reports.of(name, reports.before)
    [linear] = [row for row in rows if row.op.split(".")[1] in ("addmm", "mm", "bmm")]
    runs = name != "addmm_alpha"
    assert linear.became == (linear.op if runs else OFF)
    assert linear in (reports.before.in_float if runs else reports.before.left_out)
    assert re.sub(r"_default_\d+", "_default", linear.reason) == REASONS[name]


@cache
def in_float() -> Reports:
    return Reports(IN_FLOAT)


@pytest.mark.parametrize("name", IN_FLOAT)
def test_products_that_are_no_int8_layers_run_in_float(name: str) -> None:
    reports = in_float()
    for report in (reports.before, reports.after):
        rows = reports.of(name, report)
        [row] = [row for row in rows if row.op.split(".")[1] in ("addmm", "mm", "bmm")]
        assert (row.became, row.delegate, row.reason) == (row.op, 0, "")


FLOAT_REASONS: dict[str, tuple[Callable[[torch.Tensor], Any], str, str]] = {
    "of uint8": (
        lambda x: torch.relu(x.to(torch.uint8)),
        "aten.relu.default",
        "dim_order_ops__to_dim_order_copy_default is uint8, and this op runs here on float32; "
        "convert it before",
    ),
    "function": (
        torch.erfinv,
        "aten.erfinv.default",
        "aten.erfinv.default runs here in int8 only, and this one is float; quantize what it reads "
        "(aten__cdist_forward_default) and its result",
    ),
}


class NextToALayer(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.layer, self.is_behind = Layer(weight=QuantizedWeight(8, 8)), name != "function"
        self.function = FLOAT_REASONS[name][0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_behind:
            return self.function(self.layer(x))
        return self.layer(self.function(on_cpu(x)))


@cache
def float_ops() -> Reports:
    return Reports({name: (NextToALayer(name), (2, 8, 8)) for name in FLOAT_REASONS})


@pytest.mark.parametrize("name", FLOAT_REASONS)
def test_reason_of_a_float_op(name: str) -> None:
    _, op, reason = FLOAT_REASONS[name]
    for report in (float_ops().before, float_ops().after):
        rows = [row for row in float_ops().of(name, report) if row.op == op]
        assert [(row.became, row.reason) for row in rows] == [(OFF, reason)]
        assert not [row for row in report if row.op == "getitem"]
        assert "executorch_call_delegate" not in str(report)


def test_a_layer_outside_has_its_own_row() -> None:
    report = explain(edge(nn.Sequential(Volume(), nn.Softmax(-1)), 4, 8))
    [row] = [row for row in report if "convolution" in row.op]
    assert row.became == OFF and row.reason == OF_THREE_DIMENSIONS


def test_its_quantizes_name_the_linear() -> None:
    partitioner = VulkanPartitioner(operator_blocklist=[torch.ops.aten.addmm.default])
    report = explain(edge(Layer(), 4, 8), partitioner)
    wanted = "it belongs to aten_addmm_default: aten.addmm.default is in operator_blocklist"
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
        f"no int8 layer is next to it, only {ON_CPU}; quantize around layers that run on "
        "Vulkan, or leave this out of the quantization"
    }


def test_lists_of_the_partitioner() -> None:
    partitioner = VulkanPartitioner(nn_module_blocklist=["Layer"])
    report = explain(edge(Layer(), 4, 8), partitioner)
    assert {row.reason for row in report} == {"its module is in nn_module_blocklist"}
    again = explain(lowered(Layer(), 4, 8, partitioner=partitioner), partitioner)
    assert {row.reason for row in again} == {"its module is in nn_module_blocklist"}


class Blocked(nn.Sequential):
    """For the lists of a partitioner."""


def test_lowered_without_a_layer() -> None:
    module = nn.Sequential(Layer(weight=QuantizedWeight(8, 8)), Blocked(Layer()))
    partitioner = VulkanPartitioner(nn_module_blocklist=["Blocked"])
    report = explain(lowered(module, 4, 8, partitioner=partitioner))
    linears = [(row.became, row.reason) for row in report if row.op == ADDMM]
    assert linears == [
        ("et_vk.q8ta_linear.bounded", ""),  # requantized for the next one
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
    methods = {"one": exported(Layer(), (1, 8)), "many": exported(Layer(), (5, 8))}
    report = explain(to_edge(methods, compile_config=CONFIG))
    linears = [(row.method, row.became) for row in report if row.op == ADDMM]
    assert linears == [("many", LINEAR), ("one", "et_vk.q8ta_linear_gemv.default")]
    assert str(report).startswith("method")


def test_printed() -> None:
    lines = str(two_delegates()).splitlines()
    assert [line.split()[:4] for line in lines[:5:4]] == [
        ["node", "op", "became", "delegate"],
        ["aten_addmm_default", ADDMM, LINEAR, "0"],
    ]
    assert lines[7].split(maxsplit=6)[5:] == ["-", NO_KERNEL]
    assert lines[14:] == [
        "",
        "12 of 13 nodes are on Vulkan, in 2 delegates; 1 is not:",
        f"  1  {NO_KERNEL}",
    ]


def test_a_long_report_is_readable() -> None:
    rows = [
        row
        for index in range(80)
        for row in (
            Row("forward", f"aten_addmm_default_{index}", ADDMM, LINEAR, index, ""),
            Row("forward", f"aten_cat_{index}", "aten.cat.default", OFF, None, f"dtype {index}"),
            Row("forward", f"q_{index}", QUANTIZE, OFF, None, f"it belongs to a_{index}: r" * 90),
            *([Row("forward", "c", "aten.convolution.default", OFF, None, "no kernel")][index:]),
            Row("forward", f"q_{index}", DEQUANTIZE, OFF, None, f"it belongs to a_{index}: rest"),
        )
    ]
    report = Report(tuple(rows))
    assert len(report) > 300 and len(report.table().splitlines()) == 1 + len(rows)
    table, note, summary = str(report).split("\n\n")
    assert len(table.splitlines()) == 1 + 5 and max(map(len, table.splitlines())) < 200
    assert any(
        line.split()[:3] == ["1", "c", "aten.convolution.default"] for line in table.splitlines()
    )
    assert "0 to 79" in table and "report.table()" in note
    assert summary.splitlines()[0] == "80 of 321 nodes are on Vulkan, in 80 delegates; 241 are not:"
    counts = [int(line.split()[0]) for line in summary.splitlines()[1:]]
    assert counts == [80, 80, 80, 1]
    assert report.reasons[0] == ("dtype 0", 80) and ("rest", 80) in report.reasons


def test_reasons_are_counted_by_kind() -> None:
    layers = [Layer(weight=QuantizedWeight(8, 8, seed=seed)) for seed in range(4)]
    for layer in layers[2:]:
        layer.weight.zeros[0] = 1
    blocked = VulkanPartitioner(nn_module_blocklist=["Blocked"])
    module = nn.Sequential(*layers[2:], Volume(), *map(Blocked, layers[:2]))
    report = explain(edge(module, 4, 8), blocked)
    # Six nodes a layer.
    assert report.reasons == (
        ("its module is in nn_module_blocklist", 12),
        (OF_THREE_DIMENSIONS, 1),
    )
    assert str(report).splitlines()[-2:] == [
        "2 quantized layers run in float32:",
        f"  2  {REASONS['zero_points']}",
    ]


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
    assert message.splitlines()[1:] == str(two_delegates()).splitlines()


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="got Linear"):
        explain(nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'ATEN', not 'EDGE'.*to_edge"):
        explain(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)).run_decompositions())
