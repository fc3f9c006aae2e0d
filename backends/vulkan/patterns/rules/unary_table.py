"""Elementwise functions and moves of int8 values, and requantizing, as moves and exact tables.

int8 -> dequantize -> moves and elementwise ops -> quantize      becomes      moves, q8ta_table

A function of an int8 value has 256 results. They are computed ahead of time, with the ops of the
graph itself, so the table is exact. Without elementwise ops and with equal quantization parameters
the moves alone are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch.fx import Node

from ...custom_ops import INT8_MAX, INT8_MIN
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    DEQUANTIZE,
    PAD,
    QUANTIZE,
    SPLIT_OPS,
    QuantParams,
    is_alias,
    is_float32,
    static_quant_params,
)
from ..vocabulary.forms import Form, Source, moves, sources
from ..vocabulary.graph_edits import hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.moves import moves_elements
from ..vocabulary.step import Family, Step


@dataclass(frozen=True)
class UnaryMatch:
    """A float node with a form, and who reads it.

    Attributes:
        anchor: the node.
        form: what it is of int8 values.
        outputs: quantizes of it, those with equal parameters together.
        float_readers: other nodes that read it, which a table of float32 serves; empty for moves
            alone, for these can run in float.
    """

    anchor: Node
    form: Form
    outputs: tuple[tuple[QuantParams, tuple[Node, ...]], ...]
    float_readers: tuple[Node, ...]


def match_unary(node: Node, forms: Mapping[Node, Form]) -> Step | None:
    """`node` as a step, where it has a form and a reader that the step serves."""
    form = forms.get(node)
    if form is None or not is_float32(node):
        return None
    outputs: dict[QuantParams, list[Node]] = {}
    others: list[Node] = []
    for user in node.users:
        params = static_quant_params(user) if user.target == QUANTIZE else None
        if params is not None and params.int8_problem() is None:
            outputs.setdefault(params, []).append(user)
        elif user not in forms:
            others.append(user)
    readers = () if form.is_identity else tuple(others)
    if not outputs and not readers:
        return None
    grouped = tuple((params, tuple(users)) for params, users in outputs.items())
    return _step(UnaryMatch(node, form, grouped, readers))


def _step(match: UnaryMatch) -> Step:
    form = match.form
    quantizes = tuple(node for _, nodes in match.outputs for node in nodes)
    nodes = (*form.nodes, *quantizes)
    return Step(
        UNARY,
        match,
        anchor=match.anchor,
        nodes=nodes,
        reads=tuple(source.x for source in sources(form.tree)),
        outputs=(*quantizes, match.anchor) if match.float_readers else quantizes,
        float_only=tuple(node for node in form.nodes if not _can_run(node)),
        listed=tuple(node for node in nodes if node.target not in (QUANTIZE, DEQUANTIZE)),
        # It does more than a quantize, a dequantize or a view would.
        is_work=not form.is_identity or not all(map(is_alias, moves(form.tree))),
    )


def _can_run(node: Node) -> bool:
    """True for an op that our runtime runs by itself."""
    return node.target in (DEQUANTIZE, PAD, *SPLIT_OPS) or moves_elements(node)


def rewrite_unary(constants: Constants, match: UnaryMatch) -> None:
    """Put moves and tables in the place of the quantizes and of the float node."""
    for params, quantizes in match.outputs:
        builder = Int8Builder(constants, match.anchor)
        result = _int8_result(builder, match.form, params)
        hand_over(result, (), quantizes)
    if match.float_readers:
        builder = Int8Builder(constants, match.anchor)
        grid = match.form.params
        assert grid is not None
        result = builder.table(builder.tree(match.form.tree), grid, match.form.expression, None)
        match.anchor.replace_all_uses_with(
            result, delete_user_cb=lambda user: user in match.float_readers
        )


def _int8_result(builder: Int8Builder, form: Form, target: QuantParams) -> Node:
    grid = form.params
    if grid is not None:
        x = builder.tree(form.tree)
        if form.is_identity and _keeps_values(grid, target):
            return x
        return builder.table(x, grid, form.expression, target)

    def on_target(source: Source, x: Node) -> Node:
        if _keeps_values(source.params, target):
            return x
        return builder.table(x, source.params, form.expression, target)

    return builder.tree(form.tree, on_target)


def _keeps_values(source: QuantParams, target: QuantParams) -> bool:
    """True where quantizing a dequantized value gives it back; a narrower range would clamp."""
    return source.same_grid(target) and (target.quant_min, target.quant_max) == (
        INT8_MIN,
        INT8_MAX,
    )


UNARY = Family("unary", rewrite_unary)
