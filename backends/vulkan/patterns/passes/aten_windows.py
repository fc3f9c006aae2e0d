"""Ops of an ATen program that do not become edge programs as kernels have them.

Circular pads, which are otherwise decomposed into a dozen writes to an empty tensor, become
concatenations. Adaptive max pooling is none of ExecuTorch's core operators: it becomes a max
pooling whose windows do not overlap, of rows and columns that are picked as often as they are read.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.edge_ops import sizes_of
from ..vocabulary.graph_edits import call_before, edited_copy

_aten = torch.ops.aten
_PAD = _aten.pad.default
_ADAPTIVE: dict[Any, Any] = {
    _aten.adaptive_max_pool2d.default: _aten.max_pool2d.default,
    _aten.adaptive_max_pool1d.default: _aten.max_pool1d.default,
}


def without_windows(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where it has neither, or else a copy without those of static sizes."""
    return edited_copy(program, _is_replaced, _replace)


def _is_replaced(node: Node) -> bool:
    if node.target == _PAD:
        mode = node.args[2] if len(node.args) > 2 else node.kwargs.get("mode", "constant")
        return mode == "circular" and all(isinstance(pad, int) and pad >= 0 for pad in _pads(node))
    if node.target not in _ADAPTIVE:
        return False
    output = _output_sizes(node)
    x = node.args[0]
    assert isinstance(x, Node)
    sizes = sizes_of(x)[-len(output) :]
    is_static = all(isinstance(size, int) and size > 0 for size in (*sizes, *output))
    first_is_read = all(
        user.target is operator.getitem and (user.args[1] == 0 or not user.users)
        for user in node.users
    )
    return is_static and first_is_read


def _pads(node: Node) -> Sequence[Any]:
    pads = node.args[1]
    assert isinstance(pads, (list, tuple))
    return pads


def _output_sizes(node: Node) -> list[Any]:
    given = node.args[1] if len(node.args) > 1 else node.kwargs["output_size"]
    count = 1 if node.target == _aten.adaptive_max_pool1d.default else 2
    numbers = list(given) if isinstance(given, (list, tuple)) else [given]
    return numbers * count if len(numbers) == 1 else numbers


def _replace(node: Node) -> None:
    (_replace_pad if node.target == _PAD else _replace_pooling)(node)


def _replace_pad(node: Node) -> None:
    """The last dimensions first, as PyTorch numbers them."""
    x, pads = node.args[0], _pads(node)
    assert isinstance(x, Node)
    for at in range(len(pads) // 2):
        before, behind = pads[2 * at : 2 * at + 2]
        dim = -1 - at
        parts = [x]
        if before:
            parts.insert(0, call_before(node, _aten.slice.Tensor, x, dim, -before))
        if behind:
            parts.append(call_before(node, _aten.slice.Tensor, x, dim, 0, behind))
        if len(parts) > 1:
            x = call_before(node, _aten.cat.default, parts, dim)
    node.replace_all_uses_with(x)


def _replace_pooling(node: Node) -> None:
    x, output = node.args[0], _output_sizes(node)
    assert isinstance(x, Node)
    windows = []
    for at, count in enumerate(output):
        dim = at - len(output)
        size = sizes_of(x)[dim]
        starts = [i * size // count for i in range(count)]
        ends = [-(-(i + 1) * size // count) for i in range(count)]
        longest = max(end - start for start, end in zip(starts, ends, strict=True))
        windows.append(longest)
        places = [
            min(start + i, end - 1)
            for start, end in zip(starts, ends, strict=True)
            for i in range(longest)
        ]
        if places != list(range(size)):
            x = _picked(node, x, dim, places)
    result = call_before(node, _ADAPTIVE[node.target], x, windows, windows)
    for item in list(node.users):
        if item.args[1] == 0:
            item.replace_all_uses_with(result)


def _picked(node: Node, x: Node, dim: int, places: list[int]) -> Node:
    """Along `dim`, as slices: neighbours that are picked one behind the other are one."""
    parts: list[Node] = []
    start = 0
    for i in range(1, len(places) + 1):
        if i == len(places) or places[i] != places[i - 1] + 1:
            bounds = (places[start], places[i - 1] + 1)
            parts.append(call_before(node, _aten.slice.Tensor, x, dim, *bounds))
            start = i
    return call_before(node, _aten.cat.default, parts, dim)
