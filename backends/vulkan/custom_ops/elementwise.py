"""Int8 ops on each element: tables, arithmetic, dequantize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .definition import define
from .formulas import dequantize, look_up, quantize


def q8ta_table(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """table[x + 128] for int8 `x` of any shape; `table` holds 256 values, int8 or float32.

    uint8 `x` is taken for the int8 of the same bits, and a table may hold uint8, so that a table
    converts between the two.
    """
    return look_up(x.view(torch.int8), table)


_BINARY: dict[str, Callable[..., torch.Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
}


def q8ta_binary(
    a: torch.Tensor,
    a_scale: float,
    a_zero_point: int,
    b: torch.Tensor,
    b_scale: float,
    b_zero_point: int,
    op: str,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 of `a` add, sub or mul `b` in their real values; int8 operands that broadcast.

    Raises:
        ValueError: for another op.
    """
    if op not in _BINARY:
        raise ValueError(f"q8ta_binary: op must be add, sub or mul, got {op!r}")
    f = _BINARY[op](dequantize(a, a_scale, a_zero_point), dequantize(b, b_scale, b_zero_point))
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def _dequantize_meta(x: torch.Tensor, scale: float, zero_point: int) -> torch.Tensor:
    return x.new_empty(x.shape, dtype=torch.float32)


def _binary_meta(a: torch.Tensor, *args: Any) -> torch.Tensor:
    b: torch.Tensor = args[2]
    # The addition broadcasts dynamic sizes without fixing them.
    return a.new_empty((a + b).shape)


Q8TA_TABLE = define(
    "q8ta_table",
    "Tensor x, Tensor table",
    q8ta_table,
    lambda x, table: x.new_empty(x.shape, dtype=table.dtype),
)
Q8TA_BINARY = define(
    "q8ta_binary",
    "Tensor a, float a_scale, int a_zero_point, Tensor b, float b_scale, int b_zero_point, "
    "str op, float output_scale, int output_zero_point, int quant_min, int quant_max",
    q8ta_binary,
    _binary_meta,
    ("a", "b"),
)
# The name is not one that the stock passes take for a dequantize, so they leave it alone.
Q8TA_DEQUANTIZE = define(
    "q8ta_dequantize", "Tensor x, float scale, int zero_point", dequantize, _dequantize_meta
)
