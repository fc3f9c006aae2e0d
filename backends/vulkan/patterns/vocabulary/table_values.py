"""What a function of int8 values gives for each of them, by the graph's own ops."""

from __future__ import annotations

import torch
from torch.fx import Node

from ...custom_ops import INT8_MAX, INT8_MIN
from .constants import Constants, UnknownValueError
from .edge_ops import QuantParams
from .expressions import INPUT, Expression, evaluate


def table_values(
    expression: Expression,
    params: QuantParams,
    target: QuantParams | None,
    constants: Constants | None,
) -> torch.Tensor:
    """The result for each int8 value from -128 on, by the graph's own ops: int8 or float32 [256].

    Raises:
        UnknownValueError: where the expression has a constant whose value is not at hand.
    """
    ops = torch.ops.quantized_decomposed
    ints = torch.arange(INT8_MIN, INT8_MAX + 1, dtype=torch.int8)
    # Bounds do not count here: dequantizing does not clamp.
    grid = (params.scale, params.zero_point, INT8_MIN, INT8_MAX, torch.int8)
    values = ops.dequantize_per_tensor.default(ints, *grid)
    if expression is not INPUT:
        values = evaluate(expression, values, _value if constants is None else constants.value)
    if target is not None:
        bounds = (target.quant_min, target.quant_max, target.dtype)
        values = ops.quantize_per_tensor.default(values, target.scale, target.zero_point, *bounds)
    result: torch.Tensor = values.contiguous()
    return result


def _value(node: Node) -> torch.Tensor:
    raise UnknownValueError(f"the value of {node.name} is not known")
