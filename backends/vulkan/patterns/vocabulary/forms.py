"""Float tensors that are int8 tensors seen through a dequantize, a move and a function.

A form says what a float node is of int8 values: which ones (a tree of moves: views, permutes,
slices, concatenations, pads) and which elementwise function of their real values. Moves and
elementwise functions commute, so any mixture of them has a form; on int8 it becomes the moves and
one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch.fx import Graph, Node
from torch.fx.node import map_arg

from ...custom_ops import INT8_MAX, INT8_MIN
from .constants import Constants, UnknownValueError
from .edge_ops import (
    CAT,
    PAD,
    QUANTIZE,
    QuantParams,
    activation_dequantize_params,
    is_contiguous,
    is_float32,
    is_part,
    named_argument,
    node_argument,
    static_quant_params,
    tensor_of,
)
from .expressions import INPUT, Expression, apply_pointwise, constant_ops, is_pointwise, is_uniform
from .moves import moved_inputs, moves_elements
from .table_values import table_values


@dataclass(frozen=True)
class Source:
    """The int8 tensor `x`.

    Attributes:
        dequantize: through it `x` is found again after other rewrites have replaced it.
    """

    x: Node
    params: QuantParams
    dequantize: Node = field(compare=False)


@dataclass(frozen=True)
class Moved:
    """An op that only moves elements, on trees. Two equal ops on equal trees are equal.

    Attributes:
        key: what the op does, apart from its tensors.
        op: the node in the float graph, to be redone on int8.
        fill: of a pad, its number as the int8 value that stands for it; None of other ops.
    """

    key: tuple[Any, ...]
    inputs: tuple[Tree, ...]
    op: Node = field(compare=False)
    fill: int | None = None


Tree: TypeAlias = "Source | Moved"


@dataclass(frozen=True)
class Form:
    """What a float32 node is.

    Attributes:
        tree: its int8 values.
        expression: the function of their real values.
        nodes: the nodes passed, from the dequantizes on, in graph order, the node included.
    """

    tree: Tree
    expression: Expression
    nodes: tuple[Node, ...]

    @property
    def is_identity(self) -> bool:
        return self.expression is INPUT

    @property
    def params(self) -> QuantParams | None:
        """The grid of the int8 values, or None where they are on several."""
        first, *others = sources(self.tree)
        return first.params if all(first.params.same_grid(o.params) for o in others) else None


def sources(tree: Tree) -> Iterator[Source]:
    """The int8 tensors of a tree, in order."""
    if isinstance(tree, Source):
        yield tree
    else:
        for one in tree.inputs:
            yield from sources(one)


def moves(tree: Tree) -> Iterator[Node]:
    """The ops of a tree."""
    if isinstance(tree, Moved):
        for one in tree.inputs:
            yield from moves(one)
        yield tree.op


def is_rounded_again(node: Node, forms: Mapping[Node, Form]) -> bool:
    """True for a dequantize of a quantize that gives back what it is given: int8 values that are
    on this grid already, none of which it clamps."""
    form = forms.get(node)
    if form is None or not isinstance(form.tree, Source) or node is not form.tree.dequantize:
        return False
    quantize, params = form.tree.x, form.tree.params
    if quantize.target != QUANTIZE or static_quant_params(quantize) != params:
        return False
    before = forms.get(node_argument(quantize, 0))
    if before is None or not before.is_identity:
        return False
    is_full = (params.quant_min, params.quant_max) == (INT8_MIN, INT8_MAX)
    return all(
        params.same_grid(one.params) and (is_full or static_quant_params(one.x) == params)
        for one in sources(before.tree)
    )


def find_forms(graph: Graph, constants: Constants | None) -> dict[Node, Form]:
    """The form of every float node that has one. Those of bool and others are inside of them."""
    forms: dict[Node, Form] = {}
    for node in graph.nodes:
        form = _form(node, forms, constants)
        if form is not None:
            forms[node] = form
    return forms


def _form(node: Node, forms: dict[Node, Form], constants: Constants | None) -> Form | None:
    if node.op != "call_function":
        return None
    params = activation_dequantize_params(node)
    if params is not None:
        x = node_argument(node, 0)
        tensor = tensor_of(x)
        usable = tensor is not None and tensor.dtype == torch.int8 and is_contiguous(x)
        if not usable or not is_float32(node) or params.int8_problem():
            return None
        return Form(Source(x, params, node), INPUT, (node,))
    if moves_elements(node):
        return _moved(node, forms)
    if node.target == PAD:
        return _padded(node, forms, constants)
    return _computed(node, forms, constants) if is_pointwise(node) else None


def _moved(node: Node, forms: dict[Node, Form]) -> Form | None:
    inputs = moved_inputs(node)
    if any(one not in forms for one in inputs) or not inputs:
        return None
    found = [forms[one] for one in inputs]
    if len(found) > 1 and not all(form.is_identity for form in found):
        return None
    split = (node_argument(node, 0),) if is_part(node) else ()
    tree = Moved(_key(node), tuple(form.tree for form in found), node)
    nodes = _in_order([*(n for form in found for n in form.nodes), *split, node])
    return Form(tree, found[0].expression, nodes)


def _padded(node: Node, forms: dict[Node, Form], constants: Constants | None) -> Form | None:
    """A pad, where one of the int8 values stands for its number, as 0 always has one to."""
    form, value = forms.get(node_argument(node, 0)), named_argument(node, 2, "value", 0)
    if form is None or form.params is None or not isinstance(value, (int, float)):
        return None
    try:
        values = table_values(form.expression, form.params, None, constants)
    except UnknownValueError:
        return None
    found = torch.nonzero(values == torch.tensor(float(value))).flatten()
    if found.numel() == 0 or not is_contiguous(node):
        return None
    tree = Moved(_key(node), (form.tree,), node, int(found[0]) + INT8_MIN)
    return Form(tree, form.expression, _in_order([*form.nodes, node]))


def _computed(node: Node, forms: dict[Node, Form], constants: Constants | None) -> Form | None:
    found = {
        source: forms[source]
        for source in node.all_input_nodes
        if source in forms and not is_uniform(source, constants)
    }
    trees = {form.tree for form in found.values()}
    if len(trees) != 1:
        return None
    operands = {source: form.expression for source, form in found.items()}
    applied = apply_pointwise(node, operands, constants)
    if applied is None:
        return None
    passed = [n for form in found.values() for n in form.nodes]
    nodes = _in_order([*passed, *constant_ops(node, found), node])
    form = Form(trees.pop(), applied, nodes)
    # Several grids make several functions of the int8 values.
    return None if form.params is None else form


def _key(node: Node) -> tuple[Any, ...]:
    """Target and arguments of a move, tensors left out."""
    tensors = set(moved_inputs(node))
    if is_part(node):
        split = node_argument(node, 0)
        return (split.target, _freeze(split.args[1:]), _freeze(split.kwargs), node.args[1])
    args = () if node.target == CAT else node.args
    rest = map_arg(args, lambda n: None if n in tensors else n)
    axis = node.args[1:] if node.target == CAT else ()
    return (node.target, _freeze(rest), _freeze(axis), _freeze(node.kwargs))


def _freeze(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_freeze, value))
    if isinstance(value, dict):
        return tuple((key, _freeze(item)) for key, item in sorted(value.items()))
    return value


def _in_order(nodes: list[Node]) -> tuple[Node, ...]:
    return tuple(sorted(dict.fromkeys(nodes)))
