"""Build int8 tensors from forms: moves redone on int8, and tables."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.fx import Node

from ...custom_ops import INT8_MAX, INT8_MIN, Q8TA_TABLE
from .constants import Constants
from .edge_ops import QUANTIZE, QuantParams, node_argument
from .expressions import INPUT, Expression, evaluate
from .forms import Source, Tree
from .graph_edits import call_after, redo_on


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
        inputs = [self.tree(one, leaf) for one in tree.inputs]
        self.place = redo_on(tree.op, inputs, self.place)
        return self.place

    def table(
        self, x: Node, params: QuantParams, expression: Expression, target: QuantParams | None
    ) -> Node:
        """`expression` of the int8 tensor `x`, on the grid `target`, or in float32 without one."""
        values = table_values(expression, params, target, self._constants)
        table = self._constants.add(x.graph, "q8ta_table", values)
        self.place = call_after(self.place.graph, self.place, Q8TA_TABLE, (x, table))
        return self.place


def table_values(
    expression: Expression, params: QuantParams, target: QuantParams | None, constants: Constants
) -> torch.Tensor:
    """The result for each int8 value from -128 on, by the graph's own ops: int8 or float32 [256].

    Raises:
        UnknownValueError: where the expression has a constant whose value is not at hand.
    """
    ops = torch.ops.quantized_decomposed
    ints = torch.arange(INT8_MIN, INT8_MAX + 1, dtype=torch.int8)
    # Bounds do not count here: dequantizing does not clamp.
    grid = (params.scale, params.zero_point, INT8_MIN, INT8_MAX, torch.int8)
    values = ops.dequantize_per_tensor.default(ints, *grid)
    if expression is not INPUT:
        values = evaluate(expression, values, constants.value)
    if target is not None:
        bounds = (target.quant_min, target.quant_max, target.dtype)
        values = ops.quantize_per_tensor.default(values, target.scale, target.zero_point, *bounds)
    result: torch.Tensor = values.contiguous()
    return result
