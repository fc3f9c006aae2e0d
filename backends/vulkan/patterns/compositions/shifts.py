"""Shifts of integers: products with powers of two, and quotients that are rounded down.

As PyTorch has them for counts that are none of the dtype: to the left 0, to the right the sign.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import INDEX_DTYPES
from .builder import Builder, Composition

_aten = torch.ops.aten
_MOST_STEP = 30  # 2^30 is an int32


def _left(new: Builder, self: Any, other: Any) -> Node | None:
    dtype = new.result().dtype
    if dtype not in INDEX_DTYPES:
        return None
    bits = torch.iinfo(dtype).bits
    if not isinstance(other, Node):
        factor = 2**other if 0 <= other < bits - 1 else -(2**other) if other == bits - 1 else 0
        return new(_aten.mul.Tensor, self, factor)
    product = new(_aten.mul.Tensor, new(_aten.pow.Scalar, 2, other), self)
    return new(_aten.where.ScalarOther, _is_count(new, other, bits), product, 0)


def _right(new: Builder, self: Any, other: Any) -> Node | None:
    dtype = new.result().dtype
    if dtype not in INDEX_DTYPES:
        return None
    bits = torch.iinfo(dtype).bits
    if not isinstance(other, Node):
        left = other if 0 <= other < bits else bits - 1
        while left > 0:
            step = min(left, _MOST_STEP)
            self = new(_aten.div.Tensor_mode, self, 2**step, rounding_mode="floor")
            left -= step
        return self
    count = new(_aten.where.ScalarOther, _is_count(new, other, bits), other, bits - 1)
    if not isinstance(self, Node):
        self = new(_aten.full_like.default, other, self)
    # In thirds, for a power of two must be an int32.
    for part in range(3):
        third = new(
            _aten.div.Tensor_mode, new(_aten.add.Tensor, count, part), 3, rounding_mode="floor"
        )
        divisor = new(_aten.pow.Scalar, 2, third)
        self = new(_aten.div.Tensor_mode, self, divisor, rounding_mode="floor")
    return self


def _is_count(new: Builder, count: Node, bits: int) -> Node:
    above = new(_aten.ge.Scalar, count, 0)
    return new(_aten.logical_and.default, above, new(_aten.lt.Scalar, count, bits))


SHIFTS: dict[object, Composition] = {
    **dict.fromkeys(
        (
            _aten.__lshift__.Tensor,
            _aten.__lshift__.Scalar,
            _aten.bitwise_left_shift.Tensor,
            _aten.bitwise_left_shift.Tensor_Scalar,
            _aten.bitwise_left_shift.Scalar_Tensor,
        ),
        _left,
    ),
    **dict.fromkeys(
        (
            _aten.__rshift__.Tensor,
            _aten.__rshift__.Scalar,
            _aten.bitwise_right_shift.Tensor,
            _aten.bitwise_right_shift.Tensor_Scalar,
            _aten.bitwise_right_shift.Scalar_Tensor,
        ),
        _right,
    ),
}
