"""Between the products of attention: the softmax, scales and masks, followed back to the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node

from ..vocabulary.constants import Constants, UnknownValueError, ops_behind
from ..vocabulary.edge_ops import (
    ADD,
    BMM,
    SOFTMAX,
    is_float32,
    named_argument,
    node_argument,
    same_sizes,
    sizes_of,
)
from ..vocabulary.numbers import factor_of, number_of
from .attention_reader import without_views

_aten = exir_ops.edge.aten
_WHERE = _aten.where.self
_NOT = _aten.logical_not.default


@dataclass(frozen=True)
class Mask:
    """What is done to scores: added to them, or a number instead of them where it is true or false.

    Attributes:
        kind: as et_vk.attention calls it.
        reader, index: the op that reads the mask, and as which argument; None where there is none.
        fill: the number.
    """

    kind: str = "none"
    reader: Node | None = None
    index: int = 0
    fill: float = 0.0

    @property
    def node(self) -> Node | None:
        return None if self.reader is None else node_argument(self.reader, self.index)


@dataclass
class Scores:
    """What the softmax reads, followed back to the first product.

    Attributes:
        product: that one.
        nodes: what was passed, but for the product.
        constants: what computes numbers and masks that vanish.
    """

    product: Node
    scale: float = 1.0
    mask: Mask = field(default_factory=Mask)
    nodes: list[Node] = field(default_factory=list)
    constants: list[Node] = field(default_factory=list)


def behind_safe_softmax(weights: Node) -> tuple[Node, list[Node]]:
    """The softmax, and the ops that give zeros for rows all of whose scores are -infinity.

    where(not any(not (scores == -inf)), 0, softmax(scores))
    """
    if weights.target != _WHERE:
        return weights, []
    is_empty, zeros, softmax = (node_argument(weights, index) for index in range(3))
    passed = [weights, is_empty]
    for target in (_NOT, _aten.any.dim, _NOT, _aten.eq.Scalar):
        if passed[-1].target != target:
            return weights, []
        passed.append(node_argument(passed[-1], 0))
    compared = passed.pop()
    any_op, equal = passed[2], passed[4]
    is_safe = (
        softmax.target == SOFTMAX
        and compared is softmax.args[0]
        and equal.args[1] == -math.inf
        and any_op.args[1] in (-1, len(sizes_of(compared)) - 1)
        and named_argument(any_op, 2, "keepdim") is True
        and number_of(zeros, None) == 0
    )
    if not is_safe:
        return weights, []
    return softmax, [*passed, zeros]


def follow_scores(node: Node, constants: Constants | None) -> Scores | None:
    """From what the softmax reads back to the product that it is made of."""
    found = Scores(node)
    while True:
        node, passed = without_views(node)
        found.nodes += passed
        if node.target == BMM:
            found.product = node
            return found
        if not is_float32(node):
            return None
        if (scaled := factor_of(node, constants)) is not None:
            index, factor, made = scaled
            found.scale *= factor
            found.constants += made
        elif found.mask.kind == "none" and found.scale == 1.0:
            masked = _mask_of(node, constants)
            if masked is None:
                return None
            index, found.mask, made, absorbed = masked
            found.constants += made
            found.nodes += absorbed
        else:
            return None
        found.nodes.append(node)
        node = node_argument(node, index)


_Masked = tuple[int, Mask, list[Node], list[Node]]


def _mask_of(node: Node, constants: Constants | None) -> _Masked | None:
    """Of an add or where: the argument that scores are, the mask, what computes its number, and ops
    that vanish."""
    if node.target == ADD and named_argument(node, 2, "alpha", 1) == 1:
        return _added_mask(node, constants)
    if node.target != _WHERE:
        return None
    for index, kind in ((1, "fill_false"), (2, "fill_true")):
        scores, other = node_argument(node, index), node_argument(node, 3 - index)
        fill = number_of(other, constants)
        if (
            fill is None
            or not _leads_to_product(scores, constants)
            or not _keeps_sizes(node, scores)
        ):
            continue
        return index, Mask(kind, node, 0, fill), ops_behind([other]), []
    return None


def _added_mask(node: Node, constants: Constants | None) -> _Masked | None:
    for index in (0, 1):
        scores, mask = node.args[index], node.args[1 - index]
        if not isinstance(scores, Node) or not isinstance(mask, Node):
            return None
        if not _leads_to_product(scores, constants) or not _keeps_sizes(node, scores):
            continue
        if not is_float32(mask):
            return None
        if (chosen := _chosen_mask(mask, constants)) is not None and len(mask.users) == 1:
            return index, chosen[0], chosen[1], [mask]
        return index, Mask("add", node, 1 - index), [], []
    return None


def _chosen_mask(mask: Node, constants: Constants | None) -> tuple[Mask, list[Node]] | None:
    """Of where(mask, 0, -inf), that mask: scores to which -infinity is added are that."""
    if mask.target != _WHERE:
        return None
    numbers = tuple(number_of(node_argument(mask, index), constants) for index in (1, 2))
    kinds = {(0.0, -math.inf): "fill_false", (-math.inf, 0.0): "fill_true"}
    if numbers not in kinds:
        return None
    made = ops_behind([node_argument(mask, 1), node_argument(mask, 2)])
    return Mask(kinds[numbers], mask, 0, -math.inf), made


def _leads_to_product(node: Node, constants: Constants | None) -> bool:
    while True:
        node = without_views(node)[0]
        if node.target == BMM:
            return True
        scaled = factor_of(node, constants)
        if scaled is None:
            return False
        node = node_argument(node, scaled[0])


def _keeps_sizes(node: Node, operand: Node) -> bool:
    return same_sizes(sizes_of(node), sizes_of(operand))


def is_causal(mask: Mask, sizes: Sequence[int], constants: Constants | None) -> bool:
    """True for a constant mask that only keeps row l from the positions behind l."""
    rows, positions = sizes[-2:]
    node = mask.node
    if node is None or constants is None or not constants.is_constant(node):
        return False
    if not isinstance(rows, int) or not isinstance(positions, int):
        return False
    if math.prod(sizes_of(node)) != rows * positions:
        return False
    try:
        value = constants.value(node).reshape(rows, positions)
    except UnknownValueError:
        return False
    later = torch.ones(rows, positions, dtype=torch.bool).triu(1)
    if mask.kind == "add":
        return torch.equal(value, torch.zeros(rows, positions).masked_fill(later, -math.inf))
    is_filled = value if mask.kind == "fill_true" else ~value
    return mask.fill == -math.inf and torch.equal(is_filled, later)
