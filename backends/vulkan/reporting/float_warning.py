"""One warning for quantized layers that Vulkan runs in float32, since int8 refuses them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from torch.fx import Graph, Node

from ..patterns.rules.linear_operands import has_quantized_operands, quantized_weight
from ..patterns.steps import StepPlan
from ..patterns.vocabulary.constants import Constants
from ..patterns.vocabulary.edge_ops import tensor_of
from ..patterns.vocabulary.graph_edits import why_in_float
from .reasons import SEE
from .report import kind_of

logger = logging.getLogger(__package__)

_MOST_NAMES = 3


def warn_of_float(
    nodes: Iterable[Node], in_float: Mapping[Node, str], is_constant: Callable[[Node], bool]
) -> None:
    """Log the warning where it is due; products of two activations are no layers.

    Args:
        nodes: of the program, or of a delegate.
        in_float: what of these runs in float32, and why.
        is_constant: whether a node is a constant.
    """
    weights = {
        node: weight
        for node in nodes
        if has_quantized_operands(node)
        and is_constant(weight := quantized_weight(node))
        and not is_constant(node)
    }
    layers = [node for node in weights if node in in_float]
    if not layers:
        return
    by_kind: dict[str, list[Node]] = defaultdict(list)
    for layer in layers:
        by_kind[kind_of(in_float[layer])].append(layer)
    kinds = sorted(by_kind.values(), key=len, reverse=True)
    logger.warning(
        "%d of %d quantized layers run on Vulkan in float32, not in int8: slower, and with weights "
        "of %d bytes instead of %d. %s; %s",
        *(len(layers), len(weights), *_bytes(weights[layer] for layer in layers)),
        *("; ".join(f"{_named(kind)}: {in_float[kind[0]]}" for kind in kinds), SEE),
    )


def warn_of_unseen(graph: Graph, plan: StepPlan, constants: Constants) -> None:
    """The same, of layers of a delegate that the partitioner took for int8 without their values.

    What stands beside a layer in its step runs in float32 as well.
    """
    in_float = {
        one.node: one.reason
        for one in plan.rejections
        if has_quantized_operands(one.node) and why_in_float(one.node) is None
    }
    warn_of_float(graph.nodes, in_float, constants.is_constant)


def _named(nodes: list[Node]) -> str:
    names = ", ".join(node.name for node in nodes[:_MOST_NAMES])
    return f"{len(nodes)} ({names}{', ...' if len(nodes) > _MOST_NAMES else ''})"


def _bytes(weights: Iterable[Node]) -> tuple[int, int]:
    """What integers take as float32, and as they are."""
    tensors = [one for weight in dict.fromkeys(weights) if (one := tensor_of(weight)) is not None]
    return (
        sum(4 * one.numel() for one in tensors),
        sum(one.element_size() * one.numel() for one in tensors),
    )
