"""Match statically quantized linear layers.

    int8 x -> dequantize -> (moves) -> linear | mm | addmm -> (activation, clamps, moves)
           -> quantize -> int8, or float32 without the quantize

`linear_operands.py` reads what goes in, `epilogue.py` what follows, `linear_views.py` decides on
the views and other moves. A match is complete: `linear_rewrite.py` needs nothing else, and can
rewrite every one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.fx import Node

from .rules.epilogue import Epilogue, FloatTail, find_epilogue, find_float_tail
from .rules.linear_operands import Activation, Weight, find_late_bias, read_operands
from .rules.linear_views import Views, plan_views
from .vocabulary.constants import Constants, ops_behind
from .vocabulary.edge_ops import LINEAR_OPS, op_name, sizes_of
from .vocabulary.rejection import NotInt8Error, Rejection

# Every int8 sum over no more products than this fits int32, whatever the weights are.
SAFE_K = 65_536


@dataclass(frozen=True)
class QuantizedLinearMatch:
    """One linear layer that runs in int8.

    Attributes:
        anchor_node: the linear, mm or addmm.
        activation: the int8 input [..., K].
        weight: the constant weight; a match requires zero points of zero, as far as the values
            are known (see `_value_problem`).
        bias: constant float32 [N], or of one value for all, with leading dimensions of 1; or None.
        tail: what follows, for an int8 or a float32 result.
        views: moves that are redone, and the node that a float32 result replaces.
    """

    anchor_node: Node
    activation: Activation
    weight: Weight
    bias: Node | None
    tail: Epilogue | FloatTail
    views: Views

    @property
    def epilogue(self) -> Epilogue | None:
        """The tail of an int8 result."""
        return self.tail if isinstance(self.tail, Epilogue) else None

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        return self.weight.shape

    @property
    def runs_on_stock(self) -> bool:
        """True where the stock runtime runs the fused op too, and rightly."""
        _, k = self.shape
        return (
            self.epilogue is not None
            and self.epilogue.fits_stock_schema
            and self.views == Views()
            and self.weight.constant.axis is not None
            and len(sizes_of(self.activation.x)) == 2
            and k % 4 == 0
        )

    @property
    def inner_nodes(self) -> tuple[Node, ...]:
        """Every operator that the op replaces, anchor included."""
        nodes = [*self.activation.inner_nodes, *self.constant_nodes, self.anchor_node]
        nodes += self.tail.absorbed
        if self.epilogue is not None:
            nodes += self.epilogue.quantizes
        elif self.views.float_output is not None:
            nodes.append(self.views.float_output)
        return tuple(dict.fromkeys(nodes))

    @property
    def constant_nodes(self) -> tuple[Node, ...]:
        """The operators that make its weight and bias of constants."""
        bias = () if self.bias is None else ops_behind([self.bias])
        return (*self.weight.inner_nodes, *bias)

    @property
    def computing_nodes(self) -> tuple[Node, ...]:
        """Ops of it that can't run by themselves in our runtime."""
        own = [
            node
            for node in self.tail.absorbed
            if node not in self.tail.moves and node not in self.output_nodes
        ]
        if self.anchor_node not in self.output_nodes:
            own.append(self.anchor_node)
        return (*self.constant_nodes, *own)

    @property
    def absorbed(self) -> tuple[Node, ...]:
        """Nodes behind the linear that are no step of their own."""
        return self.tail.absorbed

    @property
    def is_work(self) -> bool:
        return True

    # The names below are those that the stock pattern engine reads.
    @property
    def all_nodes(self) -> list[Node]:
        return list(self.inner_nodes)

    @property
    def input_nodes(self) -> list[Node]:
        return [self.activation.x]

    @property
    def output_nodes(self) -> list[Node]:
        if self.epilogue is not None:
            return list(self.epilogue.quantizes)
        return [] if self.views.float_output is None else [self.views.float_output]


def match_quantized_linear(
    node: Node, constants: Constants | None = None
) -> QuantizedLinearMatch | Rejection:
    """Decide whether `node` and what surrounds it run as one int8 layer.

    Args:
        node: a call of linear, mm, addmm or bmm, in the edge dialect.
        constants: the program's; without it, placeholders are taken for constants and values
            are not looked at.

    Raises:
        ValueError: where `node` is no linear.
    """
    if node.target not in LINEAR_OPS:
        raise ValueError(f"{node.name} is {op_name(node)}, not a linear")
    try:
        activation, weight, bias = read_operands(node, constants)
    except NotInt8Error as error:
        return Rejection(node, str(error), error.is_static)
    n, k = weight.shape
    late = find_late_bias(node, n, constants) if bias is None else None
    bias = bias if late is None else late.bias
    start = node if late is None else late.add
    tail = find_epilogue(start, constants) or find_float_tail(start, constants)
    if late is not None:
        moves, absorbed = (*late.views, *tail.moves), (*late.views, late.add, *tail.absorbed)
        tail = replace(tail, moves=moves, absorbed=absorbed)
    if isinstance(tail, Epilogue) and (problem := tail.params.int8_problem()):
        return Rejection(node, f"output quantize {problem}")
    views = plan_views(activation.x, activation.moves, tail, (n, k))
    match = QuantizedLinearMatch(node, activation, weight, bias, tail, views)
    if constants is not None and (problem := _value_problem(match, constants)):
        return Rejection(node, problem)
    return match


def _value_problem(match: QuantizedLinearMatch, constants: Constants) -> str | None:
    """What the constants' values forbid, or None.

    Zero points that can't be read are taken to be zero, as symmetric quantizers make them; once
    the real program is at hand, this is asked again. A large K needs the weights now.
    """
    constant = match.weight.constant
    zero_points = constant.zero_points
    if isinstance(zero_points, Node):
        is_zero = not any(bool(one.any()) for one in constants.values(zero_points))
    else:
        is_zero = not zero_points
    if not is_zero:
        return "weight zero points are not all zero; quantize weights symmetrically"
    k = match.shape[1]
    if k <= SAFE_K:
        return None
    zero_point = match.activation.params.zero_point
    reach = max(abs(-128 - zero_point), abs(127 - zero_point))
    weights = [match.weight.as_n_k(one) for one in constants.values(constant.integers)]
    if weights and all(_largest_row_sum(one) * reach < 2**31 for one in weights):
        return None
    return (
        f"K = {k} is above {SAFE_K} and the weights do not rule out an int32 overflow; split the "
        "layer along K"
    )


def _largest_row_sum(weight: torch.Tensor) -> int:
    """max over n of sum_k |w[n, k]|."""
    return max(int(row.to(torch.int64).abs().sum()) for row in weight)
