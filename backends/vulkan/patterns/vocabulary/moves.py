"""Ops that move elements and compute nothing: which they are, and what they read."""

from __future__ import annotations

from torch.fx import Node

from .edge_ops import (
    CAT,
    INDEX_OPS,
    MOVE_OPS,
    is_alias,
    is_contiguous,
    is_part,
    node_argument,
)
from .indices import index_problem


def moves_elements(node: Node) -> bool:
    """True where each element of the result is an element of an input, of the same dtype."""
    if node.target in MOVE_OPS or is_part(node):
        return is_contiguous(node)
    if node.target in INDEX_OPS:
        return is_contiguous(node) and index_problem(node) is None
    return is_alias(node)


def moved_inputs(node: Node) -> tuple[Node, ...]:
    """The tensors whose elements a `moves_elements` op arranges."""
    if node.target == CAT:
        return tuple(node.args[0])  # type: ignore[arg-type]
    if is_part(node):
        return (node_argument(node_argument(node, 0), 0),)
    return (node_argument(node, 0),)
