"""One warning for a program of which Vulkan gets nothing, or less than half of its layers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping

from torch.fx import Node

from ..patterns.vocabulary.edge_ops import CONVOLUTION, MAC_OPS
from .reasons import SEE, LeftOut, has_constant_weight, is_layer
from .report import count_by_kind

logger = logging.getLogger(__package__)


def warn_of_little(
    nodes: Iterable[Node],
    delegated: Collection[Node],
    left_out: Mapping[Node, LeftOut],
    is_constant: Callable[[Node], bool],
) -> None:
    """Log the warning where it is due.

    Layers that the user's own lists keep off Vulkan are missed only where nothing is left.

    Args:
        nodes: of the program.
        delegated: those that go into delegates of ours.
        left_out: why another node does not.
        is_constant: whether a placeholder is a constant.
    """
    layers = [node for node in nodes if is_layer(node)]
    if not delegated:
        if layers:
            reason, count = _main_reason(layers, left_out)
            logger.warning(
                "nothing of the program was delegated to Vulkan. %d of its %d layers: %s; %s",
                *(count, len(layers), reason, SEE),
            )
        return
    wanted = [
        node
        for node in layers
        if node.target in MAC_OPS
        and has_constant_weight(node, is_constant)
        and (node in delegated or not left_out[node].by_user)
    ]
    missing = [node for node in wanted if node not in delegated]
    if 2 * len(missing) > len(wanted):
        reason, count = _main_reason(missing, left_out)
        has_convolutions = any(node.target == CONVOLUTION for node in wanted)
        what = "linear layers and convolutions" if has_convolutions else "linear layers"
        logger.warning(
            "only %d of the program's %d %s were delegated to Vulkan. %d of the others: %s; %s",
            *(len(wanted) - len(missing), len(wanted), what, count, reason, SEE),
        )


def _main_reason(nodes: Iterable[Node], left_out: Mapping[Node, LeftOut]) -> tuple[str, int]:
    return count_by_kind(left_out[node].reason for node in nodes)[0]
