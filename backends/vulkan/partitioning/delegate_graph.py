"""The graph that a delegate will have, for questions about what its own rules will find there."""

from __future__ import annotations

from collections.abc import Sequence

from torch.fx import Graph, Node


def delegate_graph(nodes: Sequence[Node]) -> dict[Node, Node]:
    """From each of `nodes`, and what they read, to its copy in such a graph.

    Constants, and what is computed outside, are placeholders of the same names; what is read
    outside is a result.

    Args:
        nodes: of one delegate, in graph order.
    """
    graph = Graph()
    members = set(nodes)
    copies: dict[Node, Node] = {}
    for source in dict.fromkeys(one for node in nodes for one in node.all_input_nodes):
        if source not in members:
            copies[source] = graph.placeholder(source.name)
            copies[source].meta = source.meta
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    results = [node for node in nodes if any(user not in members for user in node.users)]
    graph.output(tuple(copies[node] for node in results))
    return copies
