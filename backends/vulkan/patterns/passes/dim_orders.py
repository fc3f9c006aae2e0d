"""Tensors that are in memory in another dim order than row-major, as torch.channels_last is.

A blob knows sizes alone. So where a delegate takes or gives such a tensor, its blob has the sizes
in the order of memory, and an op of ours that says so; inside, all is row-major as far as the blob
goes, and the runtime chooses its own orders, in which a channels-last input is the same bytes.
"""

from __future__ import annotations

from typing import cast

import torch
from torch.fx import Graph, Node
from torch.fx.node import map_arg

from ...custom_ops import FROM_DIM_ORDER, TO_DIM_ORDER
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import dim_order_of, tensor_of
from ..vocabulary.graph_edits import call_after, mark_as_ours

_DIM_ORDER = "dim_order"


def rewrite_dim_orders(constants: Constants, graph: Graph) -> None:
    """Take and give tensors of other dim orders by ops of ours; all else becomes row-major."""
    orders = {node: dim_order_of(node) for node in graph.nodes}
    inputs = [node for node in graph.find_nodes(op="placeholder") if node.users]
    taken = {
        node: order
        for node in inputs
        if (order := orders[node]) is not None and not constants.is_constant(node)
    }
    as_row_major(graph)
    for node, order in taken.items():
        _take(node, order)
    [output] = graph.find_nodes(op="output")
    given: dict[Node, Node] = {}
    for node in output.all_input_nodes:
        # A result that was an input has its own bytes.
        source = node.args[0] if node.target == FROM_DIM_ORDER else node
        order = orders.get(cast(Node, source))
        if order is not None:
            args = (node, list(order))
            given[node] = call_after(graph, node, TO_DIM_ORDER, args)
            mark_as_ours(given[node])
    output.args = map_arg(output.args, lambda node: given.get(node, node))


def as_row_major(graph: Graph) -> None:
    """Let every tensor of the graph be row-major, and ops ask for no other order."""
    for node in graph.nodes:
        tensor = tensor_of(node)
        if tensor is not None and dim_order_of(node) is not None:
            node.meta["val"] = torch.empty_like(tensor, memory_format=torch.contiguous_format)
        if _DIM_ORDER in node.kwargs and tensor is not None:
            node.kwargs = {**node.kwargs, _DIM_ORDER: list(range(tensor.dim()))}


def _take(node: Node, order: tuple[int, ...]) -> None:
    """Let the readers of the input `node` read a row-major tensor."""
    readers = list(node.users)
    tensor = node.meta["val"]
    node.meta["val"] = tensor.new_empty([tensor.shape[dim] for dim in order])
    last = node
    while last.next.op == "placeholder":
        last = last.next
    result = call_after(node.graph, last, FROM_DIM_ORDER, (node, list(order)))
    mark_as_ours(result)
    node.replace_all_uses_with(result, delete_user_cb=lambda user: user in readers)
