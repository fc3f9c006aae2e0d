"""Conversions that PyTorch does within an op, as ops of their own: x > 0.5 for integers is
to(x, float32) > 0.5, and a sum of bools one of integers."""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ..vocabulary.edge_ops import CONVERT
from ..vocabulary.graph_edits import call_after, standing_for
from ..vocabulary.node_match import NodeMatch
from ..vocabulary.promotions import converted_operands


class ConvertedMatch(NodeMatch):
    """An op (`anchor_node`) with operands of another dtype than it computes in."""


def match_converted(node: Node) -> ConvertedMatch | None:
    """`node` as a match where PyTorch converts some of its operands."""
    is_call = node.op == "call_function"
    return ConvertedMatch(node) if is_call and converted_operands(node) else None


def rewrite_converted(
    program: ExportedProgram, graph_module: GraphModule, match: ConvertedMatch
) -> None:
    """Put the same op behind it, of operands that are converted."""
    node = match.anchor_node
    place = node
    args = list(node.args)
    with standing_for((node,)):
        for index, dtype in converted_operands(node).items():
            place = call_after(node.graph, place, CONVERT, (args[index],), {"dtype": dtype})
            args[index] = place
        result = call_after(node.graph, place, node.target, tuple(args), dict(node.kwargs))
    node.replace_all_uses_with(result)
