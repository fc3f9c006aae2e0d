"""Write the one dynamic size of a view as -1.

Sizes computed at run time cost scalar ops in the blob, and a stock pass that merges views moves
them without their sizes. A view with a single dynamic size needs neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from .edge_ops import VIEW, node_argument, reads_symint_input


@dataclass(frozen=True)
class DynamicViewMatch:
    """A view (`anchor_node`) with one size that is a node; `sizes` are its sizes with -1 there."""

    anchor_node: Node
    sizes: tuple[int, ...]

    @property
    def all_nodes(self) -> list[Node]:
        return [self.anchor_node]

    @property
    def input_nodes(self) -> list[Node]:
        return [node_argument(self.anchor_node, 0)]

    @property
    def output_nodes(self) -> list[Node]:
        return [self.anchor_node]


def match_dynamic_view(node: Node) -> DynamicViewMatch | None:
    """`node` as a match where it is a view with exactly one computed size."""
    if node.target != VIEW:
        return None
    sizes = cast("list[int | Node]", node.args[1])
    computed = [size for size in sizes if isinstance(size, Node)]
    # A size that is an input of the partition must stay in use: the blob can't say that an input
    # is ignored.
    if len(computed) != 1 or reads_symint_input(node):
        return None
    return DynamicViewMatch(node, tuple(-1 if isinstance(size, Node) else size for size in sizes))


def rewrite_dynamic_view(
    program: ExportedProgram, graph_module: GraphModule, match: DynamicViewMatch
) -> None:
    """Change the view's sizes in place."""
    match.anchor_node.update_arg(1, list(match.sizes))
