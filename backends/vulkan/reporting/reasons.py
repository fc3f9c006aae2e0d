"""Why a node is not on Vulkan: found while a program is partitioned, and kept with its nodes.

What is left of a program after lowering no longer shows why, so explain() reads it there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from torch.fx import Node

from ..partitioning.supported_ops import SUPPORTED, readable_name, refusal
from ..patterns.vocabulary.edge_ops import (
    ADDMM,
    ALIAS_OPS,
    EXPAND,
    MAC_OPS,
    TRANSPOSE_OPS,
    is_dequantize,
    op_name,
    op_of,
)

SEE = "print(executorch_vulkan.explain(program)) says it of each node"
# By name, for to_executorch turns ops into out variants.
_LAYERS = re.compile(
    r"linear|\b(add|b)?mm\b|conv|norm|pool|embedding|attention|lstm|gru|rnn|upsample"
)
_KEY = "executorch_vulkan_left_out"


@dataclass(frozen=True)
class LeftOut:
    """What the partitioner noted of a node that it left.

    Attributes:
        reason: a sentence for the user.
        by_user: the user's lists of operators and modules say so.
    """

    reason: str
    by_user: bool


def note_left_out(node: Node, left_out: LeftOut) -> None:
    node.meta[_KEY] = left_out


def noted(node: Node) -> LeftOut | None:
    return node.meta.get(_KEY)


def is_quantization(node: Node) -> bool:
    """True for a quantize or dequantize of any kind."""
    name = op_name(node).removeprefix("quantized_decomposed.")
    return node.op == "call_function" and "quantize" in name


def is_layer(node: Node) -> bool:
    """True for linears, convolutions, norms, pooling, embeddings and the like."""
    return node.op == "call_function" and _LAYERS.search(op_name(node)) is not None


def has_constant_weight(layer: Node, is_constant: Callable[[Node], bool]) -> bool:
    """True for a linear or convolution that is a layer and no product of two activations."""
    operands = layer.args[1:3] if layer.target == ADDMM else layer.args[:2]
    for node in operands:
        assert isinstance(node, Node)
        while is_dequantize(node) or node.target in ALIAS_OPS | TRANSPOSE_OPS | {EXPAND}:
            node = node.all_input_nodes[0]
        if is_constant(node):
            return True
    return False


def why_not(node: Node, reason: Callable[[Node], str | None]) -> str:
    """A reason for any node that is not delegated.

    Args:
        reason: why the partitioner left a node out, as far as it says.
    """
    if known := reason(node):
        return known
    if not is_quantization(node):
        return refusal(node) or (
            f"it computes nothing, and no op of Vulkan is next to it, only {_around(node)}"
        )
    beside = [one for one in (*node.users, *node.all_input_nodes) if not is_quantization(one)]
    ends = [*_ends(node, "users"), *_ends(node, "all_input_nodes"), *beside]
    for end in sorted(ends, key=lambda end: end.target not in MAC_OPS):
        if known := reason(end) or (refusal(end) if is_layer(end) else None):
            return f"it belongs to {end.name}: {known}"
    if node.target in SUPPORTED and (problem := refusal(node)):
        return problem
    return (
        f"no int8 layer is next to it, only {_around(node)}; quantize around layers that run on "
        "Vulkan, or leave this out of the quantization"
    )


def _around(node: Node) -> str:
    ends = [*_ends(node, "all_input_nodes"), *_ends(node, "users")]
    return ", ".join(dict.fromkeys(map(readable_name, ends))) or "inputs and outputs of the program"


def _ends(node: Node, direction: str) -> list[Node]:
    """The ops that `node` reaches in one direction through quantizes, views and transposes."""
    found: dict[Node, None] = {}
    queue = list(getattr(node, direction))
    while queue:
        end = op_of(queue.pop(0))
        if is_quantization(end) or end.target in ALIAS_OPS | TRANSPOSE_OPS:
            queue.extend(getattr(end, direction))
        elif end.op == "call_function":
            found[end] = None
    return list(found)
