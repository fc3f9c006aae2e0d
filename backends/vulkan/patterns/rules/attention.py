"""Attention: the ops that scaled_dot_product_attention is decomposed to, and the same
written by hand.

    q, k -> bmm -> (scale) -> (mask) -> softmax -> (zeros for rows without a score) -> bmm with v

with views, expands and factors in between, becomes one et_vk.attention. Its operands are read, and
its result is written, through the permutes around it. `attention_operands.py` has those. Where q, k
and v are dequantized in front of it, or its result is quantized, it is et_vk.q8ta_attention.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import ATTENTION, INT8_MAX, INT8_MIN, Q8TA_ATTENTION
from ..vocabulary.constants import Constants, UnknownValueError, ops_behind
from ..vocabulary.edge_ops import (
    ADD,
    BMM,
    PERMUTE,
    is_alias,
    is_float32,
    largest_size,
    named_argument,
    node_argument,
    same_sizes,
    sizes_of,
)
from ..vocabulary.graph_edits import call_after, hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.rejection import NotInt8Error
from ..vocabulary.step import Family, Step
from .attention_operands import (
    Int8Operand,
    Operand,
    as_int8,
    factor_of,
    number_of,
    read_operand,
    without_views,
)
from .epilogue import Epilogue
from .int8_op import read_tails

_aten = exir_ops.edge.aten
_SOFTMAX = _aten._softmax.default
_WHERE = _aten.where.self
_NOT = _aten.logical_not.default
_MOST_SIZE = 256  # of the vectors of a head
_RANKS = (3, 4)


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


@dataclass(frozen=True)
class AttentionMatch:
    """All that the rewrite needs.

    Attributes:
        anchor: the second product.
        output: what the op gives: the product, or a view or permute of it.
        y_dims: from [batch, heads, rows, vector] to `output`.
        int8: q, k and v as int8 tensors; empty: they are read in float32.
        tail: what follows `output`, to its quantizes; None: its readers get float32.
    """

    anchor: Node
    q: Operand
    k: Operand
    v: Operand
    mask: Mask
    scale: float
    is_causal: bool
    zero_rows: bool
    output: Node
    y_dims: tuple[int, ...]
    int8: tuple[Int8Operand, ...]
    tail: Epilogue | None


@dataclass
class _Scores:
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


def match_attention(node: Node, constants: Constants | None) -> Step | None:
    """The step of which `node` is the second product, or None."""
    if node.target != BMM:
        return None
    weights, inner = without_views(node_argument(node, 0))
    softmax, safe = _behind_safe_softmax(weights)
    if softmax.target != _SOFTMAX or softmax.args[2]:
        return None
    rank = len(sizes_of(softmax))
    if rank not in _RANKS or softmax.args[1] not in (-1, rank - 1):
        return None
    scores = _follow_scores(node_argument(softmax, 0), constants)
    if scores is None:
        return None
    q = read_operand(scores.product, 0, rank, constants)
    k = read_operand(scores.product, 1, rank, constants).transposed()
    v = read_operand(node, 1, rank, constants)
    scale = scores.scale * q.factor * k.factor
    if v.factor != 1.0 or not _fits(sizes_of(softmax), q, k, v) or not math.isfinite(scale):
        return None
    output, y_dims, behind = _output(node, sizes_of(softmax)[:-1])
    internal = [scores.product, *scores.nodes, softmax, *safe, *inner]
    members = {*internal, node, *behind}
    if any(user not in members for one in internal for user in one.users):
        return None  # weights or scores are read by others, too
    if any(
        user not in members for one in (node, *behind) if one is not output for user in one.users
    ):
        return None
    mask, is_causal = scores.mask, False
    if _is_causal(mask, sizes_of(softmax), constants):
        assert mask.node is not None
        scores.constants += ops_behind([mask.node])
        mask, is_causal = Mask(), True
    match = AttentionMatch(
        *(node, q, k, v, mask, scale, is_causal, bool(safe), output, y_dims),
        *(_int8_operands(sizes_of(softmax), (q, k, v), constants), _tail(output, constants)),
    )
    return _step(match, internal, behind, scores.constants)


def _step(
    match: AttentionMatch, internal: Sequence[Node], behind: Sequence[Node], made: Sequence[Node]
) -> Step:
    operands = tuple(one.operand for one in match.int8) or (match.q, match.k, match.v)
    tail = match.tail
    constants = [*made, *(node for one in operands for node in one.constants)]
    moves = [node for one in operands for node in one.nodes]
    nodes = dict.fromkeys((*constants, *moves, *internal, match.anchor, *behind))
    nodes |= dict.fromkeys(one.source.dequantize for one in match.int8)
    if tail is not None:
        nodes |= dict.fromkeys((*tail.absorbed, *tail.quantizes))
    reads = [one.source.x for one in match.int8] or [one.node for one in operands]
    if match.mask.node is not None:
        reads.append(match.mask.node)
    return Step(
        ATTENTION_STEP,
        match,
        anchor=match.anchor,
        nodes=tuple(sorted(nodes)),
        reads=tuple(reads),
        outputs=(match.output,) if tail is None else tail.quantizes,
        float_only=tuple(internal),
        listed=tuple(node for node in internal if node.target in (BMM, _SOFTMAX)),
        claims=(*internal, *(tail.absorbed if tail is not None else ())),
        constants=tuple(dict.fromkeys(constants)),
    )


# ---- Between the products.


def _behind_safe_softmax(weights: Node) -> tuple[Node, list[Node]]:
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
        softmax.target == _SOFTMAX
        and compared is softmax.args[0]
        and equal.args[1] == -math.inf
        and any_op.args[1] in (-1, len(sizes_of(compared)) - 1)
        and named_argument(any_op, 2, "keepdim") is True
        and number_of(zeros, None) == 0
    )
    if not is_safe:
        return weights, []
    return softmax, [*passed, zeros]


def _follow_scores(node: Node, constants: Constants | None) -> _Scores | None:
    """From what the softmax reads back to the product that it is made of."""
    found = _Scores(node)
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


def _is_causal(mask: Mask, sizes: Sequence[int], constants: Constants | None) -> bool:
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


# ---- Operands and result.


def _fits(scores: Sequence[int], q: Operand, k: Operand, v: Operand) -> bool:
    """Whether the operands are what the op takes for scores of these sizes."""
    if not all(map(is_float32, (q.node, k.node, v.node))):
        return False
    *batch, rows, positions = scores
    q_sizes, k_sizes, v_sizes = q.sizes, k.sizes, v.sizes
    if not same_sizes(q_sizes[:-1], [*batch, rows]) or len(k_sizes) != len(scores):
        return False
    if not same_sizes(k_sizes[:-1], v_sizes[:-1]) or not same_sizes(k_sizes[-2:-1], [positions]):
        return False
    if not same_sizes(q_sizes[-1:], k_sizes[-1:]):
        return False
    if max(map(largest_size, (q_sizes[-1], v_sizes[-1]))) > _MOST_SIZE:
        return False
    # What is in front of the heads, and the heads in groups.
    *outer, heads = batch
    *k_outer, groups = k_sizes[:-2]
    return all(
        same_sizes([size], [1]) or same_sizes([size], [wanted])
        for size, wanted in zip(k_outer, outer, strict=True)
    ) and (
        same_sizes([groups], [heads])
        or (isinstance(heads, int) and isinstance(groups, int) and heads % groups == 0)
    )


def _int8_operands(
    scores: Sequence[int], operands: Sequence[Operand], constants: Constants | None
) -> tuple[Int8Operand, ...]:
    """q, k and v as int8 tensors, each from as far back as all fit; none where one is float."""
    for through_moves in (True, False):
        found = [as_int8(one, len(scores), constants, through_moves) for one in operands]
        int8 = tuple(one for one in found if one is not None)
        if len(int8) == len(operands) and _fits(scores, *(one.operand for one in int8)):
            return int8
    return ()


def _tail(output: Node, constants: Constants | None) -> Epilogue | None:
    """What follows, if all of it is one quantized result: two would be computed twice."""
    try:
        tails = read_tails(output, constants)
    except NotInt8Error:
        return None
    return tails[0] if len(tails) == 1 else None


def _output(product: Node, sizes: Sequence[int]) -> tuple[Node, tuple[int, ...], list[Node]]:
    """What the op gives, its dimensions by those of [..., rows, vector], and the nodes up to it.

    `sizes` are the leading ones of the scores: those that the product is viewed as, if it is.
    """
    rank = len(sizes) + 1
    order = tuple(range(rank))
    best: tuple[Node, tuple[int, ...], list[Node]] | None = None
    node, passed = product, list[Node]()
    viewed = len(sizes_of(product)) == rank
    if viewed:
        best = product, order, []
    while len(node.users) == 1:
        node = next(iter(node.users))
        if not viewed and is_alias(node) and len(sizes_of(node)) == rank:
            if not same_sizes(sizes_of(node)[:-1], sizes):
                break
            viewed = True
        elif viewed and node.target == PERMUTE:
            dims = [dim % rank for dim in named_argument(node, 1, "dims")]
            order = tuple(order[dim] for dim in dims)
        elif not (is_alias(node) and same_sizes(sizes_of(node), sizes_of(node_argument(node, 0)))):
            break
        passed.append(node)
        if viewed and order[-1] == rank - 1:
            best = node, order, list(passed)
    # The product alone has other dimensions than the op's result; a view of it is always there.
    return best if best is not None else (product, (), [])


def rewrite_attention(constants: Constants, match: AttentionMatch) -> None:
    mask, tail = match.mask, match.tail
    operands = tuple(one.operand for one in match.int8) or (match.q, match.k, match.v)
    how: tuple[Argument, ...] = (
        *(mask.node, mask.kind, match.scale, mask.fill, match.is_causal, match.zero_rows),
        *(*(list(one.dims) for one in operands), list(match.y_dims)),
    )
    if not match.int8 and tail is None:
        floats = (*(one.node for one in operands), *how)
        attention = call_after(match.anchor.graph, match.anchor, ATTENTION, floats)
        match.output.replace_all_uses_with(attention)
        return
    builder = Int8Builder(constants, match.anchor)
    given: list[Argument] = []
    for one in match.int8:
        params = one.source.params
        given += [builder.tree(one.source), params.scale, params.zero_point]
    for own in () if match.int8 else operands:
        given += [own.node, None, 0]
    y: tuple[Argument, ...] = (None, 0, INT8_MIN, INT8_MAX)
    if tail is not None:
        y = (tail.params.scale, tail.params.zero_point, tail.quant_min, tail.quant_max)
    args = (*given, *how, *y)
    attention = call_after(match.anchor.graph, builder.place, Q8TA_ATTENTION, args)
    if tail is None:
        match.output.replace_all_uses_with(attention)
    else:
        hand_over(attention, tail.moves, tail.quantizes)


ATTENTION_STEP = Family("attention", rewrite_attention)
