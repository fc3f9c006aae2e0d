"""The operators of ExecuTorch's backend test suite: their tests, and what of their programs is on
Vulkan in each flow. docs/operators.md is made of it."""

from __future__ import annotations

import importlib
import itertools
import operator
import pkgutil
import unittest
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch
from executorch.backends.test.harness import Tester
from executorch.backends.test.suite.flow import TestFlow
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.exir import EdgeCompileConfig, to_edge
from torch import nn
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.patterns.vocabulary.edge_ops import is_symint, op_name
from executorch_vulkan.reporting.reasons import noted

FOLDER = "executorch.backends.test.suite.operators"

Inputs = tuple[torch.Tensor, ...]
Quantize = Callable[[nn.Module, Inputs, Any], nn.Module]


def float32(module: nn.Module, inputs: Inputs, dynamic_shapes: Any) -> nn.Module:
    return module


def static_int8(is_per_channel: bool) -> Quantize:
    """Static int8 by XNNPACKQuantizer, calibrated on the inputs."""

    def quantize(module: nn.Module, inputs: Inputs, dynamic_shapes: Any) -> nn.Module:
        exported = torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes)
        config = get_symmetric_quantization_config(is_per_channel=is_per_channel)
        prepared = prepare_pt2e(exported.module(), XNNPACKQuantizer().set_global(config))
        prepared(*inputs)
        return convert_pt2e(prepared)

    return quantize


FLOWS: Mapping[str, Quantize] = {
    "float32": float32,
    "int8 per channel": static_int8(True),
    "int8 per tensor": static_int8(False),
}


@dataclass(frozen=True)
class Planned:
    """What becomes of one program.

    Attributes:
        delegates: how many there are.
        left: the ops outside of them, with the reason of each.
    """

    delegates: int
    left: tuple[tuple[str, str], ...]


def operators() -> list[str]:
    """The names of all operators that the suite has tests of."""
    modules = pkgutil.iter_modules(importlib.import_module(FOLDER).__path__)
    return [one.name.removeprefix("test_") for one in modules if one.name.startswith("test_")]


def cases_of(module: ModuleType) -> Iterator[tuple[str, partial[None]]]:
    """Each test of the module with each value of its parameters, but for those skipped there."""
    for name in (name for name in dir(module) if name.startswith("test_")):
        function = getattr(module, name)
        marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
        values = (mark.args[1] for mark in marks)
        for chosen in itertools.product(*values):
            given = {mark.args[0]: value for mark, value in zip(marks, chosen, strict=True)}
            yield name, partial(function, **given)


def run_tests(
    name: str, make_runner: Callable[[], Any], ends_only: bool = False
) -> Iterator[tuple[str, Any]]:
    """Of an operator, each test's name and its runner afterwards, which has lower_and_run_model.

    Args:
        ends_only: only the first and the last test.
    """
    cases = list(cases_of(importlib.import_module(f"{FOLDER}.test_{name}")))
    for test, function in [cases[0], *cases[1:][-1:]] if ends_only else cases:
        runner = make_runner()
        try:
            function(runner)
        except unittest.SkipTest:
            continue
        yield test, runner


class PlanningRunner:
    """Partitions in one flow, and makes no delegates.

    Attributes:
        programs: what became of each.
    """

    # Tests of classes ask for it, and read nothing of it.
    _flow = TestFlow("executorch_vulkan", backend="vulkan", tester_factory=Tester)

    def __init__(self, flow: str) -> None:
        self.programs: list[Planned] = []
        self._quantize = FLOWS[flow]

    def lower_and_run_model(
        self,
        model: nn.Module,
        inputs: Inputs,
        generate_random_test_inputs: bool = True,
        dynamic_shapes: Any = None,
    ) -> None:
        try:
            model(*inputs)
        except RuntimeError:
            return  # some models of the suite do not take their inputs
        prepared = self._quantize(model.eval(), inputs, dynamic_shapes)
        exported = torch.export.export(prepared, inputs, dynamic_shapes=dynamic_shapes)
        self.programs.append(planned(exported))


def planned(program: ExportedProgram) -> Planned:
    """What of a program would be on Vulkan, by the steps of to_edge_transform_and_lower."""
    partitioner = VulkanPartitioner()
    transformed = partitioner.transform_for_pre_decomposition(program)
    config = EdgeCompileConfig(_check_ir_validity=False)
    edge = to_edge(transformed, compile_config=config).exported_program()
    tags = partitioner.partition(edge).partition_tags
    left = []
    for node in edge.graph.nodes:
        is_op = node.op == "call_function" and node.target is not operator.getitem
        if is_op and "delegation_tag" not in node.meta and not is_symint(node):
            why = noted(node)
            left.append((op_name(node), "" if why is None else why.reason))
    return Planned(len(tags), tuple(left))


def planned_tests(name: str, flow: str, ends_only: bool) -> list[Planned]:
    """What became of each program of an operator's tests, or of the first and the last one."""
    runners = run_tests(name, lambda: PlanningRunner(flow), ends_only)
    return [program for _, runner in runners for program in runner.programs]
