"""Ops that multiply and add."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

from .builder import Builder, Composition, are_float32

_aten = torch.ops.aten


def _addbmm(
    new: Builder, self: Node, batch1: Node, batch2: Node, beta: float, alpha: float
) -> Node | None:
    if not are_float32(self, batch1, batch2):
        return None
    product = new(_aten.sum.dim_IntList, new(_aten.bmm.default, batch1, batch2), [0])
    return _added(new, self, product, beta, alpha)


def _addmv(
    new: Builder, self: Node, mat: Node, vec: Node, beta: float, alpha: float
) -> Node | None:
    if not are_float32(self, mat, vec):
        return None
    return _added(new, self, new(_aten.mv.default, mat, vec), beta, alpha)


def _added(new: Builder, x: Node, product: Node, beta: float, alpha: float) -> Node:
    """beta * x + alpha * product; with a beta of 0, x counts for nothing, even NaN."""
    scaled = product if alpha == 1 else new(_aten.mul.Tensor, product, alpha)
    if beta == 0:
        return new(_aten.expand.default, scaled, list(new.result().shape))
    return new(_aten.add.Tensor, x if beta == 1 else new(_aten.mul.Tensor, x, beta), scaled)


def _bilinear(new: Builder, input1: Node, input2: Node, weight: Node, bias: Any) -> Node | None:
    if not are_float32(input1, input2, weight):
        return None
    y = new(_aten.einsum.default, "...i,oij,...j->...o", [input1, weight, input2])
    return y if bias is None else new(_aten.add.Tensor, y, bias)


def _dist(new: Builder, self: Node, other: Node, p: float) -> Node | None:
    if not are_float32(self, other):
        return None
    return new(_aten.linalg_vector_norm.default, new(_aten.sub.Tensor, self, other), p)


PRODUCTS: dict[object, Composition] = {
    _aten.addbmm.default: _addbmm,
    _aten.addmv.default: _addmv,
    _aten.bilinear.default: _bilinear,
    _aten.dist.default: _dist,
}
