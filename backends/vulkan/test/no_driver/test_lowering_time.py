"""Work that lowering does once, or once for each node: calls are counted, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from executorch.backends.vulkan.patterns import fusable_patterns, rope, rope_hf
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torch.fx import Graph, Node

import executorch_vulkan
from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.partitioning.levels import group_by_level
from executorch_vulkan.patterns import registration
from executorch_vulkan.patterns.vocabulary.constants import Constants
from executorch_vulkan.patterns.vocabulary.graph_edits import mark_as_ours
from executorch_vulkan.program import read_delegates
from on_cpu import on_cpu
from quantized_graphs import Grid, QuantizedWeight

OUT = Grid(0.1, 0)


class Layers(nn.Module):
    """Int8 linears, with an op that stays on the CPU behind each where they are `cut`."""

    def __init__(self, count: int, cut: bool) -> None:
        super().__init__()
        self.weights = nn.ModuleList(QuantizedWeight(8, 8, seed) for seed in range(count))
        self.cut = cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for weight in self.weights:
            x = OUT.round_trip(nn.functional.linear(OUT.round_trip(x), weight()))
            x = on_cpu(x) if self.cut else x
        return x


def export(count: int, cut: bool) -> torch.export.ExportedProgram:
    return torch.export.export(Layers(count, cut).eval(), (torch.randn(2, 8),))


def lower_exported(exported: torch.export.ExportedProgram) -> int:
    """The number of delegates."""
    return len(
        read_delegates(to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()]))
    )


def lower(count: int) -> int:
    """The number of delegates."""
    return lower_exported(export(count, cut=True))


def own_calls(work: Callable[[], Any]) -> int:
    """How many calls `work` makes of this package's Python functions."""
    own = str(Path(executorch_vulkan.__file__).parent)
    calls = 0

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(own)

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(False, id="layers"),
        pytest.param(True, id="delegates", marks=pytest.mark.all),
    ],
)
def test_own_work_grows_linearly(cut: bool) -> None:
    """Fixed work makes it grow less than fourfold, work for pairs of layers more."""
    small, large = export(5, cut), export(20, cut)
    few = own_calls(lambda: lower_exported(small))
    many = own_calls(lambda: lower_exported(large))
    assert few > 1000
    assert many <= 4.2 * few, many / few


@pytest.mark.parametrize(("pattern", "module"), [("export_llama_rope", rope), ("hf_rope", rope_hf)])
def test_pattern_graphs_are_traced_once(
    pattern: str, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = []
    traced = module.export

    def export(*args: Any, **kwargs: Any) -> Any:
        traces.append(args)
        return traced(*args, **kwargs)

    monkeypatch.setattr(module, "export", export)
    graphs_of: Any = fusable_patterns[pattern].get_graphs_fn
    graphs_of.cache_clear()
    assert lower(2) == 2
    assert lower(1) == 1
    assert len(traces) == len(graphs_of()) > 0


def test_a_constant_is_computed_once_however_many_read_it() -> None:
    """Each of these sums reads the one before twice: 2^60 of them, without what is kept."""

    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first
            for _ in range(60):
                y = y + y
            return x * y

    program = torch.export.export(Sums(), (torch.ones(3),))
    [product] = program.graph.find_nodes(
        op="call_function", target=torch.ops.aten.mul.Tensor, sort=False
    )
    assert torch.equal(Constants(program).value(product.args[1]), torch.full((3,), 2.0**60))


def test_every_pattern_graph_is_kept() -> None:
    entries = [entry for entry in fusable_patterns.values() if entry.get_graphs_fn is not None]
    assert entries
    for entry in entries:
        first, second = entry.get_graphs_fn(), entry.get_graphs_fn()
        assert [id(graph) for graph in first] == [id(graph) for graph in second]


def calls_of(function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    def counted(*args: Any) -> Any:
        calls.append(args)
        return function(*args)

    monkeypatch.setattr(registration, function.__name__, counted)
    return calls


@pytest.mark.parametrize("size", [50, 500])
def test_a_node_does_not_look_through_the_graph(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph()
    inputs = [graph.placeholder(f"p{index}") for index in range(size)]
    ops = [graph.call_function(torch.relu, (one,)) for one in inputs]
    for op in ops:
        mark_as_ours(op)
    calls = calls_of(registration.is_ours, monkeypatch)
    found = [node for node in graph.nodes if registration._match_whole_graph(node) is not None]
    assert found == ops[:1]
    assert len(calls) <= 5 * size


class CountedGraph:
    """A graph that counts how often its nodes are walked through."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.walks = 0

    @property
    def nodes(self) -> Any:
        self.walks += 1
        return self._graph.nodes


@pytest.mark.parametrize("delegates", [2, 40])
def test_levels_take_a_fixed_number_of_walks(delegates: int) -> None:
    """Each unit has a part that could come first and one that waits for the CPU."""
    graph = Graph()
    units: list[list[Node]] = []
    early = [graph.call_function(torch.relu, (), name=f"early{i}") for i in range(delegates)]
    last: tuple[Node, ...] = ()
    for index in reversed(range(delegates)):
        late = graph.call_function(torch.add, (*last, early[index]), name=f"late{index}")
        units.append([early[index], late])
        # What comes next waits for the early part alone, which waits for the late one.
        last = (graph.call_function(torch.neg, (early[index],), name=f"cpu{index}"),)
    graph.output(last)
    counted = CountedGraph(graph)
    groups = group_by_level(counted, units, [])  # type: ignore[arg-type]
    assert len(groups) == delegates
    assert counted.walks <= 6
