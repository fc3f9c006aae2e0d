"""Functions of one element of each operand. They are float32, but for what is said."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import INDEX_DTYPES, dtype_of
from .builder import Builder, Composition, are_float32

_aten = torch.ops.aten


def _remainder(new: Builder, self: Any, other: Node) -> Node:
    """Of a number by a tensor, of any dtype."""
    number = new(_aten.full.default, [], self, dtype=new.result().dtype)
    return new(_aten.remainder.Tensor, number, other)


def _copysign(new: Builder, self: Node, other: Any) -> Node | None:
    if not are_float32(self, other):
        return None
    positive = new(_aten.abs.default, self)
    negative = new(_aten.neg.default, positive)
    if not isinstance(other, Node):
        return negative if math.copysign(1.0, other) < 0 else positive
    # -0.0 has a sign, too, which its reciprocal shows.
    is_zero = new(_aten.eq.Scalar, other, 0)
    shown = new(_aten.where.self, is_zero, new(_aten.reciprocal.default, other), other)
    return new(_aten.where.self, new(_aten.lt.Scalar, shown, 0), negative, positive)


def _hypot(new: Builder, self: Node, other: Node) -> Node | None:
    """The square of what is larger may be infinite, so it is taken out of the root."""
    if not are_float32(self, other):
        return None
    a, b = new(_aten.abs.default, self), new(_aten.abs.default, other)
    large, small = new(_aten.maximum.default, a, b), new(_aten.minimum.default, a, b)
    ratio = new(_aten.div.Tensor, small, large)
    square = new(_aten.mul.Tensor, ratio, ratio)
    root = new(_aten.sqrt.default, new(_aten.add.Tensor, square, 1.0))
    is_zero = new(_aten.eq.Scalar, large, 0)
    y = new(_aten.where.self, is_zero, large, new(_aten.mul.Tensor, large, root))
    either = new(_aten.logical_or.default, *(new(_aten.isinf.default, one) for one in (a, b)))
    return new(_aten.where.ScalarSelf, either, math.inf, y)


def _fmax(new: Builder, self: Node, other: Node) -> Node | None:
    return _without_nan(new, self, other, _aten.maximum.default)


def _fmin(new: Builder, self: Node, other: Node) -> Node | None:
    return _without_nan(new, self, other, _aten.minimum.default)


def _without_nan(new: Builder, a: Node, b: Node, extreme: Any) -> Node | None:
    """Of integers as well."""
    if not are_float32(a, b):
        are_integers = all(dtype_of(one) in INDEX_DTYPES for one in (a, b))
        return new(extreme, a, b) if are_integers else None
    y = new(_aten.where.self, new(_aten.isnan.default, b), a, new(extreme, a, b))
    return new(_aten.where.self, new(_aten.isnan.default, a), b, y)


def _logaddexp2(new: Builder, self: Node, other: Node) -> Node | None:
    if not are_float32(self, other):
        return None
    large = new(_aten.maximum.default, self, other)
    distance = new(_aten.abs.default, new(_aten.sub.Tensor, self, other))
    small = new(_aten.pow.Scalar, 2.0, new(_aten.neg.default, distance))
    more = new(_aten.mul.Tensor, new(_aten.log1p.default, small), 1.0 / math.log(2.0))
    y = new(_aten.add.Tensor, large, more)
    is_same = new(_aten.eq.Tensor, self, other)
    both_infinite = new(_aten.logical_and.default, is_same, new(_aten.isinf.default, self))
    return new(_aten.where.self, both_infinite, self, y)


def _ldexp(new: Builder, self: Node, other: Node) -> Node | None:
    if not are_float32(self):
        return None
    return new(_aten.mul.Tensor, self, new(_aten.pow.Scalar, 2.0, other))


def _rrelu(
    new: Builder, self: Node, lower: float, upper: float, training: bool, generator: Any
) -> Node | None:
    """Without training, as programs of ExecuTorch are."""
    return None if training else new(_aten.leaky_relu.default, self, (lower + upper) / 2)


FUNCTIONS: dict[object, Composition] = {
    _aten.remainder.Scalar_Tensor: _remainder,
    _aten.copysign.Tensor: _copysign,
    _aten.copysign.Scalar: _copysign,
    _aten.hypot.default: _hypot,
    _aten.fmax.default: _fmax,
    _aten.fmin.default: _fmin,
    _aten.logaddexp2.default: _logaddexp2,
    _aten.ldexp.Tensor: _ldexp,
    _aten.rrelu.default: _rrelu,
}
