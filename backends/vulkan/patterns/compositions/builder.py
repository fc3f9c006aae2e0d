"""What compositions are written with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch.fx import Node

from ..vocabulary.edge_ops import is_float32, sizes_of
from ..vocabulary.graph_edits import call_before

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
    return all(isinstance(size, int) and size > 0 for one in tensors for size in sizes_of(one))


def three(given: Any) -> list[int]:
    """One number for each of three dimensions, of which a program may give one for all."""
    numbers = list(given) if isinstance(given, (list, tuple)) else [given]
    return numbers * 3 if len(numbers) == 1 else numbers
