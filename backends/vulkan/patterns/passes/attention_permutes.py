"""A permute of what attention gives, as the order in which it writes.

The step of attention takes in those in front of its quantize; those behind it are int8 moves then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ...custom_ops import ATTENTION, Q8TA_ATTENTION
from ..vocabulary.edge_ops import PERMUTE, TRANSPOSE, node_argument, permutation_of
from ..vocabulary.graph_edits import call_after, is_live, standing_for
from ..vocabulary.node_match import NodeMatch

# Where y_dims stands among the arguments.
_Y_DIMS = {ATTENTION: 12, Q8TA_ATTENTION: 18}


@dataclass(frozen=True)
class PermutedMatch(NodeMatch):
    """A permute (`anchor_node`) of what `attention` gives, written by these `y_dims` instead."""

    attention: Node
    y_dims: tuple[int, ...]


def match_permuted_attention(node: Node) -> PermutedMatch | None:
    """`node` as a match where it is the only reader of attention, and keeps vectors whole."""
    if node.target not in (PERMUTE, TRANSPOSE):
        return None
    attention = node_argument(node, 0)
    if attention.target not in _Y_DIMS:
        return None
    if any(is_live(user) for user in attention.users if user is not node):
        return None
    own: Any = attention.args[_Y_DIMS[attention.target]]
    y_dims = tuple(int(own[dim]) for dim in permutation_of(node))
    return PermutedMatch(node, attention, y_dims) if y_dims[-1] == len(y_dims) - 1 else None


def rewrite_permuted_attention(
    program: ExportedProgram, graph_module: GraphModule, match: PermutedMatch
) -> None:
    """Put an attention that writes so in the permute's place."""
    node, attention = match.anchor_node, match.attention
    at = _Y_DIMS[attention.target]
    args = (*attention.args[:at], list(match.y_dims), *attention.args[at + 1 :])
    with standing_for((attention, node)):
        node.replace_all_uses_with(call_after(node.graph, node, attention.target, args))
