"""Group nodes into the fewest delegates without cutting a layer or making a cycle.

A node's level is the largest number of CPU stretches on any path to it, so nodes of one level
never wait for one another through the CPU, and each level makes one partition.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from torch.fx import Graph, Node

from ..patterns.vocabulary.edge_ops import op_of

Unit = tuple[Node, ...]


class CyclicUnitError(Exception):
    """Units whose own outputs come back to them through the CPU, so none can be in one delegate.

    Attributes:
        reasons: why, for at least one unit of each such cycle.
    """

    def __init__(self, ways: Iterable[tuple[Unit, Node]]) -> None:
        self.reasons = {
            unit: f"its result comes back to it through the CPU, by way of {cpu.name}; keep the "
            "ops on that way on Vulkan, or off the quantization"
            for unit, cpu in ways
        }
        super().__init__("; ".join(f"{unit[0].name}: {why}" for unit, why in self.reasons.items()))


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
    units_of: dict[Node, list[Unit]] = defaultdict(list)
    for unit in map(tuple, units):
        for node in unit:
            units_of[node].append(unit)
    ours = units_of.keys() | set(singles)
    levels = _levels(graph, ours, units_of)
    _delay_to_users(graph, ours - units_of.keys(), ours, levels)

    groups: dict[int, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        if node in ours:
            groups[levels[node]].append(node)
    return [groups[level] for level in sorted(groups)]


def _levels(
    graph: Graph, ours: Collection[Node], units_of: Mapping[Node, Sequence[Unit]]
) -> dict[Node, int]:
    def waits_for(node: Node) -> list[Node]:
        # A unit is a ring here: each of its nodes waits for all others.
        ring = [unit[unit.index(node) - 1] for unit in units_of.get(node, ())]
        return [*node.all_input_nodes, *ring]

    levels: dict[Node, int] = {}
    ways_back: list[tuple[Unit, Node]] = []
    for component in _components(graph.nodes, waits_for):
        members = set(component)
        reads = [(source, node) for node in component for source in node.all_input_nodes]
        # Leaving the backend for the CPU starts the next stretch.
        hops = {(source, node) for source, node in reads if source in ours and node not in ours}
        level = max(
            (levels[read[0]] + (read in hops) for read in reads if read[0] not in members),
            default=0,
        )
        levels.update(dict.fromkeys(component, level))
        if inside := [node for source, node in hops if source in members]:
            first = min(node for node in component if node in units_of)
            ways_back.append((units_of[first][0], min(inside)))
    if ways_back:
        raise CyclicUnitError(ways_back)
    return levels


def _components(
    nodes: Iterable[Node], waits_for: Callable[[Node], Sequence[Node]]
) -> Iterator[list[Node]]:
    """Nodes that wait for one another, each such set behind all that it waits for.

    Tarjan's strongly connected components, without recursion.
    """
    found: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    open_nodes: dict[Node, None] = {}
    for start in nodes:
        path = [] if start in found else [(start, iter(waits_for(start)))]
        while path:
            node, rest = path[-1]
            if node not in found:
                found[node] = lowest[node] = len(found)
                open_nodes[node] = None
            for other in rest:
                if other not in found:
                    path.append((other, iter(waits_for(other))))
                    break
                if other in open_nodes:
                    lowest[node] = min(lowest[node], found[other])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[node])
                if lowest[node] == found[node]:
                    component = []
                    while node in open_nodes:
                        component.append(open_nodes.popitem()[0])
                    yield component


def _delay_to_users(
    graph: Graph, movable: Collection[Node], ours: Collection[Node], levels: dict[Node, int]
) -> None:
    """Move a node that only later partitions read into the first of these, with its results where
    they are a list: no delegate can give that."""
    for node in reversed(graph.nodes):
        if node not in movable or (node.target is operator.getitem and op_of(node) in ours):
            continue
        moved = {node, *(user for user in node.users if user.target is operator.getitem)}
        readers = {user for one in moved for user in one.users} - moved
        are_free = all(one in movable for one in moved)
        if readers and are_free and all(reader in ours for reader in readers):
            levels.update(dict.fromkeys(moved, min(levels[reader] for reader in readers)))
