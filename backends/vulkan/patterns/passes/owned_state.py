"""Buffers that a delegate keeps for itself, as ops of ours that read and assign state.

The partitioner tags such a buffer, and ExecuTorch's lowering then gives the delegate's program the
buffer and its mutation, and takes both from the program outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import Graph, Node

from ...custom_ops import ASSIGN_STATE, STATE
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import sizes_of
from ..vocabulary.graph_edits import call_after, mark_as_ours


def take_states(program: ExportedProgram, graph: Graph) -> None:
    """Make `et_vk.state` of each buffer that the delegate's program mutates, and
    `et_vk.assign_state` of each mutation, which then is no output any more."""
    signature = program.graph_signature
    inputs = {spec.target: spec.arg.name for spec in signature.input_specs}
    placeholders = {node.name: node for node in graph.find_nodes(op="placeholder")}
    output = graph.output_node()
    results = cast(Sequence[Node], output.args[0])
    taken: list[tuple[Node, Node]] = []
    left: list[Node] = []
    specs = []
    for spec, value in zip(signature.output_specs, results, strict=True):
        if spec.kind == OutputKind.BUFFER_MUTATION:
            taken.append((placeholders[inputs[spec.target]], value))
        else:
            left.append(value)
            specs.append(spec)
    if not taken:
        return
    output.args = (tuple(left),)
    signature.output_specs[:] = specs
    # Nothing writes the placeholders any more: they are constants now.
    constants = Constants(program)
    for buffer, value in taken:
        _take(constants, graph, buffer, value)


def _take(constants: Constants, graph: Graph, buffer: Node, value: Node) -> None:
    readers = list(buffer.users)
    initial = constants.as_placeholder(graph, "state", buffer, _one_of_equals)
    last = next(node for node in graph.nodes if node.op != "placeholder").prev
    state = call_after(graph, last, STATE, (list(sizes_of(buffer)), initial))
    mark_as_ours(state)
    buffer.replace_all_uses_with(state, delete_user_cb=lambda user: user in readers)
    value = state if value is buffer else value
    place = value if value.op != "placeholder" else state
    mark_as_ours(call_after(graph, max(place, state), ASSIGN_STATE, (state, value)))


def _one_of_equals(values: torch.Tensor) -> torch.Tensor:
    """One element where all are the same, bit by bit, else all of them."""
    elements = values.contiguous().reshape(-1, 1).view(torch.uint8)
    if len(elements) > 1 and bool((elements == elements[:1]).all()):
        return values.reshape(-1)[:1]
    return values
