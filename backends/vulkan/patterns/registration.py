"""Hook our rules into the stock pattern engine.

For each delegate, ExecuTorch's `VulkanBackend.preprocess` runs its `FusePatternsPass` over the
delegate's own graph. It visits every node in order and asks each rule's detector. In partitions
that our partitioner made, the first node of all makes all int8 steps at once; the stock rules do
not apply there. `quantized_linear` exists among these: elsewhere, ours decides the statically
quantized linears and hands every other one (weight-only, dynamic, 4-bit) on.

The partitioner plans with steps taken back that can't be made whole: here all that match are made.
For a match is complete in the graph that it is found in, and a delegate's graph holds only what was
planned together; what was taken back is outside, or runs in float, and is whole if it matches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from executorch.backends.vulkan.patterns import fusable_patterns
from executorch.backends.vulkan.patterns.pattern_registry import (
    PatternMatch,
    register_pattern_detector,
    register_pattern_replacement,
)
from executorch.backends.xnnpack._passes import FuseBatchNormPass
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from .passes.attention_permutes import match_permuted_attention, rewrite_permuted_attention
from .passes.clamped_convolutions import clamp_convolutions
from .passes.constant_operands import fold_constants
from .passes.converted_operands import match_converted, rewrite_converted
from .passes.dim_orders import rewrite_dim_orders
from .passes.early_sizes import match_late_size, rewrite_late_size
from .passes.extremes import match_extreme, rewrite_extreme
from .passes.folded_tables import match_table, rewrite_table
from .passes.joined_indices import join_indices
from .passes.owned_state import take_states
from .passes.preserve_rounding import match_requantized, rewrite_requantized
from .passes.regroups import match_regroup, rewrite_regroup
from .passes.split_slices import match_part, rewrite_part
from .passes.tensor_clamps import match_tensor_clamp, rewrite_tensor_clamp
from .passes.uint8_activations import rewrite_uint8
from .passes.unsqueezed_ops import match_squeezable, rewrite_squeezable
from .passes.view_sizes import match_dynamic_view, rewrite_dynamic_view
from .quantized_linear import is_dynamic_layer, match_quantized_linear
from .steps import match_steps, rewrite_steps
from .vocabulary.constants import Constants
from .vocabulary.edge_ops import CONVOLUTION, LINEAR_OPS
from .vocabulary.graph_edits import is_ours, mark_as_ours
from .vocabulary.node_match import NodeMatch
from .vocabulary.step import Step

logger = logging.getLogger(__name__)

_LINEAR = "quantized_linear"
WHOLE_GRAPH = "etvk_int8_steps"
_registered = False


def register() -> None:
    """Register every rule; a second call does nothing."""
    global _registered
    if _registered:
        return
    _registered = True
    _register_linear()
    _keep_stock_rules_out()
    _keep_stock_folding_out()
    _keep_pattern_graphs()
    register_pattern_detector(WHOLE_GRAPH)(_match_whole_graph)
    register_pattern_replacement(WHOLE_GRAPH)(_rewrite_whole_graph)
    _register_ours("etvk_preserve_rounding", match_requantized, rewrite_requantized)
    _register_ours("etvk_permuted_attention", match_permuted_attention, rewrite_permuted_attention)
    _register_ours("etvk_table", match_table, rewrite_table)
    _register_ours("etvk_split", match_part, rewrite_part)
    _register_ours("etvk_converted", match_converted, rewrite_converted)
    _register_ours("etvk_tensor_clamp", match_tensor_clamp, rewrite_tensor_clamp)
    _register_ours("etvk_extremes", match_extreme, rewrite_extreme)
    _register_ours("etvk_unsqueezed", match_squeezable, rewrite_squeezable)
    _register_ours("etvk_regroup", match_regroup, rewrite_regroup)
    _register_ours("etvk_late_size", match_late_size, rewrite_late_size)
    _register_ours("etvk_dynamic_view", match_dynamic_view, rewrite_dynamic_view)


def _register_ours(name: str, match: Callable[[Node], Any], rewrite: Callable[..., None]) -> None:
    """A rule that applies only inside partitions that our partitioner made."""

    def detect(node: Node) -> Any:
        return match(node) if is_ours(node) else None

    register_pattern_detector(name)(detect)
    register_pattern_replacement(name)(rewrite)


def _keep_stock_rules_out() -> None:
    """Let no stock rule apply inside our partitions."""
    for entry in fusable_patterns.values():
        if entry.detector_fn is not None:
            entry.detector_fn = _outside_ours(entry.detector_fn)
        elif entry.create_replacement_fn is not None:
            entry.create_replacement_fn = _done_outside_ours(entry.create_replacement_fn)


def _keep_stock_folding_out() -> None:
    """Let no stock pass take a batch norm into a convolution of ours, as `rules/batch_norm.py`
    does: theirs has no groups of a transposed one, and mixes up layers that share a weight."""
    can_fuse = FuseBatchNormPass.can_fuse

    def outside_ours(layer: Node, *arguments: Any, **keywords: Any) -> bool:
        if layer.target == CONVOLUTION and is_ours(layer):
            return False
        return can_fuse(layer, *arguments, **keywords)

    FuseBatchNormPass.can_fuse = staticmethod(outside_ours)


def _keep_pattern_graphs() -> None:
    """Let the engine trace its own pattern graphs once, not anew for every delegate."""
    for entry in fusable_patterns.values():
        if entry.get_graphs_fn is not None:
            entry.get_graphs_fn = cache(entry.get_graphs_fn)


def _outside_ours(detect: Callable[[Node], Any]) -> Callable[[Node], Any]:
    return lambda node: None if is_ours(node) else detect(node)


def _done_outside_ours(replace: Callable[..., None]) -> Callable[..., None]:
    """As `_outside_ours`, for rules that go by pattern graphs, which have no detector."""

    def replace_outside(program: ExportedProgram, graph_module: GraphModule, match: Any) -> None:
        if not any(map(is_ours, match.all_nodes)):
            replace(program, graph_module, match)

    return replace_outside


def _match_whole_graph(node: Node) -> NodeMatch | None:
    """`node` as a match where it is the first of a partition that our partitioner made."""
    if not is_ours(node):
        return None
    # Backwards: asked of every node, and nearly all stand behind another of ours.
    before = node.prev
    while before.op != "root" and not is_ours(before):
        before = before.prev
    return NodeMatch(node) if before.op == "root" else None


def _rewrite_whole_graph(
    program: ExportedProgram, graph_module: GraphModule, match: NodeMatch
) -> None:
    from ..reporting.float_warning import warn_of_unseen  # which imports the rules

    # Earlier passes may have made nodes without the mark.
    for node in graph_module.graph.nodes:
        if node.op == "call_function":
            mark_as_ours(node)
    constants = Constants(program)
    rewrite_dim_orders(constants, graph_module.graph)
    rewrite_uint8(constants, graph_module.graph)
    plan = match_steps(graph_module.graph, constants)
    warn_of_unseen(graph_module.graph, plan, constants)
    rewrite_steps(constants, plan.steps)
    clamp_convolutions(graph_module.graph)
    join_indices(graph_module.graph)
    fold_constants(Constants(program), graph_module.graph)
    take_states(program, graph_module.graph)


def _register_linear() -> None:
    stock = fusable_patterns[_LINEAR]
    stock_detect, stock_replace = stock.detector_fn, stock.create_replacement_fn
    assert stock_detect is not None and stock_replace is not None

    def detect(node: Node) -> Any:
        if node.target not in LINEAR_OPS:
            return None
        found = match_quantized_linear(node)
        if isinstance(found, Step) and is_dynamic_layer(found):
            return stock_detect(node)
        if isinstance(found, Step):
            return PatternMatch(
                list(found.reads), list(found.outputs), list(found.nodes), found.anchor
            )
        if not found.is_static:
            return stock_detect(node)
        logger.debug("%s is not fused: %s", node.name, found.reason)
        return None

    def replace(program: ExportedProgram, graph_module: GraphModule, match: Any) -> None:
        # The detector saw neither values nor which placeholders are constants.
        constants = Constants(program)
        found = match_quantized_linear(match.anchor_node, constants)
        if isinstance(found, Step) and not is_dynamic_layer(found):
            found.family.rewrite(constants, found.match)
        elif isinstance(found, Step) or not found.is_static:
            stock_replace(program, graph_module, match)
        else:
            logger.debug("%s is not fused: %s", match.anchor_node.name, found.reason)

    register_pattern_detector(_LINEAR)(detect)
    register_pattern_replacement(_LINEAR)(replace)
