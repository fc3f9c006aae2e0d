"""What becomes of every linear, quantize and dequantize of a program, and why some stay off Vulkan.

The rules are run on a copy of the graph, with stand-ins for the constants, and every node is
followed to the op that takes its place.
"""

from __future__ import annotations

import copy
import operator
from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from typing import Any

import torch
from executorch.backends.vulkan.patterns import fusable_patterns
from executorch.exir.memory import alloc
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ..partitioning.plan import PartitionPlan
from ..patterns.passes.dim_orders import as_row_major
from ..patterns.passes.uint8_activations import rewrite_uint8
from ..patterns.registration import WHOLE_GRAPH
from ..patterns.rules.linear_operands import has_quantized_operands
from ..patterns.steps import StepPlan, match_steps, rewrite_steps
from ..patterns.vocabulary.constants import Constants
from ..patterns.vocabulary.edge_ops import ALIAS_OPS, is_part, is_symint, op_name, op_of
from ..patterns.vocabulary.graph_edits import is_ours, mark_as_ours, why_in_float
from ..patterns.vocabulary.step import Step
from .reasons import is_layer, is_quantization, why_not
from .report import NOT_ON_VULKAN, Row


def rows_of_program(
    method: str, program: ExportedProgram, plan_for: Callable[[GraphModule], PartitionPlan]
) -> list[Row]:
    """The rows of a program that is not delegated yet.

    Args:
        plan_for: makes the plan for a graph module that stands for the program's own.
    """
    dry = _with_stand_ins(program)
    graph = dry.graph_module.graph
    plan = plan_for(dry.graph_module)
    partitions = [partition.nodes for partition in plan.partitions()]
    place = {node: index for index, nodes in enumerate(partitions) for node in nodes}
    nodes = [node for node in graph.nodes if node.op == "call_function"]
    outside = {node: rows_outside(method, node, place, plan.reason) for node in nodes}
    names = {node: op_name(node) for node in nodes}
    became = _run_rules(dry, plan.steps, place)
    rows = []
    for node in nodes:
        if node not in place:
            rows += outside[node]
        elif node in became:
            reason = plan.in_float.get(node, "")
            rows.append(Row(method, node.name, names[node], became[node], place[node], reason))
    return rows


def rows_outside(
    method: str, node: Node, delegated: Container[Node], reason: Callable[[Node], str | None]
) -> list[Row]:
    """The row of a node that stays off Vulkan, if it is listed or reads from or feeds a delegate.

    Args:
        delegated: nodes that run in delegates, or that call one.
        reason: why the partitioner left a node out, as far as it knows.
    """
    if node.op != "call_function" or node in delegated or is_symint(node) or node.target is alloc:
        return []
    if node.target is operator.getitem and not is_part(node):
        return []  # the op that it is a result of has the row
    beside = any(one in delegated or op_of(one) in delegated for one in _neighbours(node))
    if not beside and not is_listed(node):
        return []
    return [Row(method, node.name, op_name(node), NOT_ON_VULKAN, None, why_not(node, reason))]


def is_listed(node: Node) -> bool:
    """True for what a report always lists: layers, quantizes and dequantizes of any kind."""
    return is_layer(node) or is_quantization(node)


def _neighbours(node: Node) -> list[Node]:
    """What `node` reads, and who reads it or one of its results."""
    results = [user for user in node.users if user.target is operator.getitem]
    return [*node.all_input_nodes, *node.users, *(user for one in results for user in one.users)]


def rows_of_delegate(method: str, program: ExportedProgram, index: int) -> list[Row]:
    """The rows of a Vulkan delegate, given the program that it was made from."""
    dry = _with_stand_ins(program)
    graph = dry.graph_module.graph
    ours = [node for node in graph.nodes if is_ours(node)]
    names = {node: op_name(node) for node in graph.nodes if is_listed(node)}
    if ours:
        rewrite_uint8(Constants(dry), graph)
    plan = match_steps(graph, Constants(program)) if ours else StepPlan((), ())
    refused = {one.node: one.reason for one in plan.rejections if has_quantized_operands(one.node)}
    reasons = {node: why_in_float(node) or refused.get(node, "") for node in names}
    became = _run_rules(dry, plan.steps, ours)
    return [
        Row(method, node.name, name, became.get(node, name), index, reasons[node])
        for node, name in names.items()
    ]


def _run_rules(
    dry: ExportedProgram, steps: Iterable[Step], ours: Iterable[Node]
) -> dict[Node, str]:
    """For each listed node of `ours`, the operators that do its work when all rules are done.

    Changes the graph, and executes nothing.
    """
    graph = dry.graph_module.graph
    as_row_major(graph)
    listed = {node: op_name(node) for node in ours if is_listed(node)}
    for node in ours:
        mark_as_ours(node)
    known = set(graph.nodes)
    made: dict[Node, list[Node]] = defaultdict(list)

    def note(replaced: Iterable[Node]) -> None:
        new = [node for node in graph.nodes if node not in known]
        known.update(new)
        work = [node for node in new if node.op == "call_function" and not is_symint(node)]
        for node in replaced:
            made[node] += work

    constants = Constants(dry)
    for step in steps:
        rewrite_steps(constants, [step])
        note(step.nodes)
    # As executorch's FusePatternsPass does it.
    for node in graph.nodes:
        for name, entry in fusable_patterns.items():
            if not is_ours(node) or name == WHOLE_GRAPH:
                continue
            match = entry.detector_fn(node) if entry.detector_fn is not None else None
            if match is not None:
                assert entry.create_replacement_fn is not None
                entry.create_replacement_fn(dry, dry.graph_module, match)
                note(match.all_nodes)
    graph.eliminate_dead_code()
    alive = set(graph.nodes)

    def final(node: Node) -> list[Node]:
        if node in alive:
            return [node]
        return [end for new in made[node] for end in final(new)]

    found = {}
    for node, name in listed.items():
        ends = final(node)
        work = [end for end in ends if end.target not in ALIAS_OPS] or ends
        names = [name] if node in alive else map(op_name, work)
        if node in alive and constants.is_constant(node):
            names = []
        found[node] = ", ".join(dict.fromkeys(names)) or "folded away"
    return found


def _with_stand_ins(program: ExportedProgram) -> ExportedProgram:
    """A copy whose constants have one element in memory each."""

    def stand_in(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        zeros = torch.zeros((), dtype=value.dtype).expand(value.shape)
        is_parameter = isinstance(value, torch.nn.Parameter)
        return torch.nn.Parameter(zeros, requires_grad=False) if is_parameter else zeros

    graph_module = copy.deepcopy(program.graph_module)
    return ExportedProgram(
        root=graph_module,
        graph=graph_module.graph,
        graph_signature=copy.deepcopy(program.graph_signature),
        state_dict={name: stand_in(value) for name, value in program.state_dict.items()},
        range_constraints=program.range_constraints,
        module_call_graph=program.module_call_graph,
        constants={name: stand_in(value) for name, value in program.constants.items()},
        verifiers=[program.verifier],
    )
