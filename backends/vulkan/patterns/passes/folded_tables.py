"""A table behind a layer as the layer's own: y = table[y + 128] where it stores its int8 result.

    q8ta_linear -> (moves) -> q8ta_table    becomes    q8ta_linear.bounded, of that table -> (moves)

likewise convolutions, and both with a residual. Where nothing else reads the layer's result, that
saves a dispatch, and writing and reading the tensor once. Moves commute with a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ...custom_ops import (
    Q8TA_CONV2D,
    Q8TA_CONV2D_BOUNDED,
    Q8TA_CONV2D_DW,
    Q8TA_CONV2D_PW,
    Q8TA_CONV2D_RESIDUAL,
    Q8TA_CONV2D_TRANSPOSED,
    Q8TA_LINEAR,
    Q8TA_LINEAR_BOUNDED,
    Q8TA_LINEAR_GEMV,
    Q8TA_LINEAR_RESIDUAL,
    Q8TA_TABLE,
    conv2d_as_bounded,
    conv2d_transposed_as_bounded,
    linear_as_bounded,
    look_up,
    rows_of_taps,
)
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import CAT, dtype_of, is_part, node_argument
from ..vocabulary.graph_edits import call_after, is_live, standing_for
from ..vocabulary.moves import moves_elements
from ..vocabulary.node_match import NodeMatch

# Our ops, by where they take the table: the last argument.
_PLACES = {
    op: len(op._schema.arguments) - 1
    for op in (
        *(Q8TA_LINEAR_BOUNDED, Q8TA_LINEAR_RESIDUAL),
        *(Q8TA_CONV2D_BOUNDED, Q8TA_CONV2D_RESIDUAL),
    )
}
# Stock ones, which take none, by the op that says the same, and its arguments.
_AS_BOUNDED: Mapping[Any, tuple[Any, Callable[..., tuple[Any, ...]]]] = {
    Q8TA_LINEAR: (Q8TA_LINEAR_BOUNDED, linear_as_bounded),
    Q8TA_LINEAR_GEMV: (Q8TA_LINEAR_BOUNDED, linear_as_bounded),
    Q8TA_CONV2D: (Q8TA_CONV2D_BOUNDED, conv2d_as_bounded),
    Q8TA_CONV2D_PW: (Q8TA_CONV2D_BOUNDED, conv2d_as_bounded),
    Q8TA_CONV2D_DW: (Q8TA_CONV2D_BOUNDED, conv2d_as_bounded),
    Q8TA_CONV2D_TRANSPOSED: (Q8TA_CONV2D_BOUNDED, conv2d_transposed_as_bounded),
}
_WEIGHTS = 3  # an argument of each


@dataclass(frozen=True)
class TableMatch(NodeMatch):
    """A table (`anchor_node`) that alone reads the int8 result of `layer`, or moves of it."""

    layer: Node

    @property
    def all_nodes(self) -> list[Node]:
        return [self.layer, self.anchor_node]


def match_table(node: Node) -> TableMatch | None:
    """`node` as a match where it is a table from int8 to int8 behind such a layer."""
    if node.target != Q8TA_TABLE or dtype_of(node) != torch.int8 or not is_live(node):
        return None
    reader, source = node, node_argument(node, 0)
    while not any(is_live(user) for user in source.users if user is not reader):
        if source.target in _PLACES or source.target in _AS_BOUNDED:
            return TableMatch(node, source)
        if not moves_elements(source) or source.target == CAT or is_part(source):
            return None
        reader, source = source, node_argument(source, 0)
    return None


def rewrite_table(program: ExportedProgram, graph_module: GraphModule, match: TableMatch) -> None:
    """Let the layer store what the table gives.

    Raises:
        ValueError: where a constant's value is not at hand.
    """
    layer, table = match.layer, match.anchor_node
    with standing_for((layer, table)):
        folded = _with_table(Constants(program), layer, table)
    layer.replace_all_uses_with(folded)
    table.replace_all_uses_with(node_argument(table, 0))


def _with_table(constants: Constants, layer: Node, table: Node) -> Node:
    """The layer with the table behind what it has."""
    target, args = layer.target, layer.args
    if layer.target in _AS_BOUNDED:
        target, as_bounded = _AS_BOUNDED[layer.target]
        args = as_bounded(args)
    if layer.target == Q8TA_CONV2D_DW:
        weights = node_argument(layer, _WEIGHTS)
        rows = constants.as_placeholder(layer.graph, "weight", weights, rows_of_taps)
        args = (*args[:_WEIGHTS], rows, *args[_WEIGHTS + 1 :])
    place = _PLACES[target]
    entries = node_argument(table, 1)
    if len(args) > place:
        own = constants.value(node_argument(layer, place))
        both = look_up(own, constants.value(entries))
        entries = constants.add(layer.graph, "q8ta_table", both)
    return call_after(layer.graph, layer, target, (*args[:place], entries))
