"""Match quantized convolutions of one and two dimensions.

    int8 x -> dequantize -> (moves) -> convolution -> (activation, clamps, moves)
           -> quantize -> int8, or float32 without the quantize

or with an x that is quantized at run time, and a float32 result.

`rules/convolution_operands.py` reads what goes in, `epilogue.py` what follows. `mac.py` has the
match, `mac_rewrite.py` replaces it. Where the stock schemas say all, the ops are those that the
stock partitioner writes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

from ..custom_ops import (
    CONV2D_DYNAMIC,
    CONV2D_FLOAT_OUT,
    Q8TA_CONV2D,
    Q8TA_CONV2D_BOUNDED,
    Q8TA_CONV2D_DW,
    Q8TA_CONV2D_PW,
    Q8TA_CONV2D_RESIDUAL,
    Q8TA_CONV2D_TRANSPOSED,
)
from .rules.convolution_operands import Geometry, read_convolution_operands
from .rules.dynamic_input import DynamicInput
from .rules.epilogue import Epilogue, FloatTail
from .rules.mac import MacMatch, MacOps, StockOp, mac_step, value_problem
from .rules.mac_moves import Moves, plan_moves
from .rules.mac_operands import Int8Input, Weight
from .rules.mac_rewrite import rewrite_mac
from .rules.mac_tail import find_tail
from .vocabulary.constants import Constants
from .vocabulary.edge_ops import CONVOLUTION, op_name, sizes_of
from .vocabulary.rejection import NotInt8Error, Rejection
from .vocabulary.step import Family, Step

CONVOLUTION_LAYER = Family("convolution", rewrite_mac)
_OPS = MacOps(Q8TA_CONV2D_BOUNDED, Q8TA_CONV2D_RESIDUAL, CONV2D_FLOAT_OUT)
_DYNAMIC_OPS = MacOps(None, None, CONV2D_DYNAMIC)


def match_quantized_convolution(node: Node, constants: Constants | None = None) -> Step | Rejection:
    """Decide whether `node` and what surrounds it run as one int8 layer.

    Args:
        node: a call of aten.convolution, in the edge dialect.
        constants: the program's; without it, placeholders are taken for constants and values
            are not looked at.

    Raises:
        ValueError: where `node` is no convolution.
    """
    if node.target != CONVOLUTION:
        raise ValueError(f"{node.name} is {op_name(node)}, not a convolution")
    try:
        x, weight, bias, geometry = read_convolution_operands(node, constants)
        channels = -1 - len(geometry.kernel_size)
        is_dynamic = isinstance(x, DynamicInput)
        bias, tail = find_tail(node, weight.shape[0], bias, constants, channels, is_dynamic)
    except NotInt8Error as error:
        return Rejection(node, str(error), error.is_static)
    moves = plan_moves(x.moves, tail)
    stock = None if isinstance(x, DynamicInput) else _stock_op(x, weight, geometry, tail, moves)
    ops = _DYNAMIC_OPS if is_dynamic else _OPS
    match = MacMatch(node, ops, x, weight, bias, tail, moves, geometry.args, stock)
    if constants is not None and (problem := value_problem(match, constants)):
        return Rejection(node, problem)
    return mac_step(CONVOLUTION_LAYER, match)


def _stock_op(
    x: Int8Input, weight: Weight, geometry: Geometry, tail: Epilogue | FloatTail, moves: Moves
) -> StockOp | None:
    """What the stock partitioner writes, where that and its runtime can do this layer."""
    sizes = sizes_of(x.node)
    constant = weight.constant
    is_plain = isinstance(tail, Epilogue) and tail.fits_stock_schema and moves == Moves()
    is_static = len(sizes) == 4 and all(isinstance(size, int) for size in sizes)
    if not is_plain or not is_static or constant.axis is None or constant.moves:
        return None
    n, groups = weight.shape[0], geometry.groups
    depth = sizes[1] // groups
    arguments: list[Any] = [list(geometry.kernel_size), list(geometry.stride)]
    arguments += [list(geometry.padding), list(geometry.dilation), groups]
    if geometry.transposed:
        # Its scales are one for each column of the weight, which are those of one group.
        if groups > 1 or set(geometry.dilation) != {1}:
            return None
        arguments.insert(3, list(geometry.output_padding))
        return StockOp(Q8TA_CONV2D_TRANSPOSED, True, tuple(arguments), _whole_words)
    if depth == 1 and groups == n:
        if n % 4:
            return None
        window = tuple(geometry.kernel_size)
        return StockOp(
            Q8TA_CONV2D_DW, True, tuple(arguments), lambda rows: rows.t().reshape(*window, n)
        )
    if groups > 1 and (depth % 4 or n // groups % 4):
        return None
    target = Q8TA_CONV2D_PW if geometry.is_pointwise else Q8TA_CONV2D
    return StockOp(target, True, tuple(arguments), _whole_words)


def _whole_words(rows: torch.Tensor) -> torch.Tensor:
    """Rows with zeros up to a length that is a multiple of 4."""
    return torch.nn.functional.pad(rows, (0, -rows.shape[1] % 4))
