"""The int8 steps of a graph: one list of families, matched together and rewritten together.

A step is a value: what it replaces, what it reads and gives, and all that its rewrite needs. What
matches can be rewritten. The partitioner and the rewriting both ask `match_steps`, so they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from torch.fx import Graph, Node

from .quantized_linear import QuantizedLinearMatch, match_quantized_linear
from .rules.arithmetic import ArithmeticMatch, match_arithmetic, rewrite_arithmetic
from .rules.linear_rewrite import rewrite_quantized_linear
from .rules.residual import ResidualMatch, fold_residuals, rewrite_residual
from .rules.unary_table import UnaryMatch, match_unary, rewrite_unary
from .vocabulary.constants import Constants
from .vocabulary.edge_ops import LINEAR_OPS
from .vocabulary.forms import find_forms
from .vocabulary.graph_edits import standing_for
from .vocabulary.rejection import Rejection


class Step(Protocol):
    """What the partitioner asks of a match; each is a frozen dataclass."""

    @property
    def anchor_node(self) -> Node:
        """The node that the step is named by."""

    @property
    def inner_nodes(self) -> tuple[Node, ...]:
        """Every operator that takes part; they go into one delegate."""

    @property
    def input_nodes(self) -> list[Node]: ...

    @property
    def output_nodes(self) -> list[Node]:
        """Nodes that the rewrite replaces for their readers."""

    @property
    def computing_nodes(self) -> tuple[Node, ...]:
        """Inner nodes that our runtime can't run as they are: only steps may read them."""

    @property
    def absorbed(self) -> tuple[Node, ...]:
        """Inner nodes that are no steps of their own any more."""

    @property
    def is_work(self) -> bool:
        """The step alone is worth a delegate."""

    @property
    def runs_on_stock(self) -> bool:
        """ExecuTorch's own Vulkan runtime can run the result as well."""


Rewrite = Callable[[Constants, Any], None]

# The one list of step families and what makes int8 ops of them.
REWRITES: dict[type, Rewrite] = {
    QuantizedLinearMatch: rewrite_quantized_linear,
    ArithmeticMatch: rewrite_arithmetic,
    ResidualMatch: rewrite_residual,
    UnaryMatch: rewrite_unary,
}


@dataclass(frozen=True)
class StepPlan:
    """The steps of a graph in its order, and why further candidates are none."""

    steps: tuple[Step, ...]
    rejections: tuple[Rejection, ...]


def match_steps(
    graph: Graph,
    constants: Constants | None,
    excluded: Collection[Node] = (),
    unfolded: Collection[Node] = (),
) -> StepPlan:
    """Find every step.

    Args:
        excluded: anchors that must not become steps.
        unfolded: linears that must not take the add behind them.
    """
    forms = find_forms(graph, constants)
    layers: list[Any] = []
    rejections: list[Rejection] = []
    for node in graph.nodes:
        if node in excluded:
            continue
        found: Any = None
        if node.target in LINEAR_OPS:
            found = match_quantized_linear(node, constants)
        else:
            found = match_arithmetic(node, forms, constants)
        if isinstance(found, Rejection):
            rejections.append(found)
        elif found is not None:
            layers.append(found)
    layers = fold_residuals(layers, forms, constants, excluded, unfolded)
    absorbed = {node for step in layers for node in step.absorbed}
    unary = [
        step
        for node in graph.nodes
        if node not in excluded
        and node not in absorbed
        and (step := match_unary(node, forms)) is not None
    ]
    covered = {node for step in layers for node in step.inner_nodes}
    steps = sorted([*layers, *unary], key=lambda step: step.anchor_node)
    kept = (rejection for rejection in rejections if rejection.node not in covered)
    return StepPlan(tuple(steps), tuple(kept))


def rewrite_steps(constants: Constants, steps: Collection[Step]) -> None:
    """Put the int8 ops in place; dead nodes are left for dead code elimination.

    Raises:
        ValueError: where a constant's values are not at hand.
    """
    for step in steps:
        with standing_for(step.inner_nodes):
            REWRITES[type(step)](constants, step)
