"""Softmax, layer and group norms that read int8, or whose result is quantized, as one op each.

int8 x -> dequantize -> (moves) -> norm -> (clamps, moves) -> quantize     becomes     q8ta_*_norm

Either side may be float32 instead. Where the result is quantized in several ways, there is one op
for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import (
    INT8_MAX,
    INT8_MIN,
    Q8TA_GROUP_NORM,
    Q8TA_LAYER_NORM,
    Q8TA_LOG_SOFTMAX,
    Q8TA_SOFTMAX,
)
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    GROUP_NORM,
    LAYER_NORM,
    LOG_SOFTMAX,
    SOFTMAX,
    first_result,
    is_contiguous,
    is_float32,
    named_argument,
    node_argument,
    tensor_of,
)
from ..vocabulary.forms import Form
from ..vocabulary.graph_edits import call_after, hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.rejection import NotInt8Error
from ..vocabulary.step import Family, Step
from .epilogue import Epilogue
from .int8_op import int8_step, read_operands, read_tails

Arguments = tuple[Argument, ...]


@dataclass(frozen=True)
class NormMatch:
    """A norm that reads or gives int8.

    Attributes:
        anchor: the op.
        result: the node that is its first result.
        reader: the op that reads x, as its first argument.
        form: what it reads, of int8 values; None: float32.
        tails: what follows, to quantizes; empty: its readers get float32.
        target, arguments: the op to call, and what it takes between the grids.
    """

    anchor: Node
    result: Node
    reader: Node
    form: Form | None
    tails: tuple[Epilogue, ...]
    target: Any
    arguments: Arguments


def match_norm(node: Node, forms: Mapping[Node, Form], constants: Constants | None) -> Step | None:
    """`node` as a step; None for other ops, and where it neither reads nor gives int8."""
    if node.target not in _NORMS:
        return None
    target, read_arguments = _NORMS[node.target]
    arguments, result, x = read_arguments(node), first_result(node), node_argument(node, 0)
    if arguments is None or result is None or not is_float32(x) or not is_contiguous(x):
        return None
    match = NormMatch(node, result, node, None, (), target, arguments)
    step = norm_step(NORM, match, forms, constants)
    return step if step.is_quantized else None


def norm_step(
    family: Family, match: NormMatch, forms: Mapping[Node, Form], constants: Constants | None
) -> Step:
    """The step of a norm, with what it reads and gives in int8 entered in its match; not quantized
    where that is nothing."""
    form = _form(match.reader, forms, constants)
    try:
        tails = read_tails(match.result, constants)
    except NotInt8Error:
        tails = ()
    results = () if match.result is match.anchor else (match.result,)
    match = replace(match, form=form, tails=tails)
    operands = () if form is None else (form,)
    step = int8_step(family, match, match.anchor, operands, tails, results)
    return replace(
        step,
        reads=step.reads if form is not None else (node_argument(match.reader, 0),),
        outputs=step.outputs if tails else (match.result,),
        is_quantized=form is not None or bool(tails),
    )


def _form(reader: Node, forms: Mapping[Node, Form], constants: Constants | None) -> Form | None:
    try:
        [form] = read_operands(reader.args[:1], forms, constants)
    except NotInt8Error:
        return None
    return form


def rewrite_norm(constants: Constants, match: NormMatch) -> None:
    """Put an op in the place of the result, or one for each tail in the place of its quantizes."""
    for tail in match.tails or (None,):
        builder = Int8Builder(constants, match.anchor)
        x: Arguments = (node_argument(match.reader, 0), None, 0)
        if match.form is not None:
            params = match.form.params
            assert params is not None
            x = (builder.tree(match.form.tree), params.scale, params.zero_point)
        y: Arguments = (None, 0, INT8_MIN, INT8_MAX)
        if tail is not None:
            y = (tail.params.scale, tail.params.zero_point, tail.quant_min, tail.quant_max)
        args = (*x, *match.arguments, *y)
        result = call_after(builder.place.graph, builder.place, match.target, args)
        if tail is None:
            match.result.replace_all_uses_with(result)
        else:
            hand_over(result, tail.moves, tail.quantizes)


def _softmax_arguments(node: Node) -> Arguments | None:
    _, dim, half_to_float = node.args
    return None if half_to_float else (dim,)


def _layer_norm_arguments(node: Node) -> Arguments | None:
    shape = named_argument(node, 1, "normalized_shape")
    weights = _weights(node, 2)
    if weights is None or not all(isinstance(size, int) for size in shape):
        return None
    return (list(shape), *weights, named_argument(node, 4, "eps"))


def _group_norm_arguments(node: Node) -> Arguments | None:
    weights = _weights(node, 1)
    if weights is None:
        return None
    return (named_argument(node, 6, "group"), *weights, named_argument(node, 7, "eps"))


def _weights(node: Node, index: int) -> Arguments | None:
    """Weight and bias, each None or a tensor as our kernels take it; None where they are not."""
    found = (named_argument(node, index, "weight"), named_argument(node, index + 1, "bias"))
    for one in found:
        tensor = tensor_of(one) if one is not None else None
        if one is not None and (
            tensor is None or tensor.dtype != torch.float32 or not is_contiguous(one)
        ):
            return None
    return found


_NORMS: Mapping[Any, tuple[Any, Callable[[Node], Arguments | None]]] = {
    SOFTMAX: (Q8TA_SOFTMAX, _softmax_arguments),
    LOG_SOFTMAX: (Q8TA_LOG_SOFTMAX, _softmax_arguments),
    LAYER_NORM: (Q8TA_LAYER_NORM, _layer_norm_arguments),
    GROUP_NORM: (Q8TA_GROUP_NORM, _group_norm_arguments),
}
ROW_NORMS = frozenset(_NORMS)
NORM = Family("norm", rewrite_norm)
