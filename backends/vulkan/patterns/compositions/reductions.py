"""Reductions: of bools, of several results, and of elements in order."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Node

from ..vocabulary.edge_ops import INDEX_DTYPES, dtype_of, sizes_of
from .builder import Builder, Composition, are_float32, is_static, reads

_aten = torch.ops.aten


# ---- Of bools: the largest one is whether any is true.


def _is_bool(x: Node) -> bool:
    return dtype_of(x) == torch.bool


def _amax(new: Builder, self: Node, dim: Sequence[int], keepdim: bool) -> Node | None:
    return new(_aten.any.dims, self, list(dim) or None, keepdim) if _is_bool(self) else None


def _amin(new: Builder, self: Node, dim: Sequence[int], keepdim: bool) -> Node | None:
    if not _is_bool(self):
        return None
    any_false = new(
        _aten.any.dims, new(_aten.logical_not.default, self), list(dim) or None, keepdim
    )
    return new(_aten.logical_not.default, any_false)


def _max(new: Builder, self: Node) -> Node | None:
    return _amax(new, self, [], False)


def _min(new: Builder, self: Node) -> Node | None:
    return _amin(new, self, [], False)


# ---- Of several results.


def _var_mean(
    new: Builder,
    self: Node,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: Any = None,
) -> list[Node] | None:
    if not are_float32(self):
        return None
    correction = int(unbiased) if correction is None else correction
    variance = new(_aten.var.correction, self, dim, correction=correction, keepdim=keepdim)
    return [variance, new(_aten.mean.dim, self, dim, keepdim)]


def _std_mean(new: Builder, **arguments: Any) -> list[Node] | None:
    if (both := _var_mean(new, **arguments)) is None:
        return None
    return [new(_aten.sqrt.default, both[0]), both[1]]


# ---- The k-th in the order of size, in which NaN is the largest.


def _kthvalue(new: Builder, self: Node, k: int, dim: int, keepdim: bool) -> list[Node] | None:
    if dtype_of(self) not in (torch.float32, *INDEX_DTYPES):
        return None
    if not sizes_of(self) or not isinstance(sizes_of(self)[dim], int):
        return None
    first = new(_aten.topk.default, self, k, dim, False)
    results = [new(operator.getitem, first, index) for index in range(2)]
    if keepdim:
        return [new(_aten.slice.Tensor, one, dim, k - 1, k) for one in results]
    return [new(_aten.select.int, one, dim, k - 1) for one in results]


def _median_dim(new: Builder, self: Node, dim: int, keepdim: bool) -> list[Node] | None:
    """The lower one of two; NaN, and the place of one, where an element is."""
    if not sizes_of(self):
        return None
    size = sizes_of(self)[dim]
    found = _kthvalue(new, self, (size + 1) // 2, dim, keepdim) if isinstance(size, int) else None
    if found is None:
        return None
    if not are_float32(self):
        return found
    nans = new(_aten.isnan.default, self)
    is_nan = new(_aten.any.dim, nans, dim, keepdim)
    values = new(_aten.where.ScalarSelf, is_nan, math.nan, found[0])
    if not reads(new.place, 1):
        return [values]
    first = new(_aten.argmax.default, new(_aten.to.dtype, nans, torch.int32), dim, keepdim)
    return [values, new(_aten.where.self, is_nan, first, found[1])]


def _median(new: Builder, self: Node) -> Node | None:
    if not is_static(self):
        return None
    flat = new(_aten.reshape.default, self, [-1])
    size = math.prod(sizes_of(self))
    found = _kthvalue(new, flat, (size + 1) // 2, 0, False)
    if found is None or not are_float32(self):
        return None if found is None else found[0]
    is_nan = new(_aten.any.default, new(_aten.isnan.default, flat))
    return new(_aten.where.ScalarSelf, is_nan, math.nan, found[0])


# ---- Where values belong in what is sorted: how many are smaller.

_MOST_SORTED = 1024


def _searchsorted(
    new: Builder,
    sorted_sequence: Node,
    self: Node,
    out_int32: bool,
    right: bool,
    side: str | None,
    sorter: Any,
) -> Node | None:
    size = sizes_of(sorted_sequence)[-1]
    if sorter is not None or not isinstance(size, int) or not 0 < size <= _MOST_SORTED:
        return None
    if not are_float32(self, sorted_sequence):
        return None
    values = new(_aten.unsqueeze.default, self, -1)
    if len(sizes_of(sorted_sequence)) > 1:
        sorted_sequence = new(_aten.unsqueeze.default, sorted_sequence, -2)
    compare = _aten.ge.Tensor if right or side == "right" else _aten.gt.Tensor
    smaller = new(compare, values, sorted_sequence)
    # As PyTorch has it, NaN is larger than all.
    is_nan = new(_aten.isnan.default, values)
    smaller = new(_aten.logical_or.default, smaller, is_nan)
    dtype = torch.int32 if out_int32 else torch.int64
    return new(_aten.sum.dim_IntList, smaller, [-1], dtype=dtype)


def _bucketize(
    new: Builder, self: Node, boundaries: Node, out_int32: bool, right: bool
) -> Node | None:
    return _searchsorted(new, boundaries, self, out_int32, right, None, None)


REDUCTIONS: dict[object, Composition] = {
    _aten.amax.default: _amax,
    _aten.amin.default: _amin,
    _aten.max.default: _max,
    _aten.min.default: _min,
    _aten.var_mean.default: _var_mean,
    _aten.var_mean.dim: _var_mean,
    _aten.var_mean.correction: _var_mean,
    _aten.std_mean.default: _std_mean,
    _aten.std_mean.dim: _std_mean,
    _aten.std_mean.correction: _std_mean,
    _aten.kthvalue.default: _kthvalue,
    _aten.median.dim: _median_dim,
    _aten.median.default: _median,
    _aten.searchsorted.Tensor: _searchsorted,
    _aten.bucketize.Tensor: _bucketize,
}
