"""Replace a matched linear by its int8 op, with the constants as the stock runtime wants them."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import LINEAR_FLOAT_OUT, Q8TA_LINEAR, Q8TA_LINEAR_BOUNDED, Q8TA_LINEAR_GEMV
from ..quantized_linear import QuantizedLinearMatch
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import sizes_of
from ..vocabulary.graph_edits import call_after, hand_over, redo_on
from .epilogue import FloatTail
from .linear_operands import Weight


def rewrite_quantized_linear(constants: Constants, match: QuantizedLinearMatch) -> None:
    """Rewrite in place; the nodes that lose their last user are left for dead code elimination.

    Raises:
        ValueError: where a constant's values are not at hand.
    """
    place, head = linear_inputs(constants, match)
    bias = padded_bias(constants, match)
    graph = place.graph
    tail = match.tail
    if isinstance(tail, FloatTail):
        assert match.views.float_output is not None
        args: tuple[Argument, ...] = (*head, bias, *tail.activation.args)
        result = call_after(graph, place, LINEAR_FLOAT_OUT, args)
    else:
        args = (*head, tail.params.scale, tail.params.zero_point, bias)
        if tail.fits_stock_schema:
            args += ("relu" if tail.is_relu else "none",)
            result = call_after(graph, place, _stock_target(match), args)
        else:
            args += (*tail.activation.args, tail.quant_min, tail.quant_max)
            result = call_after(graph, place, Q8TA_LINEAR_BOUNDED, args)
    hand_over(result, match.views.behind, match.output_nodes)


def linear_inputs(
    constants: Constants, match: QuantizedLinearMatch
) -> tuple[Node, tuple[Argument, ...]]:
    """(the node behind which the op can stand, its arguments up to the weight scales)."""
    weight = match.weight
    graph = match.anchor_node.graph
    integers = constants.as_placeholder(graph, "weight", weight.constant.integers, weight.as_n_k)
    # With the sums over k, kernels apply the input's zero point.
    sums = constants.value(integers).sum(dim=1, dtype=torch.int64).to(torch.int32)
    source = weight.constant.integers
    weight_sums = _add_vector(constants, "weight_sums", sums, source)
    scales = _scales(weight, constants)
    if isinstance(weight.constant.scales, Node):
        source = weight.constant.scales
    weight_scales = _add_vector(constants, "weight_scales", scales, source)
    place = match.anchor_node
    x = match.activation.x
    for move in match.views.before:
        x = place = redo_on(move, (x,), place)
    params = match.activation.params
    head: tuple[Argument, ...] = (x, params.scale, params.zero_point)
    return place, (*head, integers, weight_sums, weight_scales)


def padded_bias(constants: Constants, match: QuantizedLinearMatch) -> Node | None:
    """The bias as a placeholder, or None."""
    if match.bias is None:
        return None
    n = match.shape[0]
    bias = constants.value(match.bias).reshape(-1)
    bias = bias.expand(n) if len(bias) == 1 else bias[:n]
    return _add_vector(constants, "bias", bias, match.bias)


def _scales(weight: Weight, constants: Constants) -> torch.Tensor:
    """float32 [N]"""
    scales = weight.constant.scales
    values = constants.value(scales) if isinstance(scales, Node) else torch.tensor([scales])
    of_channel = weight.as_n_k(weight.constant.scale_indices())[:, 0]
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


def _stock_target(match: QuantizedLinearMatch) -> Any:
    """The name that the stock rule gives: gemv where the last dimension but one is 1."""
    sizes = sizes_of(match.activation.x)
    rows = sizes[-2] if len(sizes) >= 2 else 1
    return Q8TA_LINEAR_GEMV if isinstance(rows, int) and rows == 1 else Q8TA_LINEAR
