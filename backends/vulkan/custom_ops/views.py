"""Ops that only change the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .definition import define


def fixed_view(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """`x` with other sizes, as aten.view_copy gives it."""
    return x.reshape(size).clone()


def _view_meta(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    # Comparing a symbolic size with -1 would put a guard on it.
    open_at = [isinstance(one, int) and one == -1 for one in size]
    rest = math.prod(one for one, is_open in zip(size, open_at, strict=True) if not is_open)
    sizes = [
        x.numel() // rest if is_open else one for one, is_open in zip(size, open_at, strict=True)
    ]
    return x.new_empty(sizes)


# A view that no stock pass merges with another; see patterns/passes/view_sizes.py.
FIXED_VIEW = define("fixed_view", "Tensor x, SymInt[] size", fixed_view, _view_meta)
