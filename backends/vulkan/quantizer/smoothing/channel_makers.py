"""Ops whose constants decide how large each channel of their result is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch.fx import Node

from ..op_kinds import changes_its_input, is_float32, kind_of

# Which arguments are weight and bias, and the axis of the channels.
_NORMS: dict[str, tuple[int, int | None, int]] = {
    "layer_norm": (2, 3, -1),
    "rms_norm": (2, None, -1),
    "group_norm": (2, 3, 1),
    "instance_norm": (1, 2, 1),
}


@dataclass(frozen=True)
class Row:
    """An argument of one element for each channel: a constant, or None, which stands for ones.

    Its channels are along `axis`, counted from the end.
    """

    op: Node
    at: int
    axis: int = -1


def channels_made_by(node: Node, constants: set[Node]) -> Iterator[tuple[int, list[Row]]]:
    """(axis, rows) of a norm, or of a value times a constant row, as norms that are written out
    end: if the rows are divided by a factor for each channel, so is the result.
    """
    if not is_float32(node) or node in constants or changes_its_input(node):
        return
    if any(isinstance(one, Node) for one in node.kwargs.values()):
        return  # a bias may be there
    sizes = node.meta["val"].shape
    for axis, rows in [*_by_norm(node), *_by_product(node, constants)]:
        # Of one channel, or a number that is not known, there is nothing to even out.
        is_known = isinstance(sizes[axis], int) and sizes[axis] > 1
        if is_known and all(_is_constant(row, constants) for row in rows):
            yield axis % len(sizes), rows


def _by_norm(node: Node) -> Iterator[tuple[int, list[Row]]]:
    if kind_of(node) in _NORMS:
        weight, bias, axis = _NORMS[kind_of(node)]
        rows = [Row(node, weight)]
        if bias is not None and len(node.args) > bias and node.args[bias] is not None:
            rows.append(Row(node, bias))
        if axis == 1 or len(node.args[1]) == 1:  # type: ignore[arg-type]
            yield axis, rows


def _by_product(node: Node, constants: set[Node]) -> Iterator[tuple[int, list[Row]]]:
    factors = enumerate(node.args) if kind_of(node) == "mul" else ()
    for at, factor in factors:
        if isinstance(factor, Node) and factor in constants:
            sizes = factor.meta["val"].shape
            wide = [axis - len(sizes) for axis, size in enumerate(sizes) if size != 1]
            if len(wide) == 1:
                yield wide[0], [Row(node, at, wide[0])]


def _is_constant(row: Row, constants: set[Node]) -> bool:
    value = row.op.args[row.at] if len(row.op.args) > row.at else None
    return value is None or (isinstance(value, Node) and value in constants and is_float32(value))
