"""Batch norm with fixed statistics, which no int8 layer has taken in: a shift and a scale.

int8 x -> dequantize -> batch norm -> (clamps, moves) -> quantize   becomes   q8ta_channel_affine
float32 x -> batch norm                                             becomes   channel_affine
convolution in float32 -> batch norm                                becomes   one convolution
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import CHANNEL_AFFINE, Q8TA_CHANNEL_AFFINE
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    CONVOLUTION,
    float_problem,
    is_contiguous,
    is_float32,
    named_argument,
    node_argument,
    sizes_of,
    tensor_of,
)
from ..vocabulary.forms import Form
from ..vocabulary.graph_edits import call_after, hand_over, standing_for
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.rejection import NotInt8Error, Rejection
from ..vocabulary.step import Family, Step
from .epilogue import Epilogue
from .int8_op import int8_step, read_operands, read_tails

# Of the op's arguments: the tensors by channel, and what each is where it is None.
_BY_CHANNEL = (
    (1, "weight", 1.0),
    (2, "bias", 0.0),
    (3, "running_mean", 0.0),
    (4, "running_var", 1),
)
_LEAST_NORMAL = 2.0**-126


@dataclass(frozen=True)
class BatchNormMatch:
    """A batch norm of which only the first result is read.

    Attributes:
        anchor: the op.
        result: its first result.
        form: what it reads, of int8 values; None: in float32.
        tails: what follows, to quantizes; empty: its readers get float32.
    """

    anchor: Node
    result: Node
    form: Form | None
    tails: tuple[Epilogue, ...]


def match_batch_norm(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> Step | Rejection | None:
    """`node` as a step in int8 or float32; None where nothing reads it."""
    if problem := _problem(node, constants):
        return Rejection(node, problem)
    results = [user for user in node.users if user.users]
    if not results:
        return None
    if len(results) > 1 or results[0].args[1] != 0:
        return Rejection(node, "its saved statistics are read; use its result alone")
    [result] = results
    in_float = _float_step(node, result)
    try:
        [form] = read_operands(node.args[:1], forms, constants)
        tails = read_tails(result, constants)
    except NotInt8Error:
        return in_float
    match = BatchNormMatch(node, result, form, tails)
    step = int8_step(BATCH_NORM_FAMILY, match, node, (form,), tails, (result,))
    return replace(step, fallback=in_float)


def _problem(node: Node, constants: Constants | None) -> str | None:
    x = node_argument(node, 0)
    if not is_float32(x):
        return float_problem(x) or "its input is not float32"
    if not is_contiguous(x):
        return "its input is not contiguous; call contiguous() before it"
    channels = sizes_of(x)[1]
    if not isinstance(channels, int):
        return "its channels are dynamic; give it a fixed number of them"
    for index, name, _ in _BY_CHANNEL:
        argument = named_argument(node, index, name)
        if argument is None:
            continue
        tensor = tensor_of(argument)
        if constants is None or not constants.is_constant(argument) or tensor is None:
            return f"its {name} is computed at run time; make it a parameter or buffer"
        if tensor.dtype != torch.float32 or tuple(tensor.shape) != (channels,):
            return f"its {name} is {tensor.dtype} {tuple(tensor.shape)}, not float32 ({channels},)"
    if not all(user.target is operator.getitem for user in node.users):
        return "its results are not read one by one"
    return None


def _float_step(node: Node, result: Node) -> Step:
    return Step(
        BATCH_NORM_FAMILY,
        BatchNormMatch(node, result, None, ()),
        anchor=node,
        nodes=(node, result),
        reads=(node_argument(node, 0),),
        outputs=(result,),
        float_only=(node,),
        listed=(node,),
        is_quantized=False,
    )


def rewrite_batch_norm(constants: Constants, match: BatchNormMatch) -> None:
    """Put the op in the place of the result, or one for each tail in the place of its quantizes."""
    node = match.anchor
    if match.form is None:
        x = node_argument(node, 0)
        if x.target == CONVOLUTION and len(x.users) == 1:
            match.result.replace_all_uses_with(_folded(constants, x, node))
            return
        placeholders = _placeholders(constants, node, _float_arrays(constants, node))
        match.result.replace_all_uses_with(
            call_after(node.graph, node, CHANNEL_AFFINE, (x, *placeholders))
        )
        return
    placeholders = _placeholders(constants, node, _int8_arrays(constants, node, match.form))
    for tail in match.tails:
        builder = Int8Builder(constants, node)
        x = builder.tree(match.form.tree)
        output = (tail.params.scale, tail.params.zero_point, tail.quant_min, tail.quant_max)
        args: tuple[Argument, ...] = (x, *placeholders, *output)
        result = call_after(node.graph, builder.place, Q8TA_CHANNEL_AFFINE, args)
        hand_over(result, tail.moves, tail.quantizes)


def _folded(constants: Constants, convolution: Node, norm: Node) -> Node:
    """The convolution of which the norm reads the result, with weight and bias that do both."""
    mean, scale, shift = _parameters(constants, norm)
    x, weight, bias, *window = convolution.args
    assert isinstance(weight, Node)
    shift = shift - mean * scale
    if isinstance(bias, Node):
        shift = shift + constants.value(bias).to(torch.float64) * scale
    values = constants.value(weight).to(torch.float64)
    transposed, groups = window[3], window[5]
    assert isinstance(groups, int)
    # Of a transposed one, the weight has the channels of one group, for each channel of x.
    factors = scale.view(groups, 1, -1) if transposed else scale.view(groups, -1, 1)
    rows = values.reshape(groups, -1, values.shape[1], values[0, 0].numel())
    scaled = _rounded((rows * factors[..., None]).reshape(values.shape))
    added = [
        constants.add(norm.graph, "convolution", one, weight) for one in (scaled, _rounded(shift))
    ]
    with standing_for((convolution, norm)):
        return call_after(norm.graph, norm, CONVOLUTION, (x, *added, *window))


def _placeholders(
    constants: Constants, node: Node, arrays: tuple[torch.Tensor, ...]
) -> tuple[Node, ...]:
    source = named_argument(node, 4, "running_var")
    return tuple(constants.add(node.graph, "channel_affine", one, source) for one in arrays)


def _float_arrays(constants: Constants, node: Node) -> tuple[torch.Tensor, ...]:
    """Centers, scales and shifts of a float32 input."""
    mean, scale, bias = _parameters(constants, node)
    return _rounded(mean), _rounded(scale), _rounded(bias)


def _int8_arrays(constants: Constants, node: Node, form: Form) -> tuple[torch.Tensor, ...]:
    """The same of int8 values: distances to their zero point are exact."""
    assert form.params is not None
    mean, scale, bias = _parameters(constants, node)
    centers = torch.full_like(mean, form.params.zero_point)
    return _rounded(centers), _rounded(scale * form.params.scale), _rounded(bias - mean * scale)


def _parameters(constants: Constants, node: Node) -> tuple[torch.Tensor, ...]:
    """Mean, scale and bias of each channel, float64 [C]."""
    channels = sizes_of(node_argument(node, 0))[1]
    found = []
    for index, name, default in _BY_CHANNEL:
        argument = named_argument(node, index, name)
        values = torch.full((channels,), default, dtype=torch.float64)
        found.append(values if argument is None else constants.value(argument).to(torch.float64))
    weight, bias, mean, variance = found
    epsilon = named_argument(node, 6, "eps")
    return mean, weight / torch.sqrt(variance + epsilon), bias


def _rounded(values: torch.Tensor) -> torch.Tensor:
    """float32, without subnormal numbers, which devices may take for zero."""
    rounded = values.to(torch.float32)
    return torch.where(rounded.abs() < _LEAST_NORMAL, torch.zeros_like(rounded), rounded)


BATCH_NORM_FAMILY = Family("batch norm", rewrite_batch_norm)
