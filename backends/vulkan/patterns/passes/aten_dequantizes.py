"""A dequantize of its own for each op that reads one, in an ATen program.

Then the one of an op that another backend runs can stay outside of our delegate, while a layer of
ours takes its own along. Most quantizers do this themselves; graphs written by hand do not.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.graph_edits import edited_copy


def own_dequantizes(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where no dequantize is read twice, or else a copy in which none is."""
    return edited_copy(program, _shared_readers, _part)


def _part(node: Node) -> None:
    assert callable(node.target)
    for reader in _shared_readers(node):
        with node.graph.inserting_after(node):
            own = node.graph.call_function(node.target, node.args, dict(node.kwargs))
        own.meta = dict(node.meta)
        reader.replace_input_with(node, own)


def _shared_readers(node: Node) -> list[Node]:
    """Who reads a static dequantize besides its first reader or the program's output."""
    if str(node.target) != "quantized_decomposed.dequantize_per_tensor.default":
        return []
    assert isinstance(node.target, torch._ops.OpOverload)
    keeps = next((user for user in node.users if user.op == "output"), next(iter(node.users), None))
    return [user for user in node.users if user is not keeps]
