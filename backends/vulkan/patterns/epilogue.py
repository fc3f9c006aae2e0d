"""What follows a linear: views, clamps and the quantize that ends the int8 op.

A clamp before a quantize is a clamp of the integers after it, because quantize is monotone:
q(clamp(f, lo, hi)) == clamp(q(f), q(lo), q(hi)). A quantize and dequantize with the final
parameters in between changes nothing of that, since quantizing such a value again gives it back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.fx import Node

from ..custom_ops import INT8_MAX, INT8_MIN, quantize_value
from .edge_ops import (
    QUANTIZE,
    QuantParams,
    activation_dequantize_params,
    clamp_bounds,
    is_alias,
    static_quant_params,
)


@dataclass(frozen=True)
class Epilogue:
    """The output side of a linear whose result is int8.

    Attributes:
        quantizes: the quantize nodes, all with the same parameters, that the fused op replaces.
        params: those parameters.
        activation: "none" or "relu".
        quant_min, quant_max: integer bounds, clamps included.
        views: views and clones on the way, in order.
        absorbed: nodes between the linear and the quantizes.
    """

    quantizes: tuple[Node, ...]
    params: QuantParams
    activation: str
    quant_min: int
    quant_max: int
    views: tuple[Node, ...]
    absorbed: tuple[Node, ...]

    @property
    def fits_stock_schema(self) -> bool:
        """True where the stock op, which always clamps to -128..127, says it all."""
        return (self.quant_min, self.quant_max) == (INT8_MIN, INT8_MAX)


@dataclass(frozen=True)
class _Bounds:
    """Float interval that a chain of clamps maps onto, by composition."""

    low: float = -math.inf
    high: float = math.inf

    def then(self, low: float, high: float) -> _Bounds:
        # As PyTorch's clamp: where low > high everything becomes high.
        return _Bounds(min(max(self.low, low), high), min(max(self.high, low), high))


def find_epilogue(linear: Node) -> Epilogue | None:
    """Follow `linear`'s result to its quantizes.

    Returns:
        None where the result is also needed in float, is never quantized, or is quantized in
        several ways; the layer then gives float32.
    """
    bounds = _Bounds()
    absorbed: list[Node] = []
    views: list[Node] = []
    node = linear
    while (quantizes := _equal_quantizes(node)) is None:
        if len(node.users) != 1:
            return None
        node = next(iter(node.users))
        clamp = clamp_bounds(node)
        if clamp is not None:
            bounds = bounds.then(*clamp)
        elif is_alias(node):
            views.append(node)
        else:
            return None
        absorbed.append(node)

    params = static_quant_params(quantizes[0])
    assert params is not None
    while (further := _clamp_in_int8(quantizes, params)) is not None:
        clamps, next_quantizes, passed = further
        for clamp in clamps:
            bounds = bounds.then(*clamp)
        absorbed.extend((*quantizes, *passed))
        quantizes = next_quantizes
    return _finish(quantizes, params, bounds, tuple(views), tuple(absorbed))


def _equal_quantizes(node: Node) -> tuple[Node, ...] | None:
    """All users of `node`, if every one quantizes it with the same static parameters."""
    users = tuple(node.users)
    if not users or any(user.target != QUANTIZE for user in users):
        return None
    params = {static_quant_params(user) for user in users}
    return users if len(params) == 1 and None not in params else None


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
    while (found := _equal_quantizes(node)) is None:
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
    bounds: _Bounds,
    views: tuple[Node, ...],
    absorbed: tuple[Node, ...],
) -> Epilogue:
    def quantized(value: float) -> int:
        return quantize_value(
            value, params.scale, params.zero_point, params.quant_min, params.quant_max
        )

    low, high = quantized(bounds.low), quantized(bounds.high)
    activation = "none"
    full_range = (params.quant_min, params.quant_max) == (INT8_MIN, INT8_MAX)
    if bounds.low == 0.0 and high == INT8_MAX and full_range:
        # Said as relu, the op is one that the stock runtime knows.
        activation, low = "relu", INT8_MIN
    return Epilogue(quantizes, params, activation, low, high, views, absorbed)
