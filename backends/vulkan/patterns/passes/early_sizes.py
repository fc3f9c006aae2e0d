"""Compute dynamic sizes as early as their inputs allow.

A stock pass that merges a chain of views gives the first one the sizes of the last. That is only
a valid graph where these sizes are computed before the first view.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ..vocabulary.edge_ops import is_symint
from ..vocabulary.graph_edits import call_after
from ..vocabulary.node_match import NodeMatch


@dataclass(frozen=True)
class LateSizeMatch(NodeMatch):
    """A computed size (`anchor_node`) that could stand right behind `place`."""

    place: Node


def match_late_size(node: Node) -> LateSizeMatch | None:
    """`node` as a match where tensor ops stand between it and the last of its inputs."""
    if node.op != "call_function" or not is_symint(node) or not node.all_input_nodes:
        return None
    place = max(node.all_input_nodes)
    # Inputs of the graph stay in one block at its start.
    while place.op == "placeholder" and place.next.op == "placeholder":
        place = place.next
    before = node.prev
    while before is not place and is_symint(before):
        before = before.prev
    return None if before is place else LateSizeMatch(node, place)


def rewrite_late_size(
    program: ExportedProgram, graph_module: GraphModule, match: LateSizeMatch
) -> None:
    """Compute the size at `place` instead; a node is not moved while the graph is walked."""
    node = match.anchor_node
    node.replace_all_uses_with(call_after(node.graph, match.place, node.target, node.args))
