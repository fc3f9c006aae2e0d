"""Which moves around a linear the int8 op absorbs, and which are redone beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch.fx import Node

from ..vocabulary.edge_ops import (
    EXPAND,
    is_alias,
    moved_inputs,
    reads_symint_input,
    same_sizes,
    sizes_of,
)
from .epilogue import Epilogue, FloatTail


@dataclass(frozen=True)
class Views:
    """What becomes of the views and other moves around one linear.

    Attributes:
        before: redone on the int8 input, in order.
        behind: redone on the result, in order.
        float_output: for a float32 result, the node that the op and `behind` replace.
    """

    before: tuple[Node, ...] = ()
    behind: tuple[Node, ...] = ()
    float_output: Node | None = None


def plan_views(
    x: Node, x_moves: tuple[Node, ...], tail: Epilogue | FloatTail, shape: tuple[int, int]
) -> Views:
    """Decide for an op that takes [..., K] and gives [..., N], where `shape` is (N, K).

    Views that only flatten the leading dimensions before the linear and bring them back behind
    it vanish. Any other move keeps its place.
    """
    before = tuple(move for move in x_moves if not _keeps_shape(move))
    output = tail.output if isinstance(tail, FloatTail) else None
    restored = _restoring_view(x, before, tail.moves, shape)
    if restored is None and output is not None and not tail.moves and len(output.users) == 1:
        # Nothing else of a float result's tail is ours, but the view that undoes the flattening.
        user = next(iter(output.users))
        restored = _restoring_view(x, before, (user,), shape) if is_alias(user) else None
        if restored is not None:
            return Views(float_output=user)
    if restored is not None:
        return Views((), tail.moves[restored:], output)
    behind = tuple(move for move in tail.moves if not _keeps_shape(move))
    return Views(before, behind, output)


def _restoring_view(
    x: Node, before: Sequence[Node], behind: Sequence[Node], shape: tuple[int, int]
) -> int | None:
    """How many of the moves `behind` bring the leading dimensions of x back, or None."""
    n, k = shape
    x_sizes = sizes_of(x)
    if not before or not all(map(is_alias, before)) or not same_sizes(x_sizes[-1:], [k]):
        return None
    for count, view in enumerate(behind, start=1):
        # A size that enters the partition as an input must stay in use: the blob has no way to
        # say that an input is ignored.
        if not is_alias(view) or any(map(reads_symint_input, (*before, view))):
            return None
        if same_sizes(sizes_of(view), [*x_sizes[:-1], n]):
            return count
    return None


def _keeps_shape(move: Node) -> bool:
    is_view = is_alias(move) or move.target == EXPAND
    return is_view and same_sizes(sizes_of(moved_inputs(move)[0]), sizes_of(move))
