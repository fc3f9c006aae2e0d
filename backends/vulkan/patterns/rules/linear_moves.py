"""The views around a linear that vanish, for its op takes any leading dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from torch.fx import Node

from ..vocabulary.edge_ops import is_alias, reads_symint_input, same_sizes, sizes_of
from .epilogue import Epilogue, FloatTail
from .mac_moves import Moves, plan_moves


def plan_linear_moves(
    x: Node, x_moves: tuple[Node, ...], tail: Epilogue | FloatTail, shape: tuple[int, int]
) -> Moves:
    """Decide for an op that takes [..., K] and gives [..., N], where `shape` is (N, K).

    Views that only flatten the leading dimensions before the linear and bring them back behind
    it vanish. Any other move keeps its place.
    """
    moves = plan_moves(x_moves, tail)
    restored = _restoring_view(x, moves.before, tail.moves, shape)
    if restored is not None:
        return Moves((), tail.moves[restored:], moves.float_output)
    output = moves.float_output
    if output is not None and not tail.moves and len(output.users) == 1:
        # Nothing else of a float result's tail is ours, but the view that undoes the flattening.
        user = next(iter(output.users))
        if is_alias(user) and _restoring_view(x, moves.before, (user,), shape) is not None:
            return Moves(float_output=user)
    return moves


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
