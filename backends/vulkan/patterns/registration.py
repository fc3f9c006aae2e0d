"""Hook our rules into the stock pattern engine.

`quantized_linear` exists there already. Ours decides the statically quantized cases and hands
every other one (weight-only, dynamic, 4-bit) on to the stock rule.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from executorch.backends.vulkan.patterns import fusable_patterns
from executorch.backends.vulkan.patterns.pattern_registry import (
    register_pattern_detector,
    register_pattern_replacement,
)
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from .constants import Constants
from .early_sizes import match_late_size, rewrite_late_size
from .edge_ops import LINEAR_OPS
from .graph_edits import is_ours
from .linear_rewrite import rewrite_quantized_linear
from .preserve_rounding import match_requantized, rewrite_requantized
from .quantized_linear import (
    QuantizedLinearMatch,
    Rejection,
    match_quantized_linear,
    value_problem,
)
from .quantized_view import match_quantized_view, rewrite_quantized_view
from .view_sizes import match_dynamic_view, rewrite_dynamic_view

logger = logging.getLogger(__name__)

_LINEAR = "quantized_linear"
_registered = False


def register() -> None:
    """Register every rule; a second call does nothing."""
    global _registered
    if _registered:
        return
    _registered = True
    _register_linear()
    _register_ours("etvk_preserve_rounding", match_requantized, rewrite_requantized)
    _register_ours("etvk_quantized_view", match_quantized_view, rewrite_quantized_view)
    _register_ours("etvk_late_size", match_late_size, rewrite_late_size)
    _register_ours("etvk_dynamic_view", match_dynamic_view, rewrite_dynamic_view)


def _register_ours(name: str, match: Callable[[Node], Any], rewrite: Callable[..., None]) -> None:
    """A rule that applies only inside partitions that our partitioner made."""

    def detect(node: Node) -> Any:
        return match(node) if is_ours(node) else None

    register_pattern_detector(name)(detect)
    register_pattern_replacement(name)(rewrite)


def _register_linear() -> None:
    stock = fusable_patterns[_LINEAR]
    stock_detect, stock_replace = stock.detector_fn, stock.create_replacement_fn
    assert stock_detect is not None and stock_replace is not None

    def detect(node: Node) -> Any:
        if node.target not in LINEAR_OPS:
            return None
        found = match_quantized_linear(node)
        if isinstance(found, QuantizedLinearMatch):
            return found
        assert isinstance(found, Rejection)
        if not found.is_static:
            return stock_detect(node)
        logger.debug("%s is not fused: %s", node.name, found.reason)
        return None

    def replace(program: ExportedProgram, graph_module: GraphModule, match: Any) -> None:
        if not isinstance(match, QuantizedLinearMatch):
            stock_replace(program, graph_module, match)
            return
        problem = value_problem(match, Constants(program))
        if problem is None:
            rewrite_quantized_linear(program, graph_module, match)
            return
        if is_ours(match.anchor_node):
            # The partitioner took the layer without seeing its values, and nothing else in our
            # runtime can run it.
            raise ValueError(
                f"{match.anchor_node.name}: {problem}. VulkanPartitioner sees the weights only in "
                "to_edge_transform_and_lower(..., partitioner=[...]); lower with that, or keep "
                "the layer off Vulkan with operator_blocklist or nn_module_blocklist."
            )
        logger.debug("%s is not fused: %s", match.anchor_node.name, problem)

    register_pattern_detector(_LINEAR)(detect)
    register_pattern_replacement(_LINEAR)(replace)
