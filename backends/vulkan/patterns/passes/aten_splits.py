"""Splits of an ATen program as slices, before it becomes an edge program.

ExecuTorch 1.5.1 checks ops that give a list of tensors by iterating over its first tensor, which
fixes that tensor's leading dimension to the example's size. Slices keep it dynamic.
"""

from __future__ import annotations

import operator

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.graph_edits import edited_copy

_aten = torch.ops.aten
_SPLITS = frozenset(
    {_aten.chunk.default, _aten.split.Tensor, _aten.split.sizes, _aten.split_with_sizes.default}
)
_UNBIND = _aten.unbind.int


def slices_for_splits(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where it has no split, or else a copy without those of static sizes."""
    return edited_copy(program, _is_split, _replace)


def _is_split(node: Node) -> bool:
    if node.target != _UNBIND and node.target not in _SPLITS:
        return False
    dim = _dim(node)
    parts_are_read = all(user.target is operator.getitem for user in node.users)
    sizes = [1] if node.target == _UNBIND else [part.shape[dim] for part in node.meta["val"]]
    return parts_are_read and all(isinstance(size, int) for size in sizes)


def _dim(node: Node) -> int:
    index = 1 if node.target == _UNBIND else 2
    dim = node.args[index] if len(node.args) > index else node.kwargs.get("dim", 0)
    assert isinstance(dim, int)
    return dim


def _replace(split: Node) -> None:
    graph = split.graph
    dim, parts = _dim(split), split.meta["val"]
    for item in list(split.users):
        index = item.args[1]
        assert isinstance(index, int)
        index %= len(parts)
        if split.target == _UNBIND:
            target, args = _aten.select.int, [dim, index]
        else:
            start = sum(part.shape[dim] for part in parts[:index])
            target, args = _aten.slice.Tensor, [dim, start, start + parts[index].shape[dim]]
        with graph.inserting_before(item):
            part = graph.call_function(target, (split.args[0], *args))
        part.meta = dict(item.meta)
        item.replace_all_uses_with(part)
        graph.erase_node(item)
