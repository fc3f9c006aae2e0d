"""The cubic weights of resizing and sampling, by distance and PyTorch's parameter for them."""

from __future__ import annotations

import torch
from torch.fx import Node

from .builder import Builder

_aten = torch.ops.aten


def near(new: Builder, x: Node, parameter: float) -> Node:
    """At a distance of up to 1."""
    return _polynomial(new, x, parameter + 2, -(parameter + 3), 0.0, 1.0)


def far(new: Builder, x: Node, parameter: float) -> Node:
    """At one from 1 to 2."""
    return _polynomial(new, x, parameter, -5 * parameter, 8 * parameter, -4 * parameter)


def _polynomial(new: Builder, x: Node, *factors: float) -> Node:
    """By Horner's rule, from the highest power on."""
    total = new(_aten.mul.Tensor, x, factors[0])
    for factor in factors[1:-1]:
        total = new(_aten.mul.Tensor, new(_aten.add.Tensor, total, factor), x)
    return new(_aten.add.Tensor, total, factors[-1])
