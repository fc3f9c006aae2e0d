"""Pads of what is int8 on both sides, by a number that none of the values in front stands for.

int8 x -> dequantize -> (moves, functions) -> pad -> (clamps, moves) -> quantize

becomes a table to the grid behind it, and a pad by what the number is quantized to. Where the
grid in front has the number, as it has 0, the pad is part of a form (`vocabulary/forms.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch.fx import Node

from ...custom_ops import quantize_value
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import PAD, QuantParams, named_argument, node_argument
from ..vocabulary.forms import Form
from ..vocabulary.graph_edits import hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.rejection import NotInt8Error
from ..vocabulary.step import Family, Step
from .epilogue import Epilogue
from .int8_op import int8_step, read_tails


@dataclass(frozen=True)
class PadMatch:
    """A pad of a tensor with a form.

    Attributes:
        anchor: the pad.
        form: what it pads, on one grid.
        value: what it pads with.
        tails: what follows; more than one where the result is quantized in several ways.
    """

    anchor: Node
    form: Form
    value: float
    tails: tuple[Epilogue, ...]


def match_padding(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> Step | None:
    """`node` as a step; None for other ops, and for pads that run in float or have a form."""
    if node.target != PAD or node in forms:
        return None
    form, value = forms.get(node_argument(node, 0)), named_argument(node, 2, "value", 0)
    if form is None or form.params is None or not isinstance(value, (int, float)):
        return None
    try:
        tails = read_tails(node, constants)
    except NotInt8Error:
        return None
    if value != value:
        return None  # what NaN is quantized to is up to the hardware
    match = PadMatch(node, form, float(value), tails)
    return int8_step(PADDING, match, node, (form,), tails)


def rewrite_padding(constants: Constants, match: PadMatch) -> None:
    """Put a table and a pad for each tail in the place of its quantizes."""
    grid = match.form.params
    assert grid is not None
    for tail in match.tails:
        builder = Int8Builder(constants, match.anchor)
        own = tail.params
        target = QuantParams(own.scale, own.zero_point, tail.quant_min, tail.quant_max, own.dtype)
        x = builder.table(builder.tree(match.form.tree), grid, match.form.expression, target)
        bounds = (tail.quant_min, tail.quant_max)
        fill = quantize_value(match.value, own.scale, own.zero_point, *bounds)
        hand_over(builder.pad(x, match.anchor, fill), tail.moves, tail.quantizes)


PADDING = Family("padding", rewrite_padding)
