"""The quantizes and dequantizes that belong to ops which we leave to other backends.

Such a backend finds its quantized ops by them: dequantize -> op -> quantize. With one of the two
inside of our delegate it would take the op for one in float, and compute other numbers or fail.
"""

from __future__ import annotations

from collections.abc import Collection

from executorch.exir.delegate import executorch_call_delegate
from torch.fx import Graph, Node

from ..patterns.vocabulary.edge_ops import (
    DEQUANTIZE,
    QUANTIZE,
    is_alias,
    is_dequantize,
    is_symint,
    node_argument,
    op_of,
)
from ..patterns.vocabulary.expressions import is_pointwise


def foreign_quantization(
    graph: Graph, free: Collection[Node], in_steps: Collection[Node]
) -> dict[Node, Node]:
    """From each of `free` that another backend needs, to the op that it belongs to.

    Views between the two belong to that op as well, and so do functions between it and a quantize,
    which such a backend computes with the op. A dequantize that one of our steps reads too is not
    among them; `own_dequantizes` gives each reader its own.

    Args:
        free: ops outside of steps that our runtime could run.
        in_steps: the nodes of all steps.
    """
    owners: dict[Node, Node] = {}

    def is_foreign(node: Node) -> bool:
        node = op_of(node)
        return (
            node.op == "call_function"
            and node not in free
            and node not in in_steps
            and node.target not in (executorch_call_delegate, QUANTIZE)
            and not is_dequantize(node)
            and not is_symint(node)
        )

    for node in graph.nodes:
        if node not in free:
            continue
        if node.target == QUANTIZE:
            source = node_argument(node, 0)
            passed = []
            while source in free and _is_passed(source):
                passed.append(source)
                source = source.all_input_nodes[0]
            if is_foreign(source):
                owners |= dict.fromkeys((node, *passed), op_of(source))
        elif node.target == DEQUANTIZE:
            passed, ends = _readers(node, free)
            foreign = [end for end in ends if is_foreign(end)]
            if foreign and not any(end in free or end in in_steps for end in ends):
                owners |= dict.fromkeys(passed, op_of(foreign[0]))
    return owners


def _is_passed(node: Node) -> bool:
    """True for a view, and for a function of one tensor, that nothing else reads."""
    is_function = is_pointwise(node) and len(node.all_input_nodes) == 1
    return len(node.users) == 1 and (is_alias(node) or is_function)


def _readers(node: Node, free: Collection[Node]) -> tuple[list[Node], list[Node]]:
    """`node` and the views that it is read through, and who reads those."""
    passed, ends = [node], list[Node]()
    for one in passed:
        for user in one.users:
            (passed if user in free and is_alias(user) else ends).append(user)
    return passed, ends
