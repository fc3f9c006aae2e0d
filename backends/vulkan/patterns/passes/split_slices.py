"""split, chunk and unbind as the slices and selects that our runtime has."""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ..vocabulary.edge_ops import is_part
from ..vocabulary.graph_edits import redo_on
from ..vocabulary.moves import moved_inputs
from ..vocabulary.node_match import NodeMatch


class PartMatch(NodeMatch):
    """One result of a split (`anchor_node`)."""


def match_part(node: Node) -> PartMatch | None:
    """`node` as a match where it is one result of a split."""
    return PartMatch(node) if is_part(node) else None


def rewrite_part(program: ExportedProgram, graph_module: GraphModule, match: PartMatch) -> None:
    """Put a slice or select in its place."""
    node = match.anchor_node
    node.replace_all_uses_with(redo_on(node, moved_inputs(node), node))
