"""Group nodes into the fewest delegates without cutting a layer or making a cycle.

A node's level is the largest number of CPU stretches on any path to it, so nodes of one level
never wait for one another through the CPU, and each level makes one partition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from torch.fx import Graph, Node


class CyclicUnitError(Exception):
    """A unit's own output comes back to it through the CPU, so it can't be one delegate."""

    def __init__(self, unit: Sequence[Node]) -> None:
        super().__init__(
            f"its result comes back to it through the CPU, by way of {unit[0].name}; keep the ops "
            "on that way on Vulkan, or off the quantization"
        )
        self.unit = unit


def group_by_level(
    graph: Graph, units: Iterable[Sequence[Node]], singles: Collection[Node]
) -> list[list[Node]]:
    """Assign the nodes that the backend runs to partitions.

    Args:
        units: sets of nodes that must stay together; they may share nodes.
        singles: further nodes that may go anywhere.

    Returns:
        The partitions, each in graph order, earlier levels first.

    Raises:
        CyclicUnitError: where a unit can't be kept whole.
    """
    units = [tuple(unit) for unit in units]
    ours = set(singles).union(*units)
    units_of = defaultdict(list)
    for unit in units:
        for node in unit:
            units_of[node].append(unit)
    levels = _levels(graph, ours, units)
    _delay_to_users(graph, ours - units_of.keys(), ours, levels)

    groups: dict[int, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        if node in ours:
            groups[levels[node]].append(node)
    return [groups[level] for level in sorted(groups)]


def _levels(
    graph: Graph, ours: Collection[Node], units: Sequence[Sequence[Node]]
) -> dict[Node, int]:
    levels = dict.fromkeys(graph.nodes, 0)
    while True:
        for node in graph.nodes:
            for source in node.all_input_nodes:
                # Leaving the backend for the CPU starts the next stretch.
                hop = source in ours and node not in ours
                levels[node] = max(levels[node], levels[source] + hop)
        changed = False
        for unit in units:
            top = max(levels[node] for node in unit)
            # More stretches than nodes exist only where the unit feeds itself.
            if top > len(levels):
                raise CyclicUnitError(unit)
            for node in unit:
                changed |= levels[node] != top
                levels[node] = top
        if not changed:
            return levels


def _delay_to_users(
    graph: Graph, movable: Collection[Node], ours: Collection[Node], levels: dict[Node, int]
) -> None:
    """Move a node that only later partitions read into the first of these."""
    for node in reversed(graph.nodes):
        if node in movable and node.users and all(user in ours for user in node.users):
            levels[node] = min(levels[user] for user in node.users)
