"""What a delegate computes from constants alone, as constants.

Scalars that lowering turned into tensors arrive so (a cast of an int64 constant, a full), and
views, casts and arithmetic on parameters. Their values are what PyTorch gives.
"""

from __future__ import annotations

from executorch.backends.vulkan.op_registry import has_impl
from torch.fx import Graph, Node

from ...custom_ops import FIXED_VIEW
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import overload_of, sizes_of, tensor_of
from ..vocabulary.graph_edits import call_after, mark_as_ours


def fold_constants(constants: Constants, graph: Graph) -> None:
    """Let what reads constants read placeholders; dead nodes are left for dead code elimination.

    Raises:
        ValueError: where a constant's value is not at hand.
    """
    live = _live(graph)
    for node in live:
        readers = [user for user in node.users if user in live and not constants.is_constant(user)]
        if tensor_of(node) is None or not readers or not constants.is_constant(node):
            continue
        constant = constants.as_placeholder(graph, "constant", node)
        for reader in readers:
            if reader.op == "call_function":
                reader.replace_input_with(node, _readable(constant, reader))


def _live(graph: Graph) -> dict[Node, None]:
    """What the graph's results are computed from; earlier rewrites leave dead nodes."""
    live: dict[Node, None] = {}
    queue = [graph.output_node()]
    while queue:
        node = queue.pop()
        if node not in live:
            live[node] = None
            queue += node.all_input_nodes
    return live


def _readable(constant: Node, reader: Node) -> Node:
    """The constant, or a view of it where the stock pass that uploads constants, which looks every
    reader up in the stock registry, would fail for want of an entry."""
    if overload_of(reader) is None or has_impl(reader.target):
        return constant
    place = next(node for node in reader.graph.nodes if node.op != "placeholder").prev
    view = call_after(reader.graph, place, FIXED_VIEW, (constant, sizes_of(constant)))
    mark_as_ours(view)
    return view
