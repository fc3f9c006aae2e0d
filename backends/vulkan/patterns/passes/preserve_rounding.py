"""Keep the rounding of a quantize whose result is dequantized again inside the partition.

The stock preprocessing takes every quantize -> dequantize that is left for a remnant of the
quantization workflow and removes both, which changes the numbers. Our own dequantize op, which
it does not know, stays. Where a layer absorbs the dequantize, nothing of this is left over.
"""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ...custom_ops import Q8TA_DEQUANTIZE
from ..vocabulary.edge_ops import DEQUANTIZE, QUANTIZE, node_argument, static_quant_params
from ..vocabulary.graph_edits import call_after
from ..vocabulary.node_match import NodeMatch


class RequantizedMatch(NodeMatch):
    """A dequantize (`anchor_node`) that reads a quantize directly."""


def match_requantized(node: Node) -> RequantizedMatch | None:
    """`node` as a match where it is a static dequantize of a quantize's result."""
    if node.target != DEQUANTIZE or node_argument(node, 0).target != QUANTIZE:
        return None
    params = static_quant_params(node)
    return None if params is None or params.int8_problem() else RequantizedMatch(node)


def rewrite_requantized(
    program: ExportedProgram, graph_module: GraphModule, match: RequantizedMatch
) -> None:
    """Put our dequantize in the place of the stock one."""
    node = match.anchor_node
    x, scale, zero_point = node.args[:3]
    node.replace_all_uses_with(
        call_after(node.graph, node, Q8TA_DEQUANTIZE, (x, scale, zero_point))
    )
