"""Build int8 tensors from forms: moves redone on int8, and tables."""

from __future__ import annotations

from collections.abc import Callable

from torch.fx import Node

from ...custom_ops import Q8TA_TABLE
from .constants import Constants
from .edge_ops import PAD, QUANTIZE, QuantParams, node_argument
from .expressions import Expression
from .forms import Source, Tree, sources
from .graph_edits import call_after, redo_on
from .table_values import table_values


class Int8Builder:
    """Adds int8 nodes one behind the other, from `place` on.

    Attributes:
        place: the node that was added last.
    """

    def __init__(self, constants: Constants, place: Node) -> None:
        self._constants = constants
        self.place = place

    def tree(self, tree: Tree, leaf: Callable[[Source, Node], Node] | None = None) -> Node:
        """The tree on int8.

        Args:
            leaf: applied to each source and its current int8 node.
        """
        if isinstance(tree, Source):
            # Read now, for an earlier rewrite may have replaced the producer.
            x = node_argument(tree.dequantize, 0)
            if x.target == QUANTIZE and self._constants.is_constant(x):
                x = self._constants.as_placeholder(x.graph, "q8ta_constant", x)
            return x if leaf is None else leaf(tree, x)
        if tree.fill is not None:
            # Its number is on the grid of what it pads.
            padded = self.pad(self.tree(tree.inputs[0]), tree.op, tree.fill)
            return padded if leaf is None else leaf(next(sources(tree)), padded)
        inputs = [self.tree(one, leaf) for one in tree.inputs]
        self.place = redo_on(tree.op, inputs, self.place)
        return self.place

    def pad(self, x: Node, op: Node, fill: int) -> Node:
        """The int8 tensor `x` padded as the float op `op` does, with another number."""
        self.place = call_after(self.place.graph, self.place, PAD, (x, op.args[1], fill))
        return self.place

    def table(
        self, x: Node, params: QuantParams, expression: Expression, target: QuantParams | None
    ) -> Node:
        """`expression` of the int8 tensor `x`, on the grid `target`, or in float32 without one."""
        values = table_values(expression, params, target, self._constants)
        table = self._constants.add(x.graph, "q8ta_table", values)
        self.place = call_after(self.place.graph, self.place, Q8TA_TABLE, (x, table))
        return self.place
