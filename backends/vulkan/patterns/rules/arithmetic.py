"""add, sub and mul of two int8 tensors, and the mean of one or its bilinear resizing.

int8 a, b -> dequantize -> (moves) -> add -> (clamps, moves) -> quantize   becomes   q8ta_binary
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch.fx import Node

from ...custom_ops import Q8TA_BINARY, Q8TA_MEAN, Q8TA_UPSAMPLE_BILINEAR
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    ADD,
    MEAN,
    MEAN_ALL,
    MUL,
    SUB,
    UPSAMPLE_BILINEAR,
    largest_size,
    named_argument,
    node_argument,
    sizes_of,
)
from ..vocabulary.forms import Form
from ..vocabulary.rejection import NotInt8Error, Rejection
from ..vocabulary.step import Family, Step
from .epilogue import Epilogue
from .int8_op import (
    Int8OpMatch,
    has_int8_operand,
    int8_op_step,
    read_operands,
    read_tails,
    rewrite_int8_op,
)

_BINARY = {ADD: "add", SUB: "sub", MUL: "mul"}
_MEAN_OPS = (MEAN, MEAN_ALL)
ARITHMETIC_OPS = frozenset({*_BINARY, *_MEAN_OPS, UPSAMPLE_BILINEAR})
MOST_SUMMED = (2**31 - 1) // 255  # an element is at most 255 steps from its zero point

ARITHMETIC = Family("arithmetic", rewrite_int8_op)


def match_arithmetic(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> Step | Rejection | None:
    """`node` as an int8 step; None where none of its tensors is int8 or a table does it."""
    if node.target not in ARITHMETIC_OPS or node in forms:
        return None
    arguments = node.args[: 2 if node.target in _BINARY else 1]
    if not has_int8_operand(arguments, forms):
        return None
    try:
        operands = read_operands(arguments, forms, constants)
        tails = read_tails(node, constants)
        match = _matched(node, operands, tails)
    except NotInt8Error as error:
        return Rejection(node, str(error))
    return int8_op_step(ARITHMETIC, match)


def is_plain_add(match: Int8OpMatch) -> bool:
    """True for a + b."""
    is_add = match.target == Q8TA_BINARY and match.arguments == ("add",)
    return is_add and match.factors == (1.0, 1.0)


def _matched(node: Node, operands: tuple[Form, ...], tails: tuple[Epilogue, ...]) -> Int8OpMatch:
    if node.target in _BINARY:
        return _binary(node, operands, tails)
    if node.target in _MEAN_OPS:
        return _mean(node, operands, tails)
    names = ((1, "output_size"), (2, "align_corners"), (3, "scale_factors"))
    arguments = tuple(named_argument(node, *name) for name in names)
    return Int8OpMatch(node, node, operands, tails, Q8TA_UPSAMPLE_BILINEAR, (1.0,), arguments)


def _mean(node: Node, operands: tuple[Form, ...], tails: tuple[Epilogue, ...]) -> Int8OpMatch:
    sizes = sizes_of(node_argument(node, 0))
    listed = named_argument(node, 1, "dim") if node.target == MEAN else None
    dims = sorted({int(dim) % len(sizes) for dim in listed}) if listed else range(len(sizes))
    count = math.prod(largest_size(sizes[dim]) for dim in dims)
    if count > MOST_SUMMED:
        raise NotInt8Error(
            f"it sums up to {count} elements, which could overflow 32 bits; the limit is "
            f"{MOST_SUMMED}, so take the mean in two steps or bound the sizes"
        )
    keepdim = node.target == MEAN and bool(named_argument(node, 2, "keepdim", False))
    return Int8OpMatch(node, node, operands, tails, Q8TA_MEAN, (1.0,), (list(dims), keepdim))


def _binary(node: Node, operands: tuple[Form, ...], tails: tuple[Epilogue, ...]) -> Int8OpMatch:
    alpha = named_argument(node, 2, "alpha", 1)
    if not isinstance(alpha, (int, float)) or not math.isfinite(alpha) or alpha == 0:
        raise NotInt8Error(f"alpha is {alpha}; only a finite number other than 0 is supported")
    op = _BINARY[node.target]
    if alpha < 0:
        op = {"add": "sub", "sub": "add"}[op]
    second = operands[1].params
    assert second is not None
    if not 1e-37 < second.scale * abs(alpha) < 1e37:
        raise NotInt8Error(f"alpha {alpha} times the scale {second.scale} is no normal float32")
    factors = (1.0, float(abs(alpha)))
    return Int8OpMatch(node, node, operands, tails, Q8TA_BINARY, factors, (op,))
