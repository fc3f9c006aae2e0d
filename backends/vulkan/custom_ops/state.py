"""State of a delegate: what it keeps from one execution to the next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.fx.node import has_side_effect

from .definition import define


def state(size: Sequence[int], initial: torch.Tensor) -> torch.Tensor:
    """What the delegate keeps, as it is in its first execution: `initial`, of this size, or one
    element that all of it is."""
    return initial.expand(size).clone() if initial.numel() == 1 else initial.clone()


def assign_state(state: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`value`, which `state` is from the next execution on. Whatever reads `state` in this one
    reads what it was."""
    return value.clone()


STATE = define(
    "state",
    "int[] size, Tensor initial",
    state,
    lambda size, initial: initial.new_empty(size),
    runtime_tensors=(),
)
ASSIGN_STATE = define(
    "assign_state",
    "Tensor state, Tensor value",
    assign_state,
    lambda state, value: torch.empty_like(value),
    runtime_tensors=("state", "value"),
)
# Nothing reads its result.
has_side_effect(ASSIGN_STATE)
