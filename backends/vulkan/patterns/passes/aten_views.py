"""Views of what attention gives, in an ATen program, behind a contiguous copy.

While a program is traced, attention gives its result in an order of memory that makes the transpose
behind it contiguous. Its decomposition gives it in another order, of which there may be no such
view. The copy is an alias in a delegate.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.graph_edits import call_before, edited_copy

_aten = torch.ops.aten
_ATTENTION = _aten.scaled_dot_product_attention.default
_VIEW, _RESHAPE = _aten.view.default, _aten.reshape.default
_PASSED = frozenset({_aten.transpose.int, _aten.permute.default, _VIEW, _RESHAPE})


def contiguous_views_of_attention(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where it has no such view, or else a copy with copies before them."""
    return edited_copy(program, _is_view_of_attention, _copy_input)


def _is_view_of_attention(node: Node) -> bool:
    if node.target != _VIEW:
        return False
    while node.target in _PASSED:
        source = node.args[0]
        assert isinstance(source, Node)
        node = source
    return node.target == _ATTENTION


def _copy_input(view: Node) -> None:
    x = view.args[0]
    assert isinstance(x, Node)
    copy = call_before(view, _aten.clone.default, x, memory_format=torch.contiguous_format)
    view.replace_input_with(x, copy)
