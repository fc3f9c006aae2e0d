"""Max and average pooling of an int8 tensor, also adaptive.

int8 x -> dequantize -> (moves) -> pool -> (clamps, moves) -> quantize     becomes     q8ta_*_pool2d
"""

from __future__ import annotations

from collections.abc import Mapping

from torch.fx import Node

from ...custom_ops import (
    Q8TA_ADAPTIVE_AVG_POOL2D,
    Q8TA_ADAPTIVE_MAX_POOL2D,
    Q8TA_AVG_POOL2D,
    Q8TA_MAX_POOL2D,
)
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    ADAPTIVE_AVG_POOL,
    ADAPTIVE_MAX_POOL,
    AVG_POOL,
    MAX_POOL,
    first_result,
)
from ..vocabulary.forms import Form
from ..vocabulary.pool_arguments import pool_arguments
from ..vocabulary.rejection import NotInt8Error, Rejection
from ..vocabulary.step import Family, Step
from .int8_op import (
    Int8OpMatch,
    has_int8_operand,
    int8_op_step,
    read_operands,
    read_tails,
    rewrite_int8_op,
)

POOLING = Family("pooling", rewrite_int8_op)
_TARGETS = {
    MAX_POOL: Q8TA_MAX_POOL2D,
    ADAPTIVE_MAX_POOL: Q8TA_ADAPTIVE_MAX_POOL2D,
    AVG_POOL: Q8TA_AVG_POOL2D,
    ADAPTIVE_AVG_POOL: Q8TA_ADAPTIVE_AVG_POOL2D,
}


def match_pooling(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> Step | Rejection | None:
    """`node` as an int8 step; None for other ops, and where its tensor is not of int8 values."""
    if node.target not in _TARGETS or not has_int8_operand(node.args[:1], forms):
        return None
    try:
        arguments = pool_arguments(node)
        operands = read_operands(node.args[:1], forms, constants)
        result = first_result(node)
        assert result is not None
        tails = read_tails(result, constants)
    except NotInt8Error as error:
        return Rejection(node, str(error))
    target = _TARGETS[node.target]
    match = Int8OpMatch(node, result, operands, tails, target, (1.0,), arguments)
    return int8_op_step(POOLING, match)
