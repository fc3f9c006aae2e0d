"""Attention that is written by hand: which products its scores and its result are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch.fx import Graph, Node

from .op_kinds import AROUND_SOFTMAX, ATTENTION, PRODUCTS, SOFTMAX, is_float32, kind_of


@dataclass(frozen=True)
class Attention:
    """Where q, k and v enter: (tensor, reader) edges; and the node that is the result."""

    edges: tuple[tuple[Node, Node], ...]
    result: Node


def find_attention(graph: Graph) -> Iterator[Attention]:
    """All attention of a graph, PyTorch's own op and products around a softmax."""
    for node in graph.nodes:
        if kind_of(node) == ATTENTION:
            tensors = node.args[:3]
            if len(tensors) == 3 and all(map(is_float32, tensors)):
                yield Attention(tuple((one, node) for one in tensors), node)
        elif kind_of(node) in SOFTMAX and (found := _written(node)) is not None:
            yield found


def _written(softmax: Node) -> Attention | None:
    scores, result = _scores(softmax), _result(softmax)
    if scores is None or result is None:
        return None
    edges = [(scores.args[0], scores), (scores.args[1], scores), (result.args[1], result)]
    found = tuple((one, reader) for one, reader in edges if isinstance(one, Node))
    return Attention(found, result) if all(is_float32(one) for one, _ in found) else None


def _scores(softmax: Node) -> Node | None:
    """The product that `softmax` is taken of, behind scales and masks."""
    node = softmax.args[0]
    while isinstance(node, Node) and kind_of(node) not in PRODUCTS:
        if kind_of(node) not in AROUND_SOFTMAX:
            return None
        at = 1 if kind_of(node) == "where" else 0
        operands = [one for one in node.args[at:] if isinstance(one, Node) and is_float32(one)]
        # The scores are an operand of the result's rank; a mask may come first.
        behind = [one for one in operands if _is_behind_product(one)]
        node = behind[0] if len(behind) == 1 else None
    return node if isinstance(node, Node) else None


def _is_behind_product(node: Node) -> bool:
    while kind_of(node) in AROUND_SOFTMAX and node.args and isinstance(node.args[0], Node):
        node = node.args[0]
    return kind_of(node) in PRODUCTS


def _result(softmax: Node) -> Node | None:
    """The product that the probabilities go into, as the first operand and nowhere else."""
    node = softmax
    while len(node.users) == 1:
        [reader] = node.users
        if kind_of(reader) in PRODUCTS:
            return reader if reader.args[0] is node else None
        if kind_of(reader) not in AROUND_SOFTMAX:
            return None
        node = reader
    return None
