"""The int8 steps of a graph: one list of families, each matched once and then chosen from.

The partitioner and the rewriting both ask here, so they agree.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch.fx import Graph, Node

from .quantized_convolution import match_quantized_convolution
from .quantized_linear import match_quantized_linear
from .rules.arithmetic import match_arithmetic
from .rules.attention import match_attention
from .rules.batch_norm import match_batch_norm
from .rules.norms import ROW_NORMS, match_norm
from .rules.padding import match_padding
from .rules.pooling import match_pooling
from .rules.residual import fold_residuals
from .rules.rms_norm import match_rms_norm
from .rules.rounding import match_rounding
from .rules.unary_table import match_unary
from .rules.wide_grids import match_wide_grid
from .vocabulary.constants import Constants
from .vocabulary.edge_ops import BATCH_NORM, CONVOLUTION, MAC_OPS, PAD, POOL_OPS
from .vocabulary.forms import Form, find_forms
from .vocabulary.graph_edits import standing_for
from .vocabulary.rejection import Rejection
from .vocabulary.step import Step


@dataclass(frozen=True)
class StepPlan:
    """The steps of a graph in its order, and why further candidates are none."""

    steps: tuple[Step, ...]
    rejections: tuple[Rejection, ...]


class Matches:
    """All that matches in a graph, which must not change meanwhile. Steps are chosen from it."""

    def __init__(self, graph: Graph, constants: Constants | None) -> None:
        forms = find_forms(graph, constants)
        found = [_match_layer(node, forms, constants) for node in graph.nodes]
        self._rejections = [one for one in found if isinstance(one, Rejection)]
        layers = [
            one for one in found if isinstance(one, Step) and not _is_folded(one.anchor, constants)
        ]
        self._layers = fold_residuals(layers, forms, constants)
        self._unary = [
            step
            for node in forms
            if (step := match_unary(node, forms)) is not None and not _is_folded(node, constants)
        ]
        self._roundings = [
            step
            for node in graph.nodes
            if (step := match_rounding(node) or match_wide_grid(node)) is not None
        ]

    def plan(
        self,
        excluded: Collection[Node] = (),
        unfolded: Collection[Node] = (),
        rounds: bool = True,
    ) -> StepPlan:
        """The steps of most nodes.

        Of two that claim a node, the later one takes it: of two layers that are added, it takes
        the other's int8 result.

        Args:
            excluded: anchors that must not become steps.
            unfolded: anchors whose step must be its fallback.
            rounds: whether values are rounded for others than int8 layers.
        """
        anchors = {step.anchor for step in self._layers}
        taken = set(excluded)
        chosen: list[Step] = []
        for step in reversed(self._layers):
            is_unfolded = step.anchor in unfolded or not taken.isdisjoint(step.claims)
            if step.fallback is not None and is_unfolded:
                step = step.fallback
            if step.anchor not in taken:
                taken.update(anchors.intersection(step.claims))
                chosen.append(step)
        layers = [step for step in chosen if step.anchor not in taken]
        claimed = {node for step in layers for node in step.claims}.union(excluded)
        unary = [step for step in self._unary if step.anchor not in claimed]
        covered = {node for step in layers for node in step.nodes}.union(excluded)
        roundings = [
            step
            for step in self._roundings
            if rounds and step.anchor not in excluded and not covered.issuperset(step.anchor.users)
        ]
        steps = sorted([*layers, *unary, *roundings], key=lambda step: step.anchor)
        kept = (one for one in self._rejections if one.node not in covered)
        return StepPlan(tuple(steps), tuple(kept))


def _match_layer(
    node: Node, forms: dict[Node, Form], constants: Constants | None
) -> Step | Rejection | None:
    if (attention := match_attention(node, forms, constants)) is not None:
        return attention
    if (norm := match_rms_norm(node, forms, constants)) is not None:
        return norm
    if node.target in MAC_OPS:
        return match_mac(node, constants)
    if node.target == BATCH_NORM:
        return match_batch_norm(node, forms, constants)
    if node.target in ROW_NORMS:
        return match_norm(node, forms, constants)
    if node.target in POOL_OPS:
        return match_pooling(node, forms, constants)
    if node.target == PAD:
        return match_padding(node, forms, constants)
    return match_arithmetic(node, forms, constants)


def match_mac(node: Node, constants: Constants | None) -> Step | Rejection:
    """A linear or convolution as a step, or why it is none."""
    if node.target == CONVOLUTION:
        return match_quantized_convolution(node, constants)
    return match_quantized_linear(node, constants)


def _is_folded(node: Node, constants: Constants | None) -> bool:
    """True for what is computed while lowering, as PyTorch does it, and needs no int8 op."""
    return constants is not None and constants.is_constant(node)


def match_steps(graph: Graph, constants: Constants | None) -> StepPlan:
    """Every step of a graph that is rewritten whole."""
    return Matches(graph, constants).plan()


def rewrite_steps(constants: Constants, steps: Collection[Step]) -> None:
    """Put the int8 ops in place; dead nodes are left for dead code elimination.

    Raises:
        ValueError: where a constant's values are not at hand.
    """
    for step in steps:
        with standing_for(step.nodes):
            step.family.rewrite(constants, step.match)
