"""Read the operands of a quantized linear, mm, addmm or bmm."""

from __future__ import annotations

import torch
from torch.fx import Node

from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    ADDMM,
    BMM,
    EXPAND,
    LINEAR,
    MAC_OPS,
    float_problem,
    is_alias,
    is_dequantize,
    named_argument,
    node_argument,
    same_sizes,
    sizes_of,
    transposes_nothing,
)
from ..vocabulary.rejection import NotInt8Error
from .dynamic_input import DynamicInput, is_dynamic, read_dynamic_input
from .mac_operands import (
    Int8Input,
    Weight,
    behind_moves,
    bias_problem,
    check_quantized,
    check_scales,
    is_constant,
    read_input,
    read_weight,
)


def has_quantized_operands(node: Node) -> bool:
    """True for a product or convolution of two tensors that are both dequantized."""
    return node.target in MAC_OPS and all(map(is_dequantize, _sources(node)))


def quantized_weight(layer: Node) -> Node:
    """The integers that the second of its operands is dequantized from."""
    return node_argument(_sources(layer)[1], 0)


def _sources(layer: Node) -> tuple[Node, Node]:
    """What its input and weight are, behind moves and repetitions."""
    first = 1 if layer.target == ADDMM else 0
    x, weight = node_argument(layer, first), node_argument(layer, first + 1)
    return behind_moves(x)[0], behind_moves(_behind_broadcast(weight)[0])[0]


def is_quantized_layer(node: Node) -> bool:
    """True for a linear or convolution of quantized input and weight: a layer in int8, here or
    elsewhere."""
    return node.target != BMM and has_quantized_operands(node)


def read_linear_operands(
    linear: Node, constants: Constants | None
) -> tuple[Int8Input | DynamicInput, Weight, Node | None]:
    """(input, weight, bias) of a linear, mm, addmm or bmm.

    Args:
        constants: the program's; without it, placeholders are taken for constants.

    Raises:
        NotInt8Error: where one of them is not what the int8 op takes.
    """
    bias: Node | None
    if linear.target == ADDMM:
        bias, x_arg, weight_arg = (node_argument(linear, index) for index in range(3))
    else:
        x_arg, weight_arg = node_argument(linear, 0), node_argument(linear, 1)
        bias = named_argument(linear, 2, "bias") if linear.target == LINEAR else None
    dequantize, moves = behind_moves(x_arg)
    is_static = _check_quantized(dequantize, weight_arg, constants)
    if linear.target == BMM and not _behind_broadcast(weight_arg)[1]:
        raise NotInt8Error(
            f"bmm of batch {sizes_of(linear)[0]}: only a 2-D weight runs as an int8 layer; use "
            "linear, or leave it out of the quantization",
            is_static,
        )
    for node in (x_arg, weight_arg, linear):
        if problem := float_problem(node):
            raise NotInt8Error(problem, is_static)
    x: Int8Input | DynamicInput
    if is_dynamic(dequantize):
        x = read_dynamic_input(dequantize, moves)
        weight = _weight_of_dynamic(linear, weight_arg, constants)
    else:
        x = read_input(dequantize, moves)
        weight = _weight(linear, weight_arg, constants)
    if bias is not None and (problem := bias_problem(bias, weight.shape[0], constants)):
        raise NotInt8Error(problem)
    for name in ("alpha", "beta"):
        if linear.kwargs.get(name, 1) != 1:
            raise NotInt8Error(
                f"addmm with {name} = {linear.kwargs[name]}; multiply the weight or bias by it"
            )
    return x, weight, bias


def _behind_broadcast(node: Node) -> tuple[Node, list[Node]]:
    """The matrix [K, N] that `node` repeats along leading dimensions, and the ops passed.

    So a layer on a tensor of 3 and more dimensions is decomposed where it is not contiguous.
    """
    passed: list[Node] = []
    source = node
    while len(sizes_of(source)) > 2 and (source.target == EXPAND or is_alias(source)):
        passed.insert(0, source)
        source = node_argument(source, 0)
    matrix = sizes_of(source)
    if len(matrix) != 2 or not all(same_sizes(sizes_of(one)[-2:], matrix) for one in passed):
        return node, []
    return source, passed


def _check_quantized(dequantize_x: Node, weight_arg: Node, constants: Constants | None) -> bool:
    """As `check_quantized`, for a product that may be one of two activations."""
    dequantize_weight = behind_moves(_behind_broadcast(weight_arg)[0])[0]
    is_float = not is_dequantize(dequantize_x) and not is_dequantize(dequantize_weight)
    if is_float and not is_constant(behind_moves(weight_arg)[0], constants):
        raise NotInt8Error(
            "it multiplies two activations, for which there is no kernel here, quantized or not; "
            "leave it out of the quantization",
            is_static=False,
        )
    return check_quantized(dequantize_x, dequantize_weight)


def _weight_of_dynamic(linear: Node, argument: Node, constants: Constants | None) -> Weight:
    """As `_weight`; the stock rules know others, such as those of 4 bits."""
    try:
        return _weight(linear, argument, constants)
    except NotInt8Error as error:
        raise NotInt8Error(str(error), is_static=False) from None


def _weight(linear: Node, argument: Node, constants: Constants | None) -> Weight:
    is_k_n = linear.target != LINEAR
    matrix, repeats = _behind_broadcast(argument) if is_k_n else (argument, [])
    dequantize, moves = behind_moves(matrix)
    constant = read_weight(dequantize, moves, constants)
    if moves and transposes_nothing(linear):
        raise NotInt8Error(f"weight is permuted by {moves[-1].args[1]}; leave that out")
    shape = sizes_of(matrix)
    if len(shape) != 2 or 0 in shape:
        raise NotInt8Error(
            f"weight has the shape {shape}; give it two dimensions, none of them empty"
        )
    n, k = reversed(shape) if is_k_n else shape
    weight = Weight(constant, torch.t if is_k_n else _as_it_is, (n, k), tuple(repeats))
    check_scales(weight)
    return weight


def _as_it_is(matrix: torch.Tensor) -> torch.Tensor:
    return matrix
