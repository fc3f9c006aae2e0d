"""A float32 convolution and the clamp behind it as one op, which a stock pass would make of some.

That one knows no clamp of one bound, nor a hardtanh that leaves arguments out.
"""

from __future__ import annotations

from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Graph, Node

from ..vocabulary.edge_ops import CONVOLUTION, clamp_bounds
from ..vocabulary.graph_edits import call_after, mark_as_ours, standing_for

CLAMPED = exir_ops.edge.et_vk.conv_with_clamp.default


def clamp_convolutions(graph: Graph) -> None:
    """Let convolutions clamp what nothing but a clamp reads; dead nodes are left."""
    for node in list(graph.find_nodes(op="call_function", target=CONVOLUTION)):
        readers = list(node.users)
        if len(readers) == 1 and (bounds := _bounds(readers[0])) is not None:
            with standing_for((node, readers[0])):
                clamped = call_after(graph, readers[0], CLAMPED, (*node.args, *bounds))
            mark_as_ours(clamped)
            readers[0].replace_all_uses_with(clamped)


def _bounds(node: Node) -> tuple[float, float] | None:
    return clamp_bounds(node) if node.op == "call_function" else None
