"""VulkanPartitioner: what it delegates, what it leaves, and the reasons it gives."""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.exir import EdgeCompileConfig, to_edge, to_edge_transform_and_lower
from executorch.exir.dialects._ops import ops as exir_ops
from executorch.exir.lowered_backend_module import get_lowered_submodules
from torch import nn
from torch.fx import Graph, Node

from blob_interpreter import run_lowered
from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.partitioning.levels import CyclicUnitError, group_by_level
from executorch_vulkan.program import read_delegates
from model_cases import DEQUANTIZE, GEMV, LINEAR, QUANTIZE, VIEW
from on_cpu import on_cpu
from quantized_graphs import Grid, Layer, QuantizedWeight

OUT = Grid(0.1, -7)
CHAIN = (QUANTIZE, LINEAR, DEQUANTIZE)
# Of a layer that int8 refuses.
ROUNDED = "et_vk.q8ta_dequantize.default"
IN_FLOAT = (QUANTIZE, ROUNDED, "aten.linear.default", QUANTIZE, ROUNDED)
# An op that stays on the CPU.
ADDMM = exir_ops.edge.aten.addmm.default


def lower(
    module: nn.Module,
    *shape: int,
    partitioner: VulkanPartitioner | None = None,
    dynamic_shapes: Any = None,
) -> Any:
    """(lowered program, partitioner)."""
    partitioner = partitioner or VulkanPartitioner()
    exported = torch.export.export(
        module.eval(), (torch.zeros(shape),), dynamic_shapes=dynamic_shapes
    )
    config = EdgeCompileConfig(_check_ir_validity=False)
    program = to_edge_transform_and_lower(
        exported, partitioner=[partitioner], compile_config=config
    )
    return program, partitioner


def chains(program: Any) -> list[tuple[str, ...]]:
    return [delegate.op_names for delegate in read_delegates(program)]


def reasons(partitioner: VulkanPartitioner) -> list[str]:
    return [rejection.reason for rejection in partitioner.rejections]


class TwoLayers(nn.Module):
    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first = Layer(weight=QuantizedWeight(8, 8, seed=1))
        self.second = Layer(weight=QuantizedWeight(8, 8, seed=2))
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.between(self.first(x)))


class TestOptions:
    def test_force_fp16_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="force_fp16"):
            VulkanPartitioner({"force_fp16": True})

    @pytest.mark.parametrize("op", [ADDMM, torch.ops.aten.addmm.default])
    def test_operator_blocklist(self, op: Any) -> None:
        program, partitioner = lower(
            Layer(), 4, 8, partitioner=VulkanPartitioner(operator_blocklist=[op])
        )
        assert chains(program) == []
        assert reasons(partitioner) == ["aten.addmm.default is in operator_blocklist"]

    def test_operator_allowlist(self) -> None:
        # The quantize and dequantize around the layer are ops of their own.
        program, _ = lower(Layer(), 4, 8, partitioner=VulkanPartitioner(operator_allowlist=[ADDMM]))
        assert chains(program) == [(LINEAR,)]

    def test_module_lists(self) -> None:
        blocked = VulkanPartitioner(nn_module_blocklist=["Layer"])
        assert chains(lower(Layer(), 4, 8, partitioner=blocked)[0]) == []
        assert set(reasons(blocked)) == {"its module is in nn_module_blocklist"}
        allowed = VulkanPartitioner(nn_module_allowlist=["Layer"])
        assert chains(lower(Layer(), 4, 8, partitioner=allowed)[0]) == [CHAIN]
        other = VulkanPartitioner(nn_module_allowlist=["Attention"])
        assert chains(lower(Layer(), 4, 8, partitioner=other)[0]) == []
        assert reasons(other) == ["its module is not in nn_module_allowlist"]

    def test_ops_of_steps_are_listed_too(self) -> None:
        """A blocked activation or add stays off Vulkan; the layer before it does not."""
        module = TwoLayers(torch.nn.functional.gelu)
        gelu = exir_ops.edge.aten.gelu.default
        blocked = VulkanPartitioner(operator_blocklist=[gelu])
        assert chains(lower(module, 4, 8, partitioner=blocked)[0]) == [CHAIN, CHAIN]
        assert "aten.gelu.default is in operator_blocklist" in reasons(blocked)
        program, _ = lower(module, 4, 8)
        assert [chain.count("et_vk.q8ta_linear.bounded") for chain in chains(program)] == [1]

    def test_layouts_are_chosen_only_for_what_the_stock_runtime_can_run(self) -> None:
        def keys(shape: tuple[int, ...]) -> list[str]:
            program, _ = lower(Layer(), *shape)
            graph_module = program.exported_program().graph_module
            ((_, module, _),) = get_lowered_submodules(graph_module)
            return [spec.key for spec in module.compile_specs]

        assert keys((4, 8)) == []
        assert keys((2, 3, 8)) == ["skip_tag_memory_metadata"]


