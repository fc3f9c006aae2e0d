"""Which moves around a layer the int8 op absorbs, and which are redone beside it."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import Node

from ..vocabulary.edge_ops import (
    EXPAND,
    is_alias,
    same_sizes,
    sizes_of,
)
from ..vocabulary.moves import moved_inputs
from .epilogue import Epilogue, FloatTail


@dataclass(frozen=True)
class Moves:
    """What becomes of the views and other moves around one layer.

    Attributes:
        before: redone on the int8 input, in order.
        behind: redone on the result, in order.
        float_output: for a float32 result, the node that the op and `behind` replace.
    """

    before: tuple[Node, ...] = ()
    behind: tuple[Node, ...] = ()
    float_output: Node | None = None


def plan_moves(x_moves: tuple[Node, ...], tail: Epilogue | FloatTail) -> Moves:
    """Every move in its place, but those that keep the shape."""
    output = tail.output if isinstance(tail, FloatTail) else None
    before, behind = (
        tuple(move for move in moves if not _keeps_shape(move)) for moves in (x_moves, tail.moves)
    )
    return Moves(before, behind, output)


def _keeps_shape(move: Node) -> bool:
    is_view = is_alias(move) or move.target == EXPAND
    return is_view and same_sizes(sizes_of(moved_inputs(move)[0]), sizes_of(move))
