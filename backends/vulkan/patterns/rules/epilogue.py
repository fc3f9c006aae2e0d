"""What follows a float result that an int8 op computes: moves, an activation, clamps, a quantize.

A clamp before a quantize is a clamp of the integers after it, because quantize is monotone:
q(clamp(f, lo, hi)) == clamp(q(f), q(lo), q(hi)). A quantize and dequantize with the final
parameters in between changes nothing of that, since quantizing such a value again gives it back.
Moves (views, permutes, slices) commute with everything here, so they are redone on int8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.fx import Node

from ...custom_ops import INT8_MAX, INT8_MIN, quantize_value
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    CAT,
    QUANTIZE,
    QuantParams,
    activation_dequantize_params,
    clamp_bounds,
    is_float32,
    static_quant_params,
)
from ..vocabulary.expressions import INPUT, Expression, apply_pointwise, constant_ops
from ..vocabulary.moves import moves_elements
from .activations import NO_ACTIVATION, ActivationCall, match_activation

_LONGEST_ACTIVATION = 64  # ops


@dataclass(frozen=True)
class Epilogue:
    """The output side of an op whose result is int8.

    Attributes:
        quantizes: the quantize nodes, all with the same parameters, that the fused op replaces.
        params: those parameters.
        activation: what is applied in float; never a clamp.
        quant_min, quant_max: integer bounds, clamps included.
        is_relu: all that the bounds say is a relu.
        moves: views and other moves on the way, in order.
        absorbed: nodes between the op and the quantizes.
    """

    quantizes: tuple[Node, ...]
    params: QuantParams
    activation: ActivationCall
    quant_min: int
    quant_max: int
    is_relu: bool
    moves: tuple[Node, ...]
    absorbed: tuple[Node, ...]

    @property
    def fits_stock_schema(self) -> bool:
        """True where the stock op, which clamps to -128..127 and knows relu, says it all."""
        full = (self.quant_min, self.quant_max) == (INT8_MIN, INT8_MAX)
        return self.activation == NO_ACTIVATION and (full or self.is_relu)


@dataclass(frozen=True)
class FloatTail:
    """The output side of an op whose result is float32.

    Attributes:
        activation: what the op applies.
        moves: moves on the way to `output`, in order.
        output: the node that the op and these moves replace.
        absorbed: nodes behind the op up to `output`, included.
    """

    activation: ActivationCall
    moves: tuple[Node, ...]
    output: Node
    absorbed: tuple[Node, ...]


@dataclass(frozen=True)
class Link:
    """One piece of a chain: a move, or elementwise ops that meet again in one node.

    Attributes:
        node: the last one, and the only one that is read behind the link.
        nodes: all of them, and what computes their constants.
        expression: what `node` is of the chain's start.
        is_move: the link is one move.
    """

    node: Node
    nodes: tuple[Node, ...]
    expression: Expression
    is_move: bool


@dataclass(frozen=True)
class _Bounds:
    """Float interval that a chain of clamps maps onto, by composition."""

    low: float = -math.inf
    high: float = math.inf

    def then(self, low: float, high: float) -> _Bounds:
        # As PyTorch's clamp: where low > high everything becomes high.
        return _Bounds(min(max(self.low, low), high), min(max(self.high, low), high))


def chain_behind(start: Node, constants: Constants | None) -> tuple[Link, ...]:
    """Links from `start` on, as far as it goes or to the first node that is quantized only."""
    links: list[Link] = []
    node: Node = start
    expression: Expression = INPUT
    while equal_quantizes(node) is None:
        link = _next_link(node, expression, constants)
        if link is None:
            break
        links.append(link)
        node, expression = link.node, link.expression
    return tuple(links)


def find_epilogue(start: Node, constants: Constants | None) -> Epilogue | None:
    """Follow the result of the op `start` to its quantizes.

    Returns:
        None where the result is also needed in float, is never quantized, is quantized in several
        ways, or where something else than one activation stands between.
    """
    links = chain_behind(start, constants)
    quantizes = equal_quantizes(links[-1].node if links else start)
    found = _split(links, constants) if quantizes is not None else None
    if quantizes is None or found is None:
        return None
    activation, clamps = found
    bounds = _Bounds()
    for clamp in clamps:
        bounds = bounds.then(*clamp)
    absorbed = [node for link in links for node in link.nodes]
    params = static_quant_params(quantizes[0])
    assert params is not None
    while (further := _clamp_in_int8(quantizes, params)) is not None:
        further_clamps, next_quantizes, passed = further
        for clamp in further_clamps:
            bounds = bounds.then(*clamp)
        absorbed.extend((*quantizes, *passed))
        quantizes = next_quantizes
    moves = tuple(link.node for link in links if link.is_move)
    return _finish(quantizes, params, activation, bounds, moves, tuple(absorbed))


def find_float_tail(start: Node, constants: Constants | None) -> FloatTail:
    """The longest activation behind `start`; what comes after it stays as it is."""
    links = chain_behind(start, constants)
    for count in range(len(links), 0, -1):
        taken = links[:count]
        # Computed in float, so it must be all of one activation.
        activation = (
            None if taken[-1].is_move else match_activation(taken[-1].expression, constants)
        )
        if activation is not None and is_float32(taken[-1].node):
            moves = tuple(link.node for link in taken if link.is_move)
            absorbed = tuple(node for link in taken for node in link.nodes)
            return FloatTail(activation, moves, taken[-1].node, absorbed)
    return FloatTail(NO_ACTIVATION, (), start, ())


def equal_quantizes(node: Node) -> tuple[Node, ...] | None:
    """All users of `node`, if every one quantizes it with the same static parameters."""
    users = tuple(node.users)
    if not users or any(user.target != QUANTIZE for user in users):
        return None
    params = {static_quant_params(user) for user in users}
    return users if len(params) == 1 and None not in params else None


def _next_link(node: Node, expression: Expression, constants: Constants | None) -> Link | None:
    if len(node.users) == 1:
        user = next(iter(node.users))
        if moves_elements(user) and user.target != CAT:
            return Link(user, (user,), expression, True)
    expressions = {node: expression}
    constant: list[Node] = []
    while len(expressions) <= _LONGEST_ACTIVATION:
        readers = {user for one in expressions for user in one.users if user not in expressions}
        if not readers:
            return None
        user = min(readers)
        applied = apply_pointwise(user, expressions, constants)
        if applied is None:
            return None
        constant += constant_ops(user, expressions)
        expressions[user] = applied
        if [one for one in expressions if any(u not in expressions for u in one.users)] == [user]:
            passed = dict.fromkeys((*constant, *tuple(expressions)[1:]))
            return Link(user, tuple(passed), applied, False)
    return None


def _split(
    links: tuple[Link, ...], constants: Constants | None
) -> tuple[ActivationCall, list[tuple[float, float]]] | None:
    """A chain as one activation and the clamps behind it, or None where it is something else."""
    computed = [link for link in links if not link.is_move]
    first_clamp = len(computed)
    while first_clamp and _clamp_of(computed[first_clamp - 1]) is not None:
        first_clamp -= 1
    # An activation may itself end with a clamp.
    for cut in range(first_clamp, len(computed) + 1):
        clamps = [clamp for link in computed[cut:] if (clamp := _clamp_of(link)) is not None]
        if cut == 0:
            return NO_ACTIVATION, clamps
        found = match_activation(computed[cut - 1].expression, constants)
        if found is not None and found.name == "clamp":
            return NO_ACTIVATION, [(found.alpha, found.beta), *clamps]
        if found is not None:
            return found, clamps
    return None


def _clamp_of(link: Link) -> tuple[float, float] | None:
    return clamp_bounds(link.node) if len(link.nodes) == 1 else None


def _clamp_in_int8(
    quantizes: tuple[Node, ...], params: QuantParams
) -> tuple[list[tuple[float, float]], tuple[Node, ...], list[Node]] | None:
    """A step quantize -> dequantize -> clamps -> quantize on one grid that nothing else reads.

    Returns:
        The clamps, the quantizes behind them, and the nodes passed; None where there is no such
        step. A second reader of the first quantize needs its values, so nothing is folded then.
    """
    readers = [user for quantize in quantizes for user in quantize.users]
    if len(readers) != 1:
        return None
    node = readers[0]
    dequantized = activation_dequantize_params(node)
    if dequantized is None or not dequantized.same_grid(params):
        return None
    clamps: list[tuple[float, float]] = []
    passed = [node]
    while (found := equal_quantizes(node)) is None:
        if len(node.users) != 1:
            return None
        node = next(iter(node.users))
        clamp = clamp_bounds(node)
        if clamp is None:
            return None
        clamps.append(clamp)
        passed.append(node)
    # A bare quantize -> dequantize -> quantize is left to the next layer's own rules.
    if not clamps or static_quant_params(found[0]) != params:
        return None
    return clamps, found, passed


def _finish(
    quantizes: tuple[Node, ...],
    params: QuantParams,
    activation: ActivationCall,
    bounds: _Bounds,
    moves: tuple[Node, ...],
    absorbed: tuple[Node, ...],
) -> Epilogue:
    def quantized(value: float) -> int:
        return quantize_value(
            value, params.scale, params.zero_point, params.quant_min, params.quant_max
        )

    low, high = quantized(bounds.low), quantized(bounds.high)
    full_range = (params.quant_min, params.quant_max) == (INT8_MIN, INT8_MAX)
    is_relu = bounds.low == 0.0 and high == INT8_MAX and full_range
    return Epilogue(quantizes, params, activation, low, high, is_relu, moves, absorbed)
