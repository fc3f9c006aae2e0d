"""Values that are rounded to int8 at run time where no int8 layer takes them.

    x -> choose_qparams -> (scale, zero point);  x -> quantize -> dequantize   becomes   round_rows

as quantizers write it in front of ops that have no int8 kernel, or of layers whose weights are not
int8 per channel: these compute in float32 with what is rounded.
"""

from __future__ import annotations

from torch.fx import Node

from ...custom_ops import ROUND_ROWS
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import is_dequantize, is_float32
from ..vocabulary.graph_edits import call_after
from ..vocabulary.rejection import NotInt8Error
from ..vocabulary.step import Family, Step
from .dynamic_input import DynamicInput, is_dynamic, read_dynamic_input


def match_rounding(node: Node) -> Step | None:
    """`node` as a step, where it is the dequantize of such a rounding."""
    if not is_dequantize(node) or not is_float32(node) or not is_dynamic(node):
        return None
    try:
        x = read_dynamic_input(node, [])
    except NotInt8Error:
        return None
    return Step(
        ROUNDING,
        x,
        anchor=node,
        nodes=x.nodes,
        reads=(x.node,),
        outputs=(node,),
        float_only=tuple(one for one in x.nodes if one is not node),
        listed=(x.quantize, node),
        is_work=False,
    )


def rewrite_rounding(constants: Constants, x: DynamicInput) -> None:
    """Put the op in the place of the dequantize."""
    node = x.dequantize
    result = call_after(node.graph, node, ROUND_ROWS, (x.node, *x.arguments))
    node.replace_all_uses_with(result)


ROUNDING = Family("rounding", rewrite_rounding)
