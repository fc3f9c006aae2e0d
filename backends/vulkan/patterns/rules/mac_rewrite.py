"""Replace a matched layer by its int8 op, with the constants as the stock runtime wants them."""

from __future__ import annotations

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ..vocabulary.constants import Constants
from ..vocabulary.graph_edits import call_after, hand_over, redo_on
from .epilogue import FloatTail
from .mac import MacMatch
from .mac_operands import Arrange, Weight


def rewrite_mac(constants: Constants, match: MacMatch) -> None:
    """Rewrite in place; the nodes that lose their last user are left for dead code elimination.

    Raises:
        ValueError: where a constant's values are not at hand.
    """
    tail, stock = match.tail, match.stock
    arranged = None if stock is None else stock.arranged
    place, head = mac_inputs(constants, match, arranged)
    bias = padded_bias(constants, match)
    args: tuple[Argument, ...]
    if isinstance(tail, FloatTail):
        target = match.ops.float_out
        args = (*head, bias, *match.arguments, *tail.activation.args)
    else:
        args = (*head, tail.params.scale, tail.params.zero_point, bias)
        if stock is not None:
            target = stock.target
            args += (*stock.arguments, "relu" if tail.is_relu else "none")
        else:
            target = match.ops.bounded
            args += (*match.arguments, *tail.activation.args, tail.quant_min, tail.quant_max)
    result = call_after(place.graph, place, target, args)
    hand_over(result, match.moves.behind, match.outputs)


def mac_inputs(
    constants: Constants, match: MacMatch, arranged: Arrange | None = None
) -> tuple[Node, tuple[Argument, ...]]:
    """(the node behind which the op can stand, its arguments up to the weight scales).

    Args:
        arranged: makes the op's weights of [N, K]; None where they are these.
    """
    weight = match.weight
    graph = match.op.graph
    source = weight.constant.integers
    # With the sums over k, kernels apply the input's zero point.
    rows = weight.rows(constants.value(source))
    sums = rows.sum(dim=1, dtype=torch.int64).to(torch.int32)

    def arrange(values: torch.Tensor) -> torch.Tensor:
        found = weight.rows(values)
        return found if arranged is None else arranged(found)

    integers = constants.as_placeholder(graph, "weight", source, arrange)
    weight_sums = _add_vector(constants, "weight_sums", sums, source)
    scales = _scales(weight, constants)
    if isinstance(weight.constant.scales, Node):
        source = weight.constant.scales
    weight_scales = _add_vector(constants, "weight_scales", scales, source)
    place = match.op
    x = match.x.node
    for move in match.moves.before:
        x = place = redo_on(move, (x,), place)
    return place, (x, *match.x.arguments, integers, weight_sums, weight_scales)


def padded_bias(constants: Constants, match: MacMatch) -> Node | None:
    """The bias as a placeholder, or None."""
    if match.bias is None:
        return None
    n = match.weight.shape[0]
    bias = constants.value(match.bias).reshape(-1)
    bias = bias.expand(n) if len(bias) == 1 else bias[:n]
    return _add_vector(constants, "bias", bias, match.bias)


def _scales(weight: Weight, constants: Constants) -> torch.Tensor:
    """float32 [N]"""
    scales = weight.constant.scales
    values = constants.value(scales) if isinstance(scales, Node) else torch.tensor([scales])
    of_channel = weight.rows(weight.constant.scale_indices())[:, 0]
    return values.reshape(-1).to(torch.float32)[of_channel]


def _add_vector(
    constants: Constants,
    what: str,
    values: torch.Tensor,
    source: Node,
) -> Node:
    """A constant of these values, with zeros up to a size that is a multiple of 4."""
    padded = torch.nn.functional.pad(values, (0, -len(values) % 4))
    return constants.add(source.graph, what, padded, source)
