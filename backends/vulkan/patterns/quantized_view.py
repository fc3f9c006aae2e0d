"""A view between a dequantize and a quantize with the same parameters is that view in int8.

int8 -> dequantize -> view -> quantize -> int8      becomes      int8 -> view -> int8
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from .edge_ops import (
    QUANTIZE,
    activation_dequantize_params,
    is_alias,
    node_argument,
    static_quant_params,
)
from .graph_edits import redo_on


@dataclass(frozen=True)
class QuantizedViewMatch:
    """A chain of views on one quantization grid.

    Attributes:
        anchor_node: the last view.
        views: all of them, first to last.
        dequantize: what makes the float input of the first.
        quantizes: those users of the last that quantize onto the grid of `dequantize`; there may
            be other users, which keep the float view.
    """

    anchor_node: Node
    views: tuple[Node, ...]
    dequantize: Node
    quantizes: tuple[Node, ...]

    @property
    def all_nodes(self) -> list[Node]:
        return [self.dequantize, *self.views, *self.quantizes]

    @property
    def input_nodes(self) -> list[Node]:
        return [node_argument(self.dequantize, 0)]

    @property
    def output_nodes(self) -> list[Node]:
        return list(self.quantizes)


def match_quantized_view(node: Node) -> QuantizedViewMatch | None:
    """The chain that ends in the view `node`, or None."""
    views: list[Node] = []
    source = node
    while is_alias(source):
        views.insert(0, source)
        source = node_argument(source, 0)
    params = activation_dequantize_params(source)
    if not views or params is None or params.int8_problem():
        return None
    quantizes = []
    for user in node.users:
        if user.target != QUANTIZE:
            continue
        target = static_quant_params(user)
        # A narrower range than int8's would clamp, which a view does not.
        if (
            target is not None
            and target.same_grid(params)
            and (target.quant_min, target.quant_max) == (-128, 127)
        ):
            quantizes.append(user)
    return QuantizedViewMatch(node, tuple(views), source, tuple(quantizes)) if quantizes else None


def rewrite_quantized_view(
    program: ExportedProgram, graph_module: GraphModule, match: QuantizedViewMatch
) -> None:
    """Redo the views on the int8 tensor and let the users of the quantizes read the result."""
    result = node_argument(match.dequantize, 0)
    for view in match.views:
        result = redo_on(view, result, view)
    for quantize in match.quantizes:
        quantize.replace_all_uses_with(result)
