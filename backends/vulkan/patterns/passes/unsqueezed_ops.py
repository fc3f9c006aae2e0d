"""Ops that a stock pass would give views that they must not have.

For textures it squeezes what relu and gelu read. It hands gelu's keyword on to the views, which
fails, and fixes dynamic sizes to those of the example. It leaves one dimension alone, and clamps.
"""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ..vocabulary.edge_ops import CLAMP, GELU, RELU, SYM_SIZE, VIEW, node_argument, sizes_of
from ..vocabulary.graph_edits import call_after, standing_for
from ..vocabulary.node_match import NodeMatch


class SqueezableMatch(NodeMatch):
    """A relu or gelu (`anchor_node`) that the stock pass might squeeze."""


def match_squeezable(node: Node) -> SqueezableMatch | None:
    """`node` as a match where it has three or four dimensions, one of them 1 or dynamic."""
    if node.target not in (RELU, GELU):
        return None
    sizes = sizes_of(node)
    may_be_one = any(not isinstance(size, int) or size == 1 for size in sizes[:-1])
    return SqueezableMatch(node) if len(sizes) in (3, 4) and may_be_one else None


def rewrite_squeezable(
    program: ExportedProgram, graph_module: GraphModule, match: SqueezableMatch
) -> None:
    """A relu is a clamp. A gelu is computed on one dimension, between views, of which later stock
    passes leave at most one."""
    node = match.anchor_node
    graph, x = node.graph, node_argument(node, 0)
    if node.target == RELU:
        with standing_for((node,)):
            node.replace_all_uses_with(call_after(graph, node, CLAMP, (x, 0)))
        return
    flat = call_after(graph, node, VIEW, (x, [-1]))
    with standing_for((node,)):
        result = call_after(graph, flat, node.target, (flat, *node.args[1:]), dict(node.kwargs))
    sizes, place = [], x
    for dim, size in enumerate(sizes_of(x)):
        if not isinstance(size, int):
            size = place = call_after(graph, place, SYM_SIZE, (x, dim))
        sizes.append(size)
    node.replace_all_uses_with(call_after(graph, result, VIEW, (result, sizes)))
