"""Attention: the ops that scaled_dot_product_attention is decomposed to, and the same
written by hand.

    q, k -> bmm -> (scale) -> (mask) -> softmax -> (zeros for rows without a score) -> bmm with v

with views, expands and factors in between (`attention_scores.py`), becomes one et_vk.attention. Its
operands are read, and its result is written, through the permutes around it
(`attention_reader.py`). Where q, k and v are of int8 values, behind whatever moves, or its result
is quantized, it is et_vk.q8ta_attention.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import ATTENTION, INT8_MAX, INT8_MIN, Q8TA_ATTENTION
from ..vocabulary.constants import Constants, ops_behind
from ..vocabulary.edge_ops import (
    BMM,
    PERMUTE,
    SOFTMAX,
    is_alias,
    named_argument,
    node_argument,
    same_sizes,
    sizes_of,
)
from ..vocabulary.forms import Form, sources
from ..vocabulary.graph_edits import call_after, hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.rejection import NotInt8Error
from ..vocabulary.step import Family, Step
from .attention_operands import Operands, read_operands
from .attention_reader import without_views
from .attention_scores import Mask, behind_safe_softmax, follow_scores, is_causal
from .epilogue import Epilogue
from .int8_op import read_tails

_RANKS = (3, 4)


@dataclass(frozen=True)
class AttentionMatch:
    """All that the rewrite needs.

    Attributes:
        anchor: the second product.
        output: what the op gives: the product, or a view or permute of it.
        y_dims: from [batch, heads, rows, vector] to `output`.
        tail: what follows `output`, to its quantizes; None: its readers get float32.
    """

    anchor: Node
    operands: Operands
    mask: Mask
    scale: float
    is_causal: bool
    zero_rows: bool
    output: Node
    y_dims: tuple[int, ...]
    tail: Epilogue | None


def match_attention(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> Step | None:
    """The step of which `node` is the second product, or None."""
    if node.target != BMM:
        return None
    weights, inner = without_views(node_argument(node, 0))
    softmax, safe = behind_safe_softmax(weights)
    if softmax.target != SOFTMAX or softmax.args[2]:
        return None
    rank = len(sizes_of(softmax))
    if rank not in _RANKS or softmax.args[1] not in (-1, rank - 1):
        return None
    scores = follow_scores(node_argument(softmax, 0), constants)
    if scores is None:
        return None
    operands = read_operands(scores.product, node, sizes_of(softmax), forms, constants)
    if operands is None or not math.isfinite(scale := scores.scale * operands.factor):
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
    mask, causal = scores.mask, False
    if is_causal(mask, sizes_of(softmax), constants):
        assert mask.node is not None
        scores.constants += ops_behind([mask.node])
        mask, causal = Mask(), True
    tail = _tail(output, constants)
    match = AttentionMatch(node, operands, mask, scale, causal, bool(safe), output, y_dims, tail)
    return _step(match, internal, behind, scores.constants)


def _step(
    match: AttentionMatch, internal: Sequence[Node], behind: Sequence[Node], made: Sequence[Node]
) -> Step:
    operands, tail = match.operands, match.tail
    constants = [*made, *(node for one in operands.read for node in one.constants)]
    moves = [node for one in operands.read for node in one.nodes]
    moves += [node for form in operands.forms for node in form.nodes]
    nodes = dict.fromkeys((*constants, *moves, *internal, match.anchor, *behind))
    if tail is not None:
        nodes |= dict.fromkeys((*tail.absorbed, *tail.quantizes))
    reads = [source.x for form in operands.forms for source in sources(form.tree)]
    reads = reads or [one.node for one in operands.read]
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
        listed=tuple(node for node in internal if node.target in (BMM, SOFTMAX)),
        claims=(*internal, *(tail.absorbed if tail is not None else ())),
        constants=tuple(dict.fromkeys(constants)),
    )


# ---- Result.


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
    read, forms = match.operands.read, match.operands.forms
    how: tuple[Argument, ...] = (
        *(mask.node, mask.kind, match.scale, mask.fill, match.is_causal, match.zero_rows),
        *(*(list(one.dims) for one in read), list(match.y_dims)),
    )
    if not forms and tail is None:
        floats = (*(one.node for one in read), *how)
        attention = call_after(match.anchor.graph, match.anchor, ATTENTION, floats)
        match.output.replace_all_uses_with(attention)
        return
    builder = Int8Builder(constants, match.anchor)
    given: list[Argument] = []
    for form in forms:
        params = form.params
        assert params is not None
        given += [builder.tree(form.tree), params.scale, params.zero_point]
    for own in () if forms else read:
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
