"""Read the operands of a quantized convolution, and how its window moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import float_problem, named_argument, node_argument, sizes_of
from ..vocabulary.rejection import NotInt8Error
from .dynamic_input import DynamicInput, is_dynamic, read_dynamic_input
from .mac_operands import (
    Int8Input,
    Weight,
    behind_moves,
    bias_problem,
    check_quantized,
    check_scales,
    read_input,
    read_weight,
)

_LARGEST = 65_535  # of a number that says how the window moves


@dataclass(frozen=True)
class Geometry:
    """How the window of a convolution moves, as aten.convolution has it.

    The lists have one element for each of the one or two dimensions in which it moves.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    groups: int

    @property
    def args(self) -> tuple[Argument, ...]:
        """In the order of our ops."""
        lists = (self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation)
        return (*map(list, lists), self.transposed, self.groups)

    @property
    def is_pointwise(self) -> bool:
        """It is a product of matrices: each pixel of the result is of one pixel of x."""
        return {*self.kernel_size, *self.stride, *self.dilation} == {1} and not any(
            (*self.padding, *self.output_padding)
        )


def read_convolution_operands(
    convolution: Node, constants: Constants | None
) -> tuple[Int8Input | DynamicInput, Weight, Node | None, Geometry]:
    """(input, weight, bias, geometry) of an aten.convolution.

    Args:
        constants: the program's; without it, placeholders are taken for constants.

    Raises:
        NotInt8Error: where one of them is not what the int8 op takes.
    """
    x_arg, weight_arg = node_argument(convolution, 0), node_argument(convolution, 1)
    dequantize, moves = behind_moves(x_arg)
    weight_dequantize, weight_moves = behind_moves(weight_arg)
    is_static = check_quantized(dequantize, weight_dequantize)
    for node in (x_arg, weight_arg, convolution):
        if problem := float_problem(node):
            raise NotInt8Error(problem, is_static)
    geometry = read_geometry(convolution)
    x: Int8Input | DynamicInput
    if is_dynamic(dequantize):
        x = read_dynamic_input(dequantize, moves)
        if x.grids.granularity != "per_tensor":
            raise NotInt8Error(
                "activation has a grid for each row, that is for several pixels; quantize the "
                "input of a convolution per tensor"
            )
    else:
        x = read_input(dequantize, moves)
    constant = read_weight(weight_dequantize, weight_moves, constants)
    first, second, *kernel_size = sizes_of(weight_arg)
    groups = geometry.groups
    n, depth = (second * groups, first // groups) if geometry.transposed else (first, second)
    shape = (n, math.prod(kernel_size) * depth)
    if 0 in shape:
        raise NotInt8Error(f"weight has the shape {sizes_of(weight_arg)}, which is empty")
    weight = Weight(constant, partial(_rows, geometry), shape)
    check_scales(weight)
    bias = named_argument(convolution, 2, "bias")
    if bias is not None and (problem := bias_problem(bias, n, constants)):
        raise NotInt8Error(problem)
    return x, weight, bias, geometry


def read_geometry(convolution: Node) -> Geometry:
    """How its window moves; NotInt8Error where no kernel here moves one so."""
    kernel_size = sizes_of(node_argument(convolution, 1))[2:]
    _, _, _, stride, padding, dilation, transposed, output_padding, groups = convolution.args
    rank = len(kernel_size)
    if rank not in (1, 2):
        raise NotInt8Error(
            f"it is a convolution of {rank} dimensions; here one of three runs if its sizes but "
            "the batch are fixed, and to_edge_transform_and_lower lowers it"
        )

    def for_each(name: str, values: Argument) -> tuple[int, ...]:
        assert isinstance(values, (list, tuple))
        found = tuple(values) * (rank if len(values) == 1 else 1)
        if not all(type(value) is int for value in found):
            raise NotInt8Error(f"{name} is computed at run time; give the convolution numbers")
        if max(found) > _LARGEST:
            raise NotInt8Error(f"{name} is {list(found)}; here it is at most {_LARGEST}")
        return found

    assert isinstance(groups, int)
    return Geometry(
        for_each("kernel size", list(kernel_size)),
        for_each("stride", stride),
        for_each("padding", padding),
        # It says nothing of a convolution that is not transposed.
        for_each("output_padding", output_padding) if transposed else (0,) * rank,
        for_each("dilation", dilation),
        bool(transposed),
        groups,
    )


def _rows(geometry: Geometry, weight: torch.Tensor) -> torch.Tensor:
    """The weight of an aten.convolution as [N, K], K being the window with channels innermost."""
    if geometry.transposed:
        ic, of_group, *kernel_size = weight.shape
        groups = geometry.groups
        weight = weight.reshape(groups, ic // groups, of_group, *kernel_size)
        return weight.movedim(1, -1).reshape(groups * of_group, -1)
    return weight.movedim(1, -1).reshape(weight.shape[0], -1)
