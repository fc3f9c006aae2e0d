"""A dequantize of its own for each op that reads one, in an ATen program.

Then the one of an op that another backend runs can stay outside of our delegate, while a layer of
ours takes its own along. Weights are so in any case, with the moves behind their dequantize: each
layer takes them, in int8 or as float32, whatever becomes of the other. Most quantizers do this
themselves; graphs written by hand do not.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import is_dequantize
from ..vocabulary.graph_edits import copy_program, edited_copy


def own_dequantizes(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where no dequantize is read twice, or else a copy in which none is."""
    return edited_copy(program, _shared_readers, lambda node: _part(node, _shared_readers(node)))


def own_weights(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where no dequantized constant is read twice, or else a copy in which none
    is."""
    if not any(len(node.users) > 1 for node in _weights(program)):
        return program
    copied = copy_program(program)
    # Backwards: each move that is made anew reads what is in front of it.
    for node in reversed(_weights(copied)):
        _part(node, _all_but_one(node))
    copied.graph_module.recompile()
    return copied


def _weights(program: ExportedProgram) -> list[Node]:
    """Dequantizes of constants, and what is computed from one such node alone."""
    constants = Constants(program)
    found: dict[Node, None] = {}
    for node in program.graph.nodes:
        if is_dequantize(node):
            is_weight = constants.is_constant(node)
        else:
            [*sources] = node.all_input_nodes
            is_weight = len(sources) == 1 and sources[0] in found and node.op == "call_function"
        if is_weight:
            found[node] = None
    return list(found)


def _part(node: Node, readers: list[Node]) -> None:
    """Let each of `readers` read a copy of `node`."""
    assert callable(node.target)
    for reader in readers:
        with node.graph.inserting_after(node):
            own = node.graph.call_function(node.target, node.args, dict(node.kwargs))
        own.meta = dict(node.meta)
        reader.replace_input_with(node, own)


def _shared_readers(node: Node) -> list[Node]:
    """Who reads a static dequantize besides its first reader or the program's output."""
    if str(node.target) != "quantized_decomposed.dequantize_per_tensor.default":
        return []
    assert isinstance(node.target, torch._ops.OpOverload)
    return _all_but_one(node)


def _all_but_one(node: Node) -> list[Node]:
    """Who reads `node` besides its first reader or the program's output."""
    keeps = next((user for user in node.users if user.op == "output"), next(iter(node.users), None))
    return [user for user in node.users if user is not keeps]
