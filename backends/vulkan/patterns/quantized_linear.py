"""Match quantized linear layers.

    int8 x -> dequantize -> (moves) -> linear | mm | addmm -> (activation, clamps, moves)
           -> quantize -> int8, or float32 without the quantize

or of a float32 x that is quantized at run time (`rules/dynamic_input.py`); then y is float32.

`rules/linear_operands.py` reads what goes in, `epilogue.py` what follows, `linear_moves.py`
decides on the views and other moves. `mac.py` has the match, `mac_rewrite.py` replaces it.
"""

from __future__ import annotations

from torch.fx import Node

from ..custom_ops import (
    LINEAR_DYNAMIC,
    LINEAR_FLOAT_OUT,
    Q8TA_LINEAR,
    Q8TA_LINEAR_BOUNDED,
    Q8TA_LINEAR_GEMV,
    Q8TA_LINEAR_RESIDUAL,
)
from .rules.dynamic_input import DynamicInput
from .rules.epilogue import Epilogue, FloatTail
from .rules.linear_moves import plan_linear_moves
from .rules.linear_operands import read_linear_operands
from .rules.mac import MacMatch, MacOps, StockOp, mac_step, value_problem
from .rules.mac_moves import Moves
from .rules.mac_operands import Int8Input, Weight
from .rules.mac_rewrite import rewrite_mac
from .rules.mac_tail import find_tail
from .vocabulary.constants import Constants
from .vocabulary.edge_ops import LINEAR_OPS, op_name, sizes_of
from .vocabulary.rejection import NotInt8Error, Rejection
from .vocabulary.step import Family, Step

LINEAR_LAYER = Family("linear", rewrite_mac)
_OPS = MacOps(Q8TA_LINEAR_BOUNDED, Q8TA_LINEAR_RESIDUAL, LINEAR_FLOAT_OUT)
_DYNAMIC_OPS = MacOps(None, None, LINEAR_DYNAMIC)


def match_quantized_linear(node: Node, constants: Constants | None = None) -> Step | Rejection:
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
        x, weight, bias = read_linear_operands(node, constants)
        is_dynamic = isinstance(x, DynamicInput)
        bias, tail = find_tail(node, weight.shape[0], bias, constants, in_float=is_dynamic)
    except NotInt8Error as error:
        return Rejection(node, str(error), error.is_static)
    moves = plan_linear_moves(x.node, x.moves, tail, weight.shape)
    stock = None if isinstance(x, DynamicInput) else _stock_op(x, weight, tail, moves)
    match = MacMatch(
        node, _DYNAMIC_OPS if is_dynamic else _OPS, x, weight, bias, tail, moves, stock=stock
    )
    if constants is not None and (problem := value_problem(match, constants)):
        return Rejection(node, problem)
    return mac_step(LINEAR_LAYER, match)


def is_dynamic_layer(step: Step) -> bool:
    """True for a step whose activations are quantized at run time."""
    return isinstance(step.match, MacMatch) and isinstance(step.match.x, DynamicInput)


def _stock_op(
    x: Int8Input, weight: Weight, tail: Epilogue | FloatTail, moves: Moves
) -> StockOp | None:
    """The name that the stock rule gives: gemv where the last dimension but one is 1."""
    if not isinstance(tail, Epilogue) or not tail.fits_stock_schema:
        return None
    sizes = sizes_of(x.node)
    rows = sizes[-2] if len(sizes) >= 2 else 1
    target = Q8TA_LINEAR_GEMV if isinstance(rows, int) and rows == 1 else Q8TA_LINEAR
    runs_there = (
        moves == Moves()
        and weight.constant.axis is not None
        and len(sizes) == 2
        and weight.shape[1] % 4 == 0
    )
    return StockOp(target, runs_there)
