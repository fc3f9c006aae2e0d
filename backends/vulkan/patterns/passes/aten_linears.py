"""Float linears of an ATen program whose input is not contiguous, before it is an edge program.

PyTorch decomposes such a linear (or matmul by a matrix), of three or more dimensions, into a batch
of products whose second operand is the weight, repeated for every one: a constant of a batch's
size. Behind a contiguous copy it is one product. The rules match quantized ones as they are.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ..vocabulary.graph_edits import edited_copy, read_contiguous

_aten = torch.ops.aten
_PRODUCTS = (_aten.linear.default, _aten.matmul.default)
_PERMUTES = (_aten.t.default, _aten.transpose.int, _aten.permute.default, _aten.numpy_T.default)


def contiguous_linears(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where it has no such linear, or else a copy with copies before them."""
    return edited_copy(program, _is_repeated, read_contiguous)


def _is_repeated(node: Node) -> bool:
    if node.target not in _PRODUCTS:
        return False
    x, weight = node.args[:2]
    assert isinstance(x, Node) and isinstance(weight, Node)
    if weight.meta["val"].dim() != 2:
        return False
    while weight.target in _PERMUTES:
        [weight] = weight.all_input_nodes
    is_plain = weight.op in ("placeholder", "get_attr")
    return is_plain and x.meta["val"].dim() > 2 and not x.meta["val"].is_contiguous()
