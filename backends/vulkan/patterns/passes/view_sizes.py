"""Dynamic sizes of views: written as -1 where possible, kept in use where they are inputs.

Sizes computed at run time cost scalar ops in the blob; a view with a single dynamic size needs
none. A size that enters the partition as an input must stay in use, though, because the blob
can't say that an input is ignored, and a stock pass that merges views drops the sizes of all but
the last. Such a view becomes an op of our own, which that pass does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ...custom_ops import FIXED_VIEW
from ..vocabulary.edge_ops import VIEW, reads_symint_input, sizes_of
from ..vocabulary.graph_edits import call_after
from ..vocabulary.node_match import NodeMatch


@dataclass(frozen=True)
class DynamicViewMatch(NodeMatch):
    """A view with a computed size.

    Attributes:
        anchor_node: the view.
        sizes: its sizes with -1 for the dynamic one; None where they must stay as they are.
    """

    sizes: tuple[int, ...] | None


def match_dynamic_view(node: Node) -> DynamicViewMatch | None:
    """`node` as a match where it is a view with sizes that can or must be changed."""
    if node.target != VIEW:
        return None
    if reads_symint_input(node):
        return DynamicViewMatch(node, None)
    given = cast("list[int | Node]", node.args[1])
    if sum(isinstance(size, Node) for size in given) != 1:
        return None
    # A size that is -1 already must be a number for another to become -1.
    sizes = [
        found if size == -1 else size for size, found in zip(given, sizes_of(node), strict=True)
    ]
    if not all(isinstance(size, (int, Node)) for size in sizes):
        return None
    return DynamicViewMatch(node, tuple(-1 if isinstance(size, Node) else size for size in sizes))


def rewrite_dynamic_view(
    program: ExportedProgram, graph_module: GraphModule, match: DynamicViewMatch
) -> None:
    """Change the view's sizes in place, or put our own view in its place."""
    node = match.anchor_node
    if match.sizes is not None:
        node.update_arg(1, list(match.sizes))
    else:
        node.replace_all_uses_with(call_after(node.graph, node, FIXED_VIEW, node.args))
