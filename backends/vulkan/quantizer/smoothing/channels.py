"""Where the channels of a value are behind the ops that read it.

These ops commute with a positive factor for each channel: in their result each channel has the
factor that it had before.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true

from ..op_kinds import kind_of

# The value itself.
_SAME = frozenset(
    {
        *("alias", "detach", "clone", "contiguous", "to", "_to_copy"),
        *("dropout", "dropout1d", "dropout2d", "feature_dropout"),  # in evaluation
    }
)
# Of each element, f(a * x) = a * f(x) for positive a; mul and div are those by a number.
_HOMOGENEOUS = frozenset({"relu", "leaky_relu", "mul", "div"})
# The same elements in the same order.
_VIEWS = frozenset(
    {
        *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze"),
    }
)
_TRANSPOSES = frozenset({"permute", "transpose", "t", "numpy_T", "movedim", "swapaxes"})
# Of images; the number of dimensions behind the channels.
_OF_IMAGES = {
    **{f"{pool}_pool{n}d": n for pool in ("max", "avg", "adaptive_avg") for n in (1, 2, 3)},
    **{"upsample_nearest2d": 2, "upsample_bilinear2d": 2},
}
# Along dimensions; which argument says them.
_ALONG = {"slice": 1, "select": 1, "narrow": 1, "flip": 1, "mean": 1, "roll": 2}


def reads_no_values(op: Node) -> bool:
    """True for what asks a tensor only for its sizes or dtype."""
    return kind_of(op) in ("sym_size", "sym_numel", "_assert_tensor_metadata")


def hands_on(op: Node) -> bool:
    """True for what gives the value that it takes."""
    return kind_of(op) in _SAME


def moves_all(op: Node) -> bool:
    """True for what gives all elements that it takes, in whatever places."""
    return kind_of(op) in _SAME | _VIEWS | _TRANSPOSES


def channels_behind(op: Node, x: Node, axis: int) -> int | None:
    """The dimension of the channels of `x` in what `op` makes of it; in `x` itself it is `axis`.

    None where `op` does not commute with factors of them, or nothing here says that it does.
    """
    kind, rank = kind_of(op), x.meta["val"].dim()
    if not op.args or op.args[0] is not x or isinstance((*op.args, None)[1], Node):
        return None
    if kind in _SAME or kind in _HOMOGENEOUS:
        return None if "rounding_mode" in op.kwargs else axis
    if kind in _VIEWS:
        return _behind_view(x.meta["val"].shape, op.meta["val"].shape, axis)
    if kind in _TRANSPOSES:
        return _behind_transpose(op, rank, axis)
    if kind in _OF_IMAGES:
        return axis if axis == rank - 1 - _OF_IMAGES[kind] else None
    if kind in _ALONG:
        return _behind_others(op, rank, axis)
    return None


def _behind_view(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """The dimension of the same size with as many elements behind it."""
    behind = prod(before[axis + 1 :])
    for at, size in enumerate(after):
        is_there = statically_known_true(prod(after[at + 1 :]) == behind)
        if is_there and statically_known_true(size == before[axis]):
            return at
    return None


def _behind_transpose(op: Node, rank: int, axis: int) -> int:
    """Asked of the op itself, with a size for each dimension that no other one has."""
    sizes = range(2, 2 + rank)
    assert callable(op.target)
    moved = op.target(torch.empty(*sizes, device="meta"), *op.args[1:], **op.kwargs)
    return list(moved.shape).index(sizes[axis])


def _behind_others(op: Node, rank: int, axis: int) -> int | None:
    """Of an op along other dimensions, which a select or mean may take away."""
    at = _ALONG[kind_of(op)]
    dims = op.args[at] if len(op.args) > at else 0 if kind_of(op) == "slice" else None
    dims = [dims] if isinstance(dims, int) else dims
    if not isinstance(dims, (list, tuple)) or not dims:
        return None
    along = {dim % rank for dim in dims if isinstance(dim, int)}
    if axis in along:
        return None
    are_gone = op.meta["val"].dim() < rank
    return axis - are_gone * sum(dim < axis for dim in along)
