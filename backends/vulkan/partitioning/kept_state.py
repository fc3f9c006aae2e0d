"""Buffers that some method of a program writes: state that is kept between calls.

ExecuTorch's methods may share it by name, so what one of them writes is no constant of another.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node


def written_buffers(program: ExportedProgram) -> frozenset[str]:
    """The names of buffers that an ATen program writes in place, or as its signature says."""
    buffers = program.graph_signature.inputs_to_buffers
    names = set(program.graph_signature.buffers_to_mutate.values())
    for node in program.graph.nodes:
        names |= {
            buffers[one.name] for one in map(_memory_of, _written(node)) if one.name in buffers
        }
    return frozenset(names)


def _written(node: Node) -> list[Node]:
    """The arguments that an op writes to."""
    if not isinstance(node.target, torch._ops.OpOverload) or not node.target._schema.is_mutable:
        return []
    found: list[Any] = []
    for index, argument in enumerate(node.target._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = node.args[index] if index < len(node.args) else node.kwargs.get(argument.name)
            found += value if isinstance(value, (list, tuple)) else [value]
    return [one for one in found if isinstance(one, Node)]


def _memory_of(node: Node) -> Node:
    """What a tensor is a view of."""
    while node.op == "call_function" and _is_view(node):
        node = node.all_input_nodes[0]
    return node


def _is_view(node: Node) -> bool:
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, torch._ops.OpOverload) or not node.all_input_nodes:
        return False
    return any(result.alias_info is not None for result in node.target._schema.returns)
