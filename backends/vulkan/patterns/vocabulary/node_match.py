"""What the stock pattern engine reads of a match, for rules that are about a single node."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import Node


@dataclass(frozen=True)
class NodeMatch:
    """A match of `anchor_node` alone."""

    anchor_node: Node

    @property
    def all_nodes(self) -> list[Node]:
        return [self.anchor_node]

    @property
    def input_nodes(self) -> list[Node]:
        return self.anchor_node.all_input_nodes

    @property
    def output_nodes(self) -> list[Node]:
        return [self.anchor_node]
