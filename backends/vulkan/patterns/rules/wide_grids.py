"""Values on a static grid of more integers than int8 has, such as those of 16 bits.

    x -> quantize -> dequantizes    becomes    clamp(round(x / scale)) * scale, in float32

Every integer of such a grid is a float32, and layers that read it compute in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.fx import Node

from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    CLAMP,
    DEQUANTIZE,
    MUL_SCALAR,
    QUANTIZE,
    ROUND,
    QuantParams,
    is_float32,
    node_argument,
    static_quant_params,
)
from ..vocabulary.graph_edits import call_after
from ..vocabulary.step import Family, Step

_NARROW = (torch.int8, torch.uint8)
_LARGEST = 2**24  # up to which every integer is a float32


@dataclass(frozen=True)
class WideGrid:
    """A quantize, and all that reads it: dequantizes of its grid."""

    quantize: Node
    dequantizes: tuple[Node, ...]
    params: QuantParams


def match_wide_grid(node: Node) -> Step | None:
    """`node` as a step, where it is the quantize of such a rounding."""
    params = static_quant_params(node) if node.target == QUANTIZE else None
    if params is None or params.dtype in _NARROW or params.scale_problem() is not None:
        return None
    x, readers = node_argument(node, 0), tuple(node.users)
    distances = (params.quant_min - params.zero_point, params.quant_max - params.zero_point)
    fits = all(abs(one) <= _LARGEST for one in (*distances, params.zero_point))
    if not fits or not is_float32(x) or not readers or not all(_is_of(params, r) for r in readers):
        return None
    return Step(
        WIDE_GRID,
        WideGrid(node, readers, params),
        anchor=node,
        nodes=(node, *readers),
        reads=(x,),
        outputs=readers,
        float_only=(node,),
        listed=(node, *readers),
        is_work=False,
        is_quantized=False,
    )


def _is_of(params: QuantParams, reader: Node) -> bool:
    found = static_quant_params(reader) if reader.target == DEQUANTIZE else None
    return found is not None and found.same_grid(params) and is_float32(reader)


def rewrite_wide_grid(constants: Constants, match: WideGrid) -> None:
    """Put the arithmetic in the place of the dequantizes."""
    params, node = match.params, match.quantize
    low, high = (one - params.zero_point for one in (params.quant_min, params.quant_max))
    result = node_argument(node, 0)
    place = node
    for target, *numbers in (
        (MUL_SCALAR, 1.0 / params.scale),
        (ROUND,),
        (CLAMP, float(low), float(high)),
        (MUL_SCALAR, params.scale),
    ):
        place = result = call_after(node.graph, place, target, (result, *numbers))
    for reader in match.dequantizes:
        reader.replace_all_uses_with(result)


WIDE_GRID = Family("wide grid", rewrite_wide_grid)
