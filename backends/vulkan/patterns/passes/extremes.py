"""Elements of a dimension in the order of their size and where they are, as what kernels make.

    values, places = max(x, dim)  becomes  places = argmax(x, dim); values = gather(x, dim, places)

and topk and sort the same with the places of several. All take the first of equal elements first;
max and min take NaN before all, topk and sort for the largest.
"""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ...custom_ops import TOPK_PLACES
from ...custom_ops.definition import edge_op
from ..vocabulary.edge_ops import (
    ARGMAX,
    ARGMIN,
    EXTREME_OPS,
    MAX_DIM,
    MIN_DIM,
    SQUEEZE,
    arguments_of,
    is_float32,
    node_argument,
    sizes_of,
)
from ..vocabulary.graph_edits import call_after, standing_for
from ..vocabulary.node_match import NodeMatch

_GATHER = edge_op("gather.default", "aten")
_ARG_OPS = {MAX_DIM: ARGMAX, MIN_DIM: ARGMIN}
_REDUCTIONS = {MAX_DIM: edge_op("amax.default", "aten"), MIN_DIM: edge_op("amin.default", "aten")}


class ExtremeMatch(NodeMatch):
    """One of EXTREME_OPS (`anchor_node`)."""


def match_extreme(node: Node) -> ExtremeMatch | None:
    """`node` as a match where it calls one of EXTREME_OPS."""
    return ExtremeMatch(node) if node.target in EXTREME_OPS else None


def rewrite_extreme(
    program: ExportedProgram, graph_module: GraphModule, match: ExtremeMatch
) -> None:
    """Let the readers of its two results read those of other ops."""
    node = match.anchor_node
    with standing_for((node,)):
        results = _results(node)
    for item in node.users:
        index = item.args[1]
        assert isinstance(index, int)
        item.replace_all_uses_with(results[index])


def _results(node: Node) -> list[Node]:
    """Values and places; of a max or min of which the values alone are read, these."""
    arguments, x = arguments_of(node), node_argument(node, 0)
    dim = arguments["dim"] % len(sizes_of(x))
    if node.target not in _ARG_OPS:
        is_largest = arguments["largest"] if "largest" in arguments else arguments["descending"]
        places = (x, arguments.get("k", sizes_of(x)[dim]), dim, is_largest)
        return _with_values(x, dim, call_after(node.graph, node, TOPK_PLACES, places))
    keepdim = arguments["keepdim"]
    if is_float32(x) and all(one.args[1] == 0 for one in node.users):
        return [call_after(node.graph, node, _REDUCTIONS[node.target], (x, [dim], keepdim))]
    results = _with_values(
        x, dim, call_after(node.graph, node, _ARG_OPS[node.target], (x, dim, True))
    )
    if keepdim:
        return results
    return [call_after(node.graph, results[0], SQUEEZE, (one, [dim])) for one in results]


def _with_values(x: Node, dim: int, places: Node) -> list[Node]:
    return [call_after(places.graph, places, _GATHER, (x, dim, places)), places]