class TestValues:
    """Preconditions on what the weights hold, which lowering hides behind fake tensors."""

    @staticmethod
    def bad_layer() -> nn.Module:
        weight = QuantizedWeight()
        weight.zeros[2] = 1
        return Layer(weight=weight)

    def test_zero_points(self) -> None:
        program, partitioner = lower(self.bad_layer(), 4, 8)
        assert chains(program) == [IN_FLOAT] and reasons(partitioner) == []
        [row] = explain(program).in_float
        assert row.reason.startswith("weight zero points are not all zero")

    def test_large_k(self) -> None:
        weight = QuantizedWeight(2, 70_000)
        weight.weight.fill_(127)
        program, _ = lower(Layer(weight=weight, x_grid=Grid(0.05, -128)), 1, 70_000)
        assert chains(program) == [IN_FLOAT] and "K = 70000" in explain(program).in_float[0].reason

    def test_large_k_that_is_safe(self) -> None:
        weight = QuantizedWeight(2, 70_000)
        weight.weight.fill_(1)
        program, _ = lower(Layer(weight=weight), 2, 70_000)
        assert chains(program) == [CHAIN]

    def test_a_partitioner_used_twice_trusts_neither_program_with_the_other(self) -> None:
        modules = [self.bad_layer(), Layer()]  # kept, for a partitioner keeps no values alive
        for first, second in (modules, modules[::-1]):
            partitioner = VulkanPartitioner()
            for module in (first, second):
                program, _ = lower(module, 4, 8, partitioner=partitioner)
                wanted = IN_FLOAT if module is modules[0] else CHAIN
                assert chains(program) == [wanted]

    def edge(self, module: nn.Module) -> Any:
        exported = torch.export.export(module.eval(), (torch.zeros(4, 8),))
        return to_edge(exported, compile_config=EdgeCompileConfig(_check_ir_validity=False))

    def test_to_backend(self) -> None:
        assert chains(self.edge(Layer()).to_backend(VulkanPartitioner())) == [CHAIN]

    def test_to_backend_finds_a_bad_layer_late(self, caplog: pytest.LogCaptureFixture) -> None:
        module = self.bad_layer()
        with caplog.at_level(logging.WARNING, logger="executorch_vulkan"):
            program = self.edge(module).to_backend(VulkanPartitioner())
        [chain] = chains(program)
        assert [name for name in chain if "clone" not in name] == list(IN_FLOAT)
        x = torch.randn(4, 8)
        assert float((run_lowered(program, (x,))[0] - module(x)).abs().max()) <= OUT.scale * 1.001
        [message] = [r.message for r in caplog.records if r.name.startswith("executorch_vulkan")]
        assert "1 of 1 quantized layers run on Vulkan in float32" in message
        assert "weight zero points are not all zero" in message
        [row] = explain(program).in_float
        assert row.reason.startswith("weight zero points are not all zero")


