"""What attention gives, in an ATen program, in the order of memory that it was traced with.

While a program is traced, attention gives its result in an order of memory that makes the transpose
behind it contiguous. Its decomposition gives it in another order, of which later views, those that
linears are decomposed into among them, may not exist. The copies are aliases in a delegate.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.graph_edits import call_after, edited_copy, read_contiguous

_aten = torch.ops.aten
_ATTENTION = _aten.scaled_dot_product_attention.default
_VIEWS = frozenset({_aten.view.default, _aten.reshape.default})
_PERMUTES = frozenset({_aten.transpose.int, _aten.permute.default})
_quantized = torch.ops.quantized_decomposed
_QUANTIZES = frozenset(
    {_quantized.quantize_per_tensor.default, _quantized.dequantize_per_tensor.default}
)
_COPIES = frozenset({_aten.clone.default, _aten.contiguous.default})


def contiguous_attention(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where nothing depends on that order, or else a copy with contiguous copies:
    behind permutes whose result was contiguous, and before views of other results."""
    return edited_copy(program, _needs_copy, _copy)


def _needs_copy(node: Node) -> bool:
    return _is_contiguous_permute(node) or _is_view_of_attention(node)


def _is_contiguous_permute(node: Node) -> bool:
    return (
        node.target in _PERMUTES
        and _gives_attention(node)
        and node.meta["val"].is_contiguous()
        and any(_has_use_for_order(user) for user in node.users)
    )


def _is_view_of_attention(node: Node) -> bool:
    return node.target == _aten.view.default and _gives_attention(node)


def _has_use_for_order(user: Node) -> bool:
    return user.op != "output" and user.target not in _PERMUTES | _COPIES


def _gives_attention(node: Node) -> bool:
    while node.target in _VIEWS | _PERMUTES | _QUANTIZES:
        source = node.args[0]
        assert isinstance(source, Node)
        node = source
    return node.target == _ATTENTION


def _copy(node: Node) -> None:
    # Views behind a permute that has one read its copy, and need none.
    (_copy_result if node.target in _PERMUTES else read_contiguous)(node)


def _copy_result(permute: Node) -> None:
    copy = call_after(
        permute.graph,
        permute,
        _aten.clone.default,
        (permute,),
        {"memory_format": torch.contiguous_format},
    )
    copy.meta = {**permute.meta, "val": copy.meta["val"]}
    permute.replace_all_uses_with(copy, lambda user: user is not copy and _has_use_for_order(user))
