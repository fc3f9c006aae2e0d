"""A step, mostly in int8: what each family of rules gives, and all that planning asks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.fx import Node

from .constants import Constants


@dataclass(frozen=True)
class Family:
    """A kind of step.

    Attributes:
        name: for reports.
        rewrite: puts int8 ops in the place of a match; nodes that lose their last user are left
            for dead code elimination. ValueError where a constant's values are not at hand.
    """

    name: str
    rewrite: Callable[[Constants, Any], None]


@dataclass(frozen=True, eq=False)
class Step:
    """A part of the graph that becomes int8 ops. It is complete: what matches can be rewritten.

    Attributes:
        family, match: what rewrites it, and the value that this takes.
        anchor: the node that the step is named by.
        nodes: every operator that takes part; they go into one delegate.
        reads: its int8 tensors.
        outputs: nodes that the rewrite replaces for their readers.
        float_only: those of `nodes` that our runtime can't run as they are, so that only steps
            may read them.
        claims: others of `nodes` than the anchor that can't be the anchor of another step.
        constants: those of `nodes` that compute weights and biases ahead of time.
        listed: those of `nodes` that the user's lists of operators count for.
        fallback: a smaller step to take where this one can't be made whole.
        is_work: the step alone is worth a delegate.
        is_quantized: it reads or writes int8.
        on_stock: ExecuTorch's own Vulkan runtime can run the result as well.
    """

    family: Family
    match: Any
    anchor: Node
    nodes: tuple[Node, ...]
    reads: tuple[Node, ...]
    outputs: tuple[Node, ...]
    float_only: tuple[Node, ...]
    listed: tuple[Node, ...]
    claims: tuple[Node, ...] = ()
    constants: tuple[Node, ...] = ()
    fallback: Step | None = None
    is_work: bool = True
    is_quantized: bool = True
    on_stock: bool = False
