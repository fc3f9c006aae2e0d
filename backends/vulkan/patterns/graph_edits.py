"""New nodes, and the mark that tells our own partitions from the stock partitioner's."""

from __future__ import annotations

from typing import Any

from torch.fx import Graph, Node
from torch.fx.node import Argument, map_arg

# Set by VulkanPartitioner on every node that it delegates. Rewrites that only our runtime can
# run, or that only pay off there, look for it.
_OURS = "executorch_vulkan"


def mark_as_ours(node: Node) -> None:
    node.meta[_OURS] = True


def is_ours(node: Node) -> bool:
    return bool(node.meta.get(_OURS, False))


def call_after(graph: Graph, place: Node, target: Any, args: tuple[Argument, ...]) -> Node:
    """A call of `target` right behind `place`, with its fake result computed."""
    with graph.inserting_after(place):
        node = graph.call_function(target, args)
    node.meta["val"] = target(*map_arg(args, lambda argument: argument.meta["val"]))
    if is_ours(place):
        mark_as_ours(node)
    return node


def redo_on(alias: Node, source: Node, place: Node) -> Node:
    """The view or clone `alias` done on `source` instead, right behind `place`."""
    return call_after(alias.graph, place, alias.target, (source, *alias.args[1:]))
