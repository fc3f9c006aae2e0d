"""A clamp whose bounds are tensors, as the minimum of a maximum, NaN where an operand is."""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ...custom_ops.definition import edge_op
from ..vocabulary.edge_ops import CLAMP_TENSOR, CONVERT, arguments_of, tensor_of
from ..vocabulary.graph_edits import call_after, standing_for
from ..vocabulary.node_match import NodeMatch
from ..vocabulary.promotions import is_same

_MAXIMUM, _MINIMUM = (edge_op(f"{name}.default", "aten") for name in ("maximum", "minimum"))


class TensorClampMatch(NodeMatch):
    """A clamp by tensors (`anchor_node`)."""


def match_tensor_clamp(node: Node) -> TensorClampMatch | None:
    return TensorClampMatch(node) if node.target == CLAMP_TENSOR else None


def rewrite_tensor_clamp(
    program: ExportedProgram, graph_module: GraphModule, match: TensorClampMatch
) -> None:
    """Let its readers read the minimum or maximum that is last; a bound may be None."""
    node = match.anchor_node
    arguments, result = arguments_of(node), tensor_of(node)
    assert result is not None
    place = node

    def converted(x: Node) -> Node:
        nonlocal place
        tensor = tensor_of(x)
        if tensor is None or is_same(tensor.dtype, result.dtype):
            return x
        place = call_after(node.graph, place, CONVERT, (x,), {"dtype": result.dtype})
        return place

    with standing_for((node,)):
        y = converted(arguments["self"])
        for name, target in (("min", _MAXIMUM), ("max", _MINIMUM)):
            if (bound := arguments[name]) is not None:
                bound = converted(bound)
                y = place = call_after(node.graph, place, target, (y, bound))
    node.replace_all_uses_with(y)
