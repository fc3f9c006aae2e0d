"""Cumulative products, maxima and minima along a dimension of a fixed size.

Each step combines every element with the one that is twice as far in front of it as in the step
before, so there are as many as the size has bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import INDEX_DTYPES, dtype_of, sizes_of
from .builder import Builder, Composition, are_float32, reads

_aten = torch.ops.aten


def _scanned(new: Builder, x: Node, dim: int, combine: Callable[[Node, Node], Node]) -> Node:
    size = sizes_of(x)[dim]
    step = 1
    while step < size:
        first = new(_aten.slice.Tensor, x, dim, 0, step)
        before = new(_aten.slice.Tensor, x, dim, 0, size - step)
        rest = combine(new(_aten.slice.Tensor, x, dim, step, size), before)
        x = new(_aten.cat.default, [first, rest], dim)
        step *= 2
    return x


def _is_taken(x: Node, dim: int) -> bool:
    is_number = dtype_of(x) in (torch.float32, *INDEX_DTYPES)
    return is_number and bool(sizes_of(x)) and isinstance(sizes_of(x)[dim], int)


def _cumprod(new: Builder, self: Node, dim: int, dtype: Any) -> Node | None:
    result = new.result().dtype
    if not sizes_of(self) or result not in (torch.float32, *INDEX_DTYPES):
        return None
    x = new(_aten.to.dtype, self, result) if result != dtype_of(self) else self
    return _scanned(new, x, dim, partial(new, _aten.mul.Tensor)) if _is_taken(x, dim) else None


def _logcumsumexp(new: Builder, self: Node, dim: int) -> Node | None:
    if not are_float32(self) or not _is_taken(self, dim):
        return None
    return _scanned(new, self, dim, partial(new, _aten.logaddexp.default))


def _extremes(extreme: Any, new: Builder, self: Node, dim: int) -> list[Node] | None:
    """Values, and the last place of each; from the first NaN on all is NaN."""
    if not _is_taken(self, dim):
        return None
    values = _scanned(new, self, dim, partial(new, extreme))
    if not reads(new.place, 1):
        return [values]
    rank = len(sizes_of(self))
    places = new(_aten.arange.start, 0, sizes_of(self)[dim])
    places = new(_aten.reshape.default, places, [-1, *[1] * (rank - 1 - dim % rank)])
    is_found = new(_aten.eq.Tensor, self, values)
    if are_float32(self):
        is_found = new(_aten.logical_or.default, is_found, new(_aten.isnan.default, self))
    found = new(_aten.where.ScalarOther, is_found, places, 0)
    return [values, _scanned(new, found, dim, partial(new, _aten.maximum.default))]


SCANS: dict[object, Composition] = {
    _aten.cumprod.default: _cumprod,
    _aten.logcumsumexp.default: _logcumsumexp,
    _aten.cummax.default: partial(_extremes, _aten.maximum.default),
    _aten.cummin.default: partial(_extremes, _aten.minimum.default),
}
