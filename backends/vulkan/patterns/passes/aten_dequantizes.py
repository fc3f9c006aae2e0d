"""A dequantize of its own for each op that reads one, in an ATen program.

Then the one of an op that another backend runs can stay outside of our delegate, while a layer of
ours takes its own along. Most quantizers do this themselves; graphs written by hand do not.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.graph_edits import copy_program


def own_dequantizes(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where no dequantize is read twice, or else a copy in which none is."""
    if not any(map(_shared_readers, program.graph.nodes)):
        return program
    copied = copy_program(program)
    graph = copied.graph
    for node in list(graph.nodes):
        for reader in _shared_readers(node):
            with graph.inserting_after(node):
                own = graph.call_function(node.target, node.args, dict(node.kwargs))
            own.meta = dict(node.meta)
            reader.replace_input_with(node, own)
    copied.graph_module.recompile()
    return copied


def _shared_readers(node: Node) -> list[Node]:
    """Who reads a static dequantize besides its first reader or the program's output."""
    if str(node.target) != "quantized_decomposed.dequantize_per_tensor.default":
        return []
    assert isinstance(node.target, torch._ops.OpOverload)
    keeps = next((user for user in node.users if user.op == "output"), next(iter(node.users), None))
    return [user for user in node.users if user is not keeps]
