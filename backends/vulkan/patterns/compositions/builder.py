"""What compositions are written with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch.fx import Node

from ..vocabulary.edge_ops import is_float32, sizes_of
from ..vocabulary.graph_edits import call_before

_aten = torch.ops.aten

# Of a Builder and what the op is given, by the names in its schema: the result, for an op of
# several a list, or None where this form of the op is none of the composition's.
Composition = Callable[..., "Node | Sequence[Node] | None"]


class Builder:
    """New nodes in front of the op that is written out (`place`)."""

    def __init__(self, place: Node) -> None:
        self.place = place

    def __call__(self, target: Any, *args: Any, **kwargs: Any) -> Node:
        values = [one.meta.get("val") for one in self.place.all_input_nodes]
        with detect_fake_mode(values) or nullcontext():
            return call_before(self.place, target, *args, **kwargs)

    def result(self, index: int | None = None) -> torch.Tensor:
        """The fake tensor that the op gives."""
        value = self.place.meta["val"]
        return value if index is None else value[index]


def is_read(item: Node) -> bool:
    """True for a result of several that anything reads."""
    return bool(item.users)


def reads(place: Node, index: int) -> bool:
    """True where anything reads result `index` of the op of several."""
    return any(user.args[1] == index and is_read(user) for user in place.users)


def are_float32(*values: Any) -> bool:
    """True where those that are tensors are float32."""
    return all(is_float32(one) for one in values if isinstance(one, Node))


def is_static(*tensors: Node) -> bool:
    """True for tensors of fixed sizes, none of them empty."""
    return all(are_fixed(sizes_of(one)) for one in tensors)


def are_fixed(sizes: Iterable[Any]) -> bool:
    """True for sizes that are numbers, none of them 0."""
    return all(isinstance(size, int) and size > 0 for size in sizes)


def steps_of(new: Builder, start: int, count: int, step: int, behind: int = 0) -> Node:
    """count integers from start on, in front of dimensions of size 1."""
    steps = new(_aten.arange.start_step, start, start + count * step, step)
    return steps if behind == 0 else new(_aten.reshape.default, steps, [-1, *[1] * behind])


def three(given: Any) -> list[int]:
    """One number for each of three dimensions, of which a program may give one for all."""
    numbers = list(given) if isinstance(given, (list, tuple)) else [given]
    return numbers * 3 if len(numbers) == 1 else numbers
