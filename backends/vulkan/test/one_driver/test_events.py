"""What ExecuTorch's Inspector shows of our delegates: a row an op, with the model's own modules."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from executorch.devtools import Inspector
from executorch.devtools.inspector import Event
from executorch.exir import EdgeCompileConfig, ExecutorchProgramManager
from executorch.exir import to_edge_transform_and_lower as lower
from executorch.runtime import Runtime

from executorch_vulkan import VulkanPartitioner
from on_cpu import on_cpu
from quantized_graphs import Grid, Layer, QuantizedWeight

EXECUTIONS = 3


class Chain(torch.nn.Module):
    """Two layers with `between` between them."""

    def __init__(self, between: torch.nn.Module | None = None) -> None:
        super().__init__()
        self.first = Layer(weight=QuantizedWeight(96, 64))
        self.between = between or torch.nn.Identity()
        self.second = Layer(weight=QuantizedWeight(32, 96), x_grid=Grid(0.1, -7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.between(self.first(x)))


class Run:
    """A program's executions under ExecuTorch's event tracer."""

    def __init__(self, programs: dict[str, torch.export.ExportedProgram], folder: Path) -> None:
        edge = lower(
            programs,
            partitioner=[VulkanPartitioner()],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
            generate_etrecord=True,
        )
        self.program: ExecutorchProgramManager = edge.to_executorch()
        self.folder = folder

    def inspect(self, method: str, inputs: Sequence[torch.Tensor]) -> Inspector:
        program = Runtime.get().load_program(bytes(self.program.buffer), enable_etdump=True)
        loaded = program.load_method(method)
        for _ in range(EXECUTIONS):
            loaded.execute(list(inputs))
        etdump, record = self.folder / f"{method}.etdump", self.folder / "etrecord.bin"
        program.write_etdump_result_to_file(str(etdump), str(self.folder / "debug.bin"))
        if len(self.program.methods) > 1:  # the Inspector can't read a record of several
            return Inspector(etdump_path=str(etdump))
        self.program.get_etrecord().save(str(record))
        return Inspector(etdump_path=str(etdump), etrecord=str(record))


def events_of(inspector: Inspector, block: str = "Execute") -> list[Event]:
    return [event for one in inspector.event_blocks if one.name == block for event in one.events]


def delegated(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.is_delegated_op]


def ops(events: Sequence[Event]) -> list[Event]:
    return [
        event for event in delegated(events) if isinstance(event.delegate_debug_identifier, int)
    ]


def modules_of(event: Event) -> str:
    return str(event.module_hierarchy)


def check_sums(events: Sequence[Event]) -> None:
    calls = [event for event in events if event.name == "DELEGATE_CALL"]
    assert calls
    whole = sum(sum(event.perf_data.raw) for event in calls)
    parts = sum(sum(event.perf_data.raw) for event in delegated(events))
    assert parts == pytest.approx(whole, rel=0.05)


@pytest.fixture
def chain(tmp_path: Path) -> Run:
    exported = torch.export.export(Chain().eval(), (torch.zeros(64, 64),))
    return Run({"forward": exported}, tmp_path)


def test_a_row_an_op_with_its_module(chain: Run) -> None:
    events = events_of(chain.inspect("forward", [torch.randn(64, 64)]))
    rows = ops(events)
    assert len(rows) >= 3
    assert all(len(row.perf_data.raw) == EXECUTIONS for row in rows)
    layers = [row for row in rows if any("addmm" in op for op in row.op_types)]
    assert ["first" in modules_of(row) for row in layers] == [True, False]
    assert ["second" in modules_of(row) for row in layers] == [False, True]
    # A fused layer stands for all that was fused into it.
    assert all(any("quantize" in op for op in row.op_types) for row in layers)
    check_sums(events)


def test_what_the_host_does_are_rows(chain: Run) -> None:
    inspector = chain.inspect("forward", [torch.randn(64, 64)])
    names = [event.delegate_debug_identifier for event in delegated(events_of(inspector))]
    assert {"copy in", "submit and wait", "tell the tracer", "copy out"} <= set(names)
    loads = [
        event.delegate_debug_identifier
        for block in inspector.event_blocks
        for event in block.events
        if str(event.delegate_debug_identifier).startswith("load: ")
    ]
    assert loads == [
        "load: device",
        "load: read",
        "load: nodes and memory",
        "load: constants",
        "load: pipelines and recording",
        "load: self-check",
    ]


def test_two_delegates(tmp_path: Path) -> None:
    """With an op between them that stays on the CPU."""
    exported = torch.export.export(Chain(Sums()).eval(), (torch.zeros(64, 64),))
    events = events_of(
        Run({"forward": exported}, tmp_path).inspect("forward", [torch.ones(64, 64)])
    )
    assert len([event for event in events if event.name == "DELEGATE_CALL"]) == 2
    layers = [row for row in ops(events) if any("addmm" in op for op in row.op_types)]
    assert ["first" in modules_of(row) for row in layers] == [True, False]
    check_sums(events)


class Sums(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return on_cpu(x)


def test_new_sizes(tmp_path: Path) -> None:
    sizes = ({0: torch.export.Dim("rows", max=64)},)
    exported = torch.export.export(Chain().eval(), (torch.zeros(8, 64),), dynamic_shapes=sizes)
    run = Run({"forward": exported}, tmp_path)
    for rows in (64, 5):
        events = events_of(run.inspect("forward", [torch.randn(rows, 64)]))
        assert len([row for row in ops(events) if any("addmm" in op for op in row.op_types)]) == 2
        check_sums(events)


def test_two_methods(tmp_path: Path) -> None:
    model = Chain().eval()
    programs = {
        name: torch.export.export(copy.deepcopy(model), (torch.zeros(rows, 64),))
        for name, rows in (("forward", 4), ("again", 64))
    }
    run = Run(programs, tmp_path)
    for name, rows in (("forward", 4), ("again", 64)):
        events = events_of(run.inspect(name, [torch.randn(rows, 64)]))
        told = [json.loads(row.raw_delegate_debug_metadatas[0]) for row in ops(events)]
        linears = [one for one in told if "linear" in one["op"]]
        assert [one["outputs"] for one in linears] == [[[rows, 96]], [[rows, 32]]]
        check_sums(events)


def test_without_a_tracer_the_results_are_the_same(chain: Run) -> None:
    x = torch.randn(64, 64)
    results: list[Any] = []
    for traced in (False, True, False):
        program = Runtime.get().load_program(bytes(chain.program.buffer), enable_etdump=traced)
        method = program.load_method("forward")
        results.append([method.execute([x])[0].clone() for _ in range(2)])
    first = results[0][0]
    assert all(torch.equal(first, one) for runs in results for one in runs)
