"""PyTorch's exports without what they do again each time: a fifth of the time of lowering a small
program. What they give is the same."""

from __future__ import annotations

import typing
from typing import Any

import torch
from torch.export import exported_program

_list_composite_ops = exported_program._collect_all_valid_cia_ops


class _CompositeOps:
    """Listed again only where the registered ones are others; PyTorch does for every namespace."""

    def __init__(self) -> None:
        self._registered: list[str] = []
        self._listed: set[Any] = set()

    def __call__(self) -> set[Any]:
        key = "CompositeImplicitAutograd"
        registered = torch._C._dispatch_get_registrations_for_dispatch_key(key)
        if registered != self._registered:
            self._registered, self._listed = registered, _list_composite_ops()
        return self._listed


def make_exports_quick() -> None:
    exported_program._collect_all_valid_cia_ops = _CompositeOps()
    # An annotation that is evaluated 12,000 times an export; typing remembers what it made.
    torch._ops.Callable = typing.Callable  # type: ignore[misc]
