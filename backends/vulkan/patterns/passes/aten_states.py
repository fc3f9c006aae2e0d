"""New values of buffers as nodes of their own, in the ATen program.

ExecuTorch lets a delegate keep a buffer only where the buffer's new value is nothing else that the
program gives: no result of the method, and no other buffer's value. Copies make it so; inside the
delegate they cost nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind, TensorArgument
from torch.fx import Node

from ..vocabulary.graph_edits import copy_program

_COPY = torch.ops.aten.copy_.default
_CLONE = torch.ops.aten.clone.default


def values_of_their_own(program: ExportedProgram, written: Collection[str]) -> ExportedProgram:
    """`program` itself, or a copy with such copies.

    Args:
        written: the names of buffers that the program writes.
    """
    if not written:
        return program
    program = copy_program(program)
    buffers = program.graph_signature.inputs_to_buffers
    states = {
        node
        for node in program.graph.find_nodes(op="placeholder")
        if buffers.get(node.name) in written
    }
    for node in program.graph.find_nodes(op="call_function", target=_COPY):
        source = node.args[1]
        if node.args[0] in states and source.op != "placeholder" and len(source.users) > 1:
            node.replace_input_with(source, _clone(source, node))
    output = program.graph.output_node()
    results: list[Any] = list(output.args[0])
    for spec, (index, node) in zip(
        program.graph_signature.output_specs, enumerate(results), strict=True
    ):
        is_result = spec.kind == OutputKind.USER_OUTPUT and isinstance(node, Node)
        if is_result and _written_in_place(node) in states:
            results[index] = _clone(node, output)
            spec.arg = TensorArgument(name=results[index].name)
    output.args = (tuple(results),)
    program.graph_module.recompile()
    return program


def _written_in_place(node: Node) -> Node:
    """What ops that write in place, and nothing else, have made `node` of."""
    while isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable:
        first = node.args[0] if node.args else None
        if not isinstance(first, Node):
            break
        node = first
    return node


def _clone(node: Node, before: Node) -> Node:
    with before.graph.inserting_before(before):
        clone = before.graph.call_function(_CLONE, (node,))
    clone.meta = {key: value for key, value in node.meta.items() if key != "tensor_meta"}
    return clone
