"""What becomes of every linear, quantize and dequantize of a program, and why some stay off Vulkan.

The rules are run on a copy of the graph, with stand-ins for the constants, and every node is
followed to the op that takes its place.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from executorch.backends.vulkan.patterns import fusable_patterns
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from .partition_plan import PartitionPlan
from .patterns.constants import Constants
from .patterns.edge_ops import ALIAS_OPS, LINEAR_OPS, TRANSPOSE_OPS, is_symint, op_name
from .patterns.graph_edits import is_ours, mark_as_ours
from .patterns.registration import WHOLE_GRAPH
from .patterns.steps import Step, match_steps, rewrite_steps
from .patterns.uint8_activations import rewrite_uint8
from .supported_ops import SUPPORTED, refusal

NOT_ON_VULKAN = "not on Vulkan"


@dataclass(frozen=True)
class Row:
    """What became of one node.

    Attributes:
        method: of the program, such as "forward".
        node: its name in the edge graph.
        op: its operator, such as "aten.addmm.default".
        became: the operator that does its work in the delegate, "not on Vulkan", or the name of
            another backend.
        delegate: number of the Vulkan delegate in the method, None outside of them.
        reason: for a node that is not on Vulkan: why, and what to change.
    """

    method: str
    node: str
    op: str
    became: str
    delegate: int | None
    reason: str


@dataclass(frozen=True)
class Report:
    """The rows of all methods in graph order; prints as a table."""

    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def left_out(self) -> tuple[Row, ...]:
        """The rows of nodes that are not on Vulkan."""
        return tuple(row for row in self.rows if row.reason)

    def __str__(self) -> str:
        names = [field.name for field in fields(Row)]
        if len({row.method for row in self.rows}) < 2:
            names.remove("method")
        cells = [names]
        for row in self.rows:
            values = (getattr(row, name) for name in names)
            cells.append(["-" if value in (None, "") else str(value) for value in values])
            cells[-1] = [cell.removeprefix("quantized_decomposed.") for cell in cells[-1]]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        widths[-1] = 0  # the last column may be long
        lines = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
        return "\n".join(lines)


def is_listed(node: Node) -> bool:
    """True for what a report always lists: linears, quantizes and dequantizes of any kind."""
    if node.op != "call_function":
        return False
    return node.target in LINEAR_OPS or "quantize" in op_name(node).removeprefix(
        "quantized_decomposed."
    )


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
            rows.append(Row(method, node.name, names[node], became[node], place[node], ""))
    return rows


def rows_outside(
    method: str, node: Node, delegated: Container[Node], reason: Callable[[Node], str | None]
) -> list[Row]:
    """The row of a node that stays off Vulkan, if it is listed or reads from or feeds a delegate.

    Args:
        delegated: nodes that run in delegates, or that call one.
        reason: why the partitioner left a node out, as far as it knows.
    """
    if node.op != "call_function" or node in delegated or is_symint(node):
        return []
    beside = any(other in delegated for other in (*node.all_input_nodes, *node.users))
    if not beside and not is_listed(node):
        return []
    return [Row(method, node.name, op_name(node), NOT_ON_VULKAN, None, _why_not(node, reason))]


def rows_of_delegate(method: str, program: ExportedProgram, index: int) -> list[Row]:
    """The rows of a Vulkan delegate, given the program that it was made from."""
    dry = _with_stand_ins(program)
    graph = dry.graph_module.graph
    ours = [node for node in graph.nodes if is_ours(node)]
    names = {node: op_name(node) for node in graph.nodes if is_listed(node)}
    if ours:
        rewrite_uint8(dry, dry.graph_module)
    steps = match_steps(graph, Constants(program)).steps if ours else ()
    became = _run_rules(dry, steps, ours)
    return [
        Row(method, node.name, name, became.get(node, name), index, "")
        for node, name in names.items()
    ]


def _why_not(node: Node, reason: Callable[[Node], str | None]) -> str:
    if known := reason(node):
        return known
    if not is_listed(node) and (problem := refusal(node)):
        return problem
    readers, sources = _ends(node, "users"), _ends(node, "all_input_nodes")
    for linear in (*readers, *sources):
        if linear.target in LINEAR_OPS and (known := reason(linear)):
            return f"it belongs to {linear.name}: {known}"
    if node.target in SUPPORTED and (problem := refusal(node)):
        return problem
    others = [op_name(end) for end in (*sources, *readers) if end.op == "call_function"]
    around = ", ".join(dict.fromkeys(others)) or "inputs and outputs of the program"
    return (
        f"no int8 layer is next to it, only {around}; quantize around layers that run on Vulkan, "
        "or leave this out of the quantization"
    )


def _ends(node: Node, direction: str) -> list[Node]:
    """The nodes that `node` reaches in one direction through quantizes, views and transposes."""
    found: dict[Node, None] = {}
    queue = list(getattr(node, direction))
    while queue:
        end = queue.pop(0)
        passes = is_listed(end) and end.target not in LINEAR_OPS
        if passes or end.target in ALIAS_OPS | TRANSPOSE_OPS:
            queue.extend(getattr(end, direction))
        elif end.op == "call_function":
            found[end] = None
    return list(found)


def _run_rules(
    dry: ExportedProgram, steps: Iterable[Step], ours: Iterable[Node]
) -> dict[Node, str]:
    """For each listed node of `ours`, the operators that do its work when all rules are done.

    Changes the graph, and executes nothing.
    """
    graph = dry.graph_module.graph
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

    for step in steps:
        rewrite_steps(dry, dry.graph_module, [step])
        note(step.inner_nodes)
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
        module_call_graph=copy.deepcopy(program.module_call_graph),
        constants={name: stand_in(value) for name, value in program.constants.items()},
        verifiers=[program.verifier],
    )
