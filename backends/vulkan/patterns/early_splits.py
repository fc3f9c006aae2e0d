"""Splits as slices before ExecuTorch sees them, where sizes are dynamic.

ExecuTorch 1.5 checks an edge program by running its ops, and an op with several results outside of
the fake tensor mode. That turns the dynamic sizes of what is split into those of the example.
"""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from .edge_ops import named_argument

_aten = torch.ops.aten
_SPLITS = frozenset({_aten.split.Tensor, _aten.split_with_sizes.default, _aten.chunk.default})
_UNBIND = _aten.unbind.int


def splits_as_slices(program: ExportedProgram) -> ExportedProgram:
    """The ATen program itself, or a copy without splits of which all parts have known sizes."""
    splits = [node for node in program.graph.nodes if node.target in _SPLITS | {_UNBIND}]
    if not program.range_constraints or not splits:
        return program
    graph_module = copy.deepcopy(program.graph_module)
    for node in graph_module.graph.nodes:
        if node.target in _SPLITS | {_UNBIND}:
            _replace(node)
    graph_module.recompile()
    return ExportedProgram(
        root=graph_module,
        graph=graph_module.graph,
        graph_signature=copy.deepcopy(program.graph_signature),
        state_dict=program.state_dict,
        range_constraints=program.range_constraints,
        module_call_graph=copy.deepcopy(program.module_call_graph),
        example_inputs=program.example_inputs,
        constants=program.constants,
        verifiers=[program.verifier],
    )


def _replace(split: Node) -> None:
    dim = named_argument(split, 1 if split.target == _UNBIND else 2, "dim", 0)
    parts = split.meta["val"]
    for user in list(split.users):
        if user.target is not operator.getitem:
            continue
        index = user.args[1]
        assert isinstance(index, int)
        call: tuple[Any, tuple[Any, ...]]
        if split.target == _UNBIND:
            call = _aten.select.int, (split.args[0], dim, index)
        else:
            sizes = [part.shape[dim] for part in parts[: index + 1]]
            if not all(isinstance(size, int) for size in sizes):
                continue
            call = _aten.slice.Tensor, (split.args[0], dim, sum(sizes[:-1]), sum(sizes))
        with split.graph.inserting_before(user):
            piece = split.graph.call_function(*call)
        piece.meta = copy.copy(user.meta)
        user.replace_all_uses_with(piece)
        split.graph.erase_node(user)
    if not split.users:
        split.graph.erase_node(split)