class TestBoundaries:
    def test_a_chain_without_a_step_is_left_alone(self) -> None:
        class Pairs(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return OUT.round_trip(on_cpu(Grid().round_trip(x))).reshape(2, -1)

        assert chains(lower(Pairs(), 4, 8)[0]) == []

    def test_quantization_of_other_ops_is_left_alone(self) -> None:
        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = Layer()

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = on_cpu(Grid(0.2).round_trip(x))
                return self.layer(on_cpu(Grid(0.3).round_trip(x)))

        assert chains(lower(Model(), 4, 8)[0]) == [CHAIN]

    @pytest.mark.parametrize(
        "between", [lambda x: x.reshape(2, -1), lambda x: x], ids=["view", "requantize"]
    )
    def test_views_and_requantizing_alone_are_left_alone(self, between: Any) -> None:
        class Model(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return OUT.round_trip(between(Grid().round_trip(x)))

        assert chains(lower(Model(), 4, 8)[0]) == []

    @pytest.mark.parametrize("between", [torch.sin, torch.t], ids=["table", "move"])
    def test_a_step_without_a_layer_is_delegated(self, between: Any) -> None:
        class Model(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return Grid().round_trip(between(Grid().round_trip(x)))

        [chain] = chains(lower(Model(), 4, 8)[0])
        assert len(chain) == 3 and (chain[0], chain[-1]) == (QUANTIZE, DEQUANTIZE)

    def test_consecutive_layers_are_one_delegate(self) -> None:
        program, _ = lower(TwoLayers(lambda x: x), 4, 8)
        # The second layer's own quantize is on another grid, so it stays.
        assert len(chains(program)) == 1

    def test_an_op_between_makes_two(self) -> None:
        module = TwoLayers(on_cpu)
        program, _ = lower(module, 4, 8)
        assert chains(program) == [CHAIN, CHAIN]
        x = torch.randn(4, 8)
        assert float((run_lowered(program, (x,))[0] - module(x)).abs().max()) <= OUT.scale * 1.001

    def test_a_residual_around_the_cpu_keeps_layers_whole(self) -> None:
        class Residual(nn.Module):
            """One dequantized tensor read by two layers and, between them, by the CPU."""

            def __init__(self) -> None:
                super().__init__()
                self.first, self.second = QuantizedWeight(8, 8), QuantizedWeight(8, 8, seed=1)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = Grid().round_trip(x)
                y = OUT.round_trip(nn.functional.linear(x, self.first()))
                z = Grid().round_trip(on_cpu(x) + y)
                return OUT.round_trip(nn.functional.linear(z, self.second())) + x

        module = Residual()
        program, _ = lower(module, 4, 8)
        assert len(chains(program)) == 2
        assert sum(chain.count(LINEAR) for chain in chains(program)) == 2
        x = torch.randn(4, 8)
        assert float((run_lowered(program, (x,))[0] - module(x)).abs().max()) <= OUT.scale * 1.001

    def test_a_residual_around_the_cpu_is_unfolded(self) -> None:
        """Layer and add would be one step, but what the add reads comes from the CPU and from
        the input that the layer shares with others."""

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = QuantizedWeight(8, 8)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = Grid().round_trip(x)
                y = OUT.round_trip(nn.functional.linear(x, self.weight()))
                z = Grid(0.3).round_trip(on_cpu(torch.sin(x)))
                return OUT.round_trip(y + z)

        module = Model()
        program, partitioner = lower(module, 4, 8)
        names = [name for chain in chains(program) for name in chain]
        assert LINEAR in names and "et_vk.q8ta_binary.default" in names
        assert not reasons(partitioner)
        x = torch.randn(4, 8)
        assert float((run_lowered(program, (x,))[0] - module(x)).abs().max()) <= OUT.scale * 1.001

    def test_a_weight_that_is_also_wanted_in_float(self) -> None:
        class Shared(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = QuantizedWeight(8, 8)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                weight = self.weight()
                y = OUT.round_trip(nn.functional.linear(Grid().round_trip(x), weight))
                return y + weight

        module, x = Shared(), torch.randn(8, 8)
        program, _ = lower(module, 8, 8)
        [chain] = chains(program)
        assert LINEAR in chain and "aten.add.Tensor" in chain
        assert float((run_lowered(program, (x,))[0] - module(x)).abs().max()) <= OUT.scale * 1.001

        exported = torch.export.export(module, (x,))
        edge = to_edge(exported, compile_config=EdgeCompileConfig(_check_ir_validity=False))
        partitioner = VulkanPartitioner()
        assert chains(edge.to_backend(partitioner)) == []
        assert any(
            reason.startswith("its dequantized weight or bias is also read by ")
            for reason in reasons(partitioner)
        )

    def test_dynamic_size_without_bound(self) -> None:
        program, partitioner = lower(Layer(), 4, 8, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        assert chains(program) == []
        assert "has no upper bound" in reasons(partitioner)[0]

    @pytest.mark.parametrize("between", [on_cpu, lambda x: x])
    def test_sizes_across_delegates(self, between: Any) -> None:
        """Views in two delegates that need the same dynamic sizes."""

        class Views(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first = Layer(weight=QuantizedWeight(16, 8))
                self.second = Layer(weight=QuantizedWeight(6, 8, seed=2))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                batch, length, _ = x.shape
                y = between(self.first(x).view(batch, length, 2, 8))
                return self.second(y).view(batch, length, 12)

        dims = ({0: torch.export.Dim("a", max=9), 1: torch.export.Dim("b", max=9)},)
        module = Views()
        program, _ = lower(module, 2, 3, 8, dynamic_shapes=dims)
        names = [name for chain in read_delegates(program) for name in chain.op_names]
        # Between them, the first one's epilogue goes over to the second one's grid.
        layers = [name for name in names if name.startswith("et_vk.q8ta_linear.")]
        assert len(layers) == 2
        for shape in ((2, 3, 8), (1, 9, 8), (9, 1, 8)):
            x = torch.randn(shape)
            result = run_lowered(program, (x,))[0]
            assert float((result - module(x)).abs().max()) <= OUT.scale * 1.001

    def test_several_methods(self) -> None:
        methods = {
            name: torch.export.export(Layer().eval(), (torch.zeros(rows, 8),))
            for name, rows in {"one": 1, "many": 5}.items()
        }
        config = EdgeCompileConfig(_check_ir_validity=False)
        program = to_edge_transform_and_lower(
            methods, partitioner=[VulkanPartitioner()], compile_config=config
        )
        assert read_delegates(program, "many")[0].op_names == CHAIN
        assert GEMV in read_delegates(program, "one")[0].op_names

    def test_view_of_the_input_only(self) -> None:
        program, _ = lower(TwoLayers(lambda x: x.reshape(2, 2, 8)), 4, 8)
        assert sum(chain.count(VIEW) for chain in chains(program)) == 1


def toy_graph(edges: dict[str, str]) -> dict[str, Node]:
    """Nodes named by one letter, in order; each value lists the letters that it reads."""
    graph = Graph()
    nodes: dict[str, Node] = {}
    for name, sources in edges.items():
        nodes[name] = graph.call_function(torch.add, tuple(nodes[s] for s in sources), name=name)
    graph.output(tuple(nodes.values()))
    return nodes


def groups(edges: dict[str, str], units: list[str], singles: str) -> list[str]:
    nodes = toy_graph(edges)
    graph = next(iter(nodes.values())).graph
    found = group_by_level(
        graph, [[nodes[name] for name in unit] for unit in units], {nodes[n] for n in singles}
    )
    return ["".join(node.name for node in group) for group in found]


def test_moves_of_more_dimensions_than_kernels_have_stay_on_the_cpu() -> None:
    def turned(y: torch.Tensor) -> torch.Tensor:
        return OUT.round_trip(OUT.round_trip(y).reshape([2] * 9).permute(*reversed(range(9))))

    partitioner = VulkanPartitioner()
    module = Layer(weight=QuantizedWeight(8, 8), after=turned)
    program = lower(module, 64, 8, partitioner=partitioner)[0]
    [delegate] = read_delegates(program)
    assert LINEAR in delegate.op_names and "aten.permute_copy.default" not in delegate.op_names
    assert any("9 dimensions" in rejection.reason for rejection in partitioner.rejections)


class TestLevels:
    def test_a_chain(self) -> None:
        assert groups({"a": "", "b": "a", "c": "b"}, [], "abc") == ["abc"]

    def test_the_cpu_cuts(self) -> None:
        assert groups({"a": "", "b": "a", "c": "b"}, [], "ac") == ["a", "c"]

    def test_independent_branches_are_one_group(self) -> None:
        assert groups({"a": "", "b": "a", "x": "", "y": "x"}, [], "abxy") == ["abxy"]

    def test_a_branch_around_the_cpu(self) -> None:
        # d reads a directly and through the CPU's b: joining a and d would make a cycle.
        assert groups({"a": "", "b": "a", "d": "ab"}, [], "ad") == ["a", "d"]

    def test_a_unit_waits_for_its_last_input(self) -> None:
        edges = {"a": "", "b": "a", "m": "", "n": "mb"}
        assert groups(edges, ["mn"], "a") == ["a", "mn"]

    def test_units_that_share_a_node(self) -> None:
        edges = {"s": "", "m": "s", "n": "s"}
        assert groups(edges, ["sm", "sn"], "") == ["smn"]

    def test_a_single_goes_to_its_only_reader(self) -> None:

        graph = Graph()
        early = graph.call_function(torch.add, (), name="q")
        first = graph.call_function(torch.add, (), name="a")
        cpu = graph.call_function(torch.add, (first,), name="b")
        last = graph.call_function(torch.add, (early, cpu), name="d")
        graph.output(last)
        found = group_by_level(graph, [[first], [last]], {early})
        assert [[node.name for node in group] for group in found] == [["a"], ["q", "d"]]

    @pytest.mark.parametrize("is_waited_for", [True, False])
    def test_results_stay_with_their_op(self, is_waited_for: bool) -> None:
        """They are delayed with it, or not at all: a delegate gives tensors, no lists."""
        graph = Graph()
        start = graph.call_function(torch.add, (), name="a")
        cpu = graph.call_function(torch.add, (start,), name="b")
        pair = graph.call_function(torch.topk, (start,), name="t")
        first, second = (graph.call_function(operator.getitem, (pair, i)) for i in (0, 1))
        early = graph.call_function(torch.add, (first,), name="e")
        late = graph.call_function(torch.add, (second, cpu), name="l")
        graph.output((cpu if is_waited_for else early, early, late))
        own = {start, pair, first, second, late, *(() if is_waited_for else (early,))}
        found = group_by_level(graph, [], own)
        assert {pair, first, second} <= set(found[0]) and late in found[1]

    def test_a_unit_that_feeds_itself_through_the_cpu(self) -> None:
        with pytest.raises(CyclicUnitError):
            groups({"m": "", "b": "m", "n": "b"}, ["mn"], "")
