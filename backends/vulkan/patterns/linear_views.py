"""Which views around a linear the int8 op absorbs, and which are redone on int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true

from .edge_ops import is_alias, node_argument, reads_symint_input, sizes_of
from .epilogue import Epilogue


@dataclass(frozen=True)
class Views:
    """What becomes of the views around one linear.

    Attributes:
        before: redone on the int8 input, in order.
        behind: redone on the int8 result, in order.
        float_output: for a float32 result, the node that the op replaces.
    """

    before: tuple[Node, ...] = ()
    behind: tuple[Node, ...] = ()
    float_output: Node | None = None


def plan_views(
    linear: Node,
    x: Node,
    x_views: tuple[Node, ...],
    epilogue: Epilogue | None,
    shape: tuple[int, int],
) -> Views:
    """Decide for an op that takes [..., K] and gives [..., N], where `shape` is (N, K).

    Views that only flatten the leading dimensions before the linear and bring them back behind
    it vanish. Any other view keeps its place, on int8.
    """
    n, k = shape
    x_sizes = sizes_of(x)
    before = tuple(view for view in x_views if not _keeps_shape(view))
    if epilogue is not None:
        behind = epilogue.views
    else:
        # A float result keeps at most the one view that undoes the flattening.
        user = next(iter(linear.users)) if len(linear.users) == 1 else None
        behind = (user,) if user is not None and is_alias(user) else ()
    if (
        before
        and behind
        and _same_sizes(x_sizes[-1:], [k])
        and _same_sizes(sizes_of(behind[-1]), [*x_sizes[:-1], n])
        # A size that enters the partition as an input must stay in use: the blob has no way to
        # say that an input is ignored.
        and not any(reads_symint_input(view) for view in (*before, *behind))
    ):
        return Views(float_output=behind[-1] if epilogue is None else None)
    if epilogue is None:
        return Views(before, float_output=linear)
    return Views(before, tuple(view for view in behind if not _keeps_shape(view)))


def _keeps_shape(alias: Node) -> bool:
    return _same_sizes(sizes_of(node_argument(alias, 0)), sizes_of(alias))


def _same_sizes(left: Sequence[int], right: Sequence[int]) -> bool:
    return len(left) == len(right) and all(
        statically_known_true(a == b) for a, b in zip(left, right, strict=True)
    )
