"""Match statically quantized linear layers.

    int8 x -> dequantize -> (view) -> linear | mm | addmm -> (view, clamps) -> quantize -> int8

`linear_operands.py` reads what goes in, `epilogue.py` what follows, `linear_views.py` decides on
the views. A match is complete: `linear_rewrite.py` needs nothing else, and can rewrite every one.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import Node

from .constants import SAFE_K, Constants
from .edge_ops import LINEAR_OPS, op_name, sizes_of
from .epilogue import Epilogue, find_epilogue
from .linear_operands import Activation, NotInt8Error, Weight, read_operands
from .linear_views import Views, plan_views


@dataclass(frozen=True)
class Rejection:
    """Why a node is not run on Vulkan.

    Attributes:
        node: the linear, or another op that the user may have expected there.
        reason: a sentence for the user.
        is_static: input and weight are statically quantized, so the case was ours to decide;
            otherwise the stock rules may still take it.
    """

    node: Node
    reason: str
    is_static: bool = True


@dataclass(frozen=True)
class QuantizedLinearMatch:
    """One linear layer that runs in int8.

    Attributes:
        anchor_node: the linear, mm or addmm.
        activation: the int8 input [..., K].
        weight: the constant weight [N, K]; a match requires zero points of zero, as far as the
            values are known (see `value_problem`).
        bias: constant float32 [N] or None.
        epilogue: the int8 output side; None for a float32 result.
        views: views that are redone, and the node that a float32 result replaces.
    """

    anchor_node: Node
    activation: Activation
    weight: Weight
    bias: Node | None
    epilogue: Epilogue | None
    views: Views

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        n, k = sizes_of(self.weight.weight)
        return n, k

    @property
    def runs_on_stock(self) -> bool:
        """True where the stock runtime runs the fused op too, and rightly."""
        _, k = self.shape
        return (
            self.epilogue is not None
            and self.epilogue.fits_stock_schema
            and self.views == Views()
            and isinstance(self.weight.scales, Node)
            and len(sizes_of(self.activation.x)) == 2
            and k % 4 == 0
        )

    @property
    def inner_nodes(self) -> tuple[Node, ...]:
        """Every operator that the op replaces, anchor included."""
        nodes = [*self.activation.inner_nodes, *self.weight.inner_nodes, self.anchor_node]
        if self.epilogue is not None:
            nodes += [*self.epilogue.absorbed, *self.epilogue.quantizes]
        elif self.views.float_output is not None:
            nodes.append(self.views.float_output)
        return tuple(dict.fromkeys(nodes))

    # The names below are those that the stock pattern engine reads.
    @property
    def all_nodes(self) -> list[Node]:
        return list(self.inner_nodes)

    @property
    def input_nodes(self) -> list[Node]:
        constants = (self.weight.weight, self.weight.scales, self.weight.zeros, self.bias)
        return [self.activation.x, *(node for node in constants if isinstance(node, Node))]

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
    epilogue = find_epilogue(node)
    if epilogue is not None and (problem := epilogue.params.int8_problem()):
        return Rejection(node, f"output quantize {problem}")
    n, k = sizes_of(weight.weight)
    views = plan_views(node, activation.x, activation.views, epilogue, (n, k))
    match = QuantizedLinearMatch(node, activation, weight, bias, epilogue, views)
    if constants is not None and (problem := value_problem(match, constants)):
        return Rejection(node, problem)
    return match


def value_problem(match: QuantizedLinearMatch, constants: Constants) -> str | None:
    """What the constants' values forbid, or None.

    Zero points that can't be read are taken to be zero, as symmetric quantizers make them; once
    the real program is at hand, this is asked again. A large K needs the weights now.
    """
    if match.weight.zeros is not None and not all(
        facts.all_zero for facts in constants.facts(match.weight.zeros)
    ):
        return "weight zero points are not all zero; quantize weights symmetrically"
    k = match.shape[1]
    if k <= SAFE_K:
        return None
    row_sums = [facts.max_row_sum for facts in constants.facts(match.weight.weight)]
    zero_point = match.activation.params.zero_point
    reach = max(abs(-128 - zero_point), abs(127 - zero_point))
    if row_sums and all(s is not None and s * reach < 2**31 for s in row_sums):
        return None
    return (
        f"K = {k} is above {SAFE_K} and the weights do not rule out an int32 overflow; split the "
        "layer along K"
    )
