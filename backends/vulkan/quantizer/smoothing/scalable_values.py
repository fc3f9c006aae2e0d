"""Values whose channels can be scaled for nothing: divided where they are made, multiplied where
they are read.

Constants of what makes such a value are divided. All that reads it is layers, behind ops that
commute with a factor for each channel, and the layers' weights are multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch.fx import Graph, Node

from ..layers import constants_of, has_own_weight, input_axis, input_of, is_layer
from ..op_kinds import is_float32, kind_of
from .channel_makers import Row, channels_made_by
from .channels import channels_behind, reads_no_values

_SUMS = frozenset({"add", "sub"})


@dataclass
class ScalableValue:
    """A value with one free factor for each channel.

    Attributes:
        maker: the op that gives it.
        rows: what is divided.
        layers: those that read it; their weights' input channels are multiplied.
    """

    maker: Node
    rows: list[Row]
    layers: list[Node] = field(default_factory=list)


def scalable_values(graph: Graph) -> Iterator[ScalableValue]:
    """Those of a graph; a layer reads at most one of them, the last that is made before it."""
    constants = constants_of(graph)
    taken: set[Node] = set()
    for node in reversed(graph.nodes):
        for axis, rows in channels_made_by(node, constants):
            value = ScalableValue(node, rows)
            is_scalable = _follow(value, node, axis, constants) and value.layers
            if is_scalable and taken.isdisjoint(value.layers):
                taken.update(value.layers)
                yield value


def _follow(value: ScalableValue, x: Node, axis: int, constants: set[Node]) -> bool:
    """Note what reads `x`, the value or what is made of it; False where one can't take factors."""
    for reader in x.users:
        if reads_no_values(reader):
            continue
        if is_layer(reader, constants) and input_of(reader) is x:
            is_once = sum(one is x for one in reader.args) == 1 and has_own_weight(reader)
            if not is_once or axis != input_axis(reader):
                return False
            value.layers.append(reader)
            continue
        if not is_float32(reader):
            return False
        if (row := _added_row(reader, x, axis, constants)) is not None:
            value.rows.append(row)
            behind: int | None = axis
        else:
            behind = channels_behind(reader, x, axis)
        if behind is None or not _follow(value, reader, behind, constants):
            return False
    return True


def _added_row(op: Node, x: Node, axis: int, constants: set[Node]) -> Row | None:
    """A constant with elements for all channels that `op` adds to `x`, or takes away."""
    if kind_of(op) not in _SUMS or op.meta["val"].dim() != x.meta["val"].dim():
        return None
    at = 1 if op.args[0] is x else 0
    other = op.args[at]
    if not isinstance(other, Node) or other not in constants or not is_float32(other):
        return None
    from_end = axis - x.meta["val"].dim()
    sizes, channels = other.meta["val"].shape, x.meta["val"].shape[axis]
    has_all = len(sizes) >= -from_end and sizes[from_end] == channels
    return Row(op, at, from_end) if has_all else None
