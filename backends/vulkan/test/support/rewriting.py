"""Apply our rules to a whole edge program and run the result on the CPU, by exact references."""

from __future__ import annotations

from typing import Any

import torch
from executorch.backends.vulkan._passes.fuse_patterns import FusePatternsPass
from torch import nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter

from executorch_vulkan import custom_ops
from executorch_vulkan.patterns.vocabulary.graph_edits import mark_as_ours
from quantized_graphs import edge_program


def rewrite(program: ExportedProgram, ours: bool = True) -> GraphModule:
    """Apply the rules to the whole program, as if it were one partition."""
    for node in program.graph.nodes:
        if ours and node.op == "call_function":
            mark_as_ours(node)
    rules = FusePatternsPass()
    rules._exported_program = program
    return rules(program.graph_module).graph_module


class _Exact(Interpreter):
    """Runs our ops by their exact reference."""

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        return super().call_function(custom_ops.REFERENCES.get(target, target), args, kwargs)


def run(graph_module: GraphModule, program: ExportedProgram, *inputs: torch.Tensor) -> Any:
    tables = program.graph_signature
    names = {
        **tables.inputs_to_parameters,
        **tables.inputs_to_buffers,
        **tables.inputs_to_lifted_tensor_constants,
    }
    constants = {**program.state_dict, **program.constants}
    given_inputs = iter(inputs)
    placeholders = graph_module.graph.find_nodes(op="placeholder")
    values = [
        constants[names[node.name]] if node.name in names else next(given_inputs)
        for node in placeholders
    ]
    with torch.no_grad():
        results = _Exact(graph_module).run(*values)
    return results[0] if len(results) == 1 else results


def names(graph_module: GraphModule) -> list[str]:
    return [node.target.__name__ for node in graph_module.graph.nodes if node.op == "call_function"]


def rewritten(module: nn.Module, *shape: int) -> tuple[list[str], Any, Any]:
    """(op names, result of the rewritten graph, result of the module)."""
    return rewritten_program(edge_program(module, *shape), module, *shape)


def rewritten_program(
    program: ExportedProgram, module: nn.Module, *shape: int
) -> tuple[list[str], Any, Any]:
    """The same of the module's edge program, which is changed."""
    graph_module = rewrite(program)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3)) * 3
    return names(graph_module), run(graph_module, program, x), module(x)


def assert_within_a_step(
    result: torch.Tensor, wanted: torch.Tensor, step: float, equal: float = 0.995
) -> None:
    difference = (result - wanted).abs()
    assert float(difference.max()) <= step * 1.001
    assert float((difference < step / 2).float().mean()) >= equal
