"""Read the operands of a statically quantized layer, or say why they are something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import INT8_MAX, INT8_MIN
from ..vocabulary.constants import Constants, is_computed_from, ops_behind
from ..vocabulary.edge_ops import (
    ADD,
    CAT,
    QuantParams,
    activation_dequantize_params,
    dtype_of,
    is_alias,
    is_contiguous,
    is_dequantize,
    is_part,
    is_quantize,
    named_argument,
    node_argument,
    op_name,
    same_sizes,
    sizes_of,
)
from ..vocabulary.moves import moved_inputs, moves_elements
from ..vocabulary.quantized_constant import QuantizedConstant, read_quantized_constant
from ..vocabulary.rejection import NotInt8Error
from .dynamic_input import is_dynamic

Arrange = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Int8Input:
    """The int8 input.

    Attributes:
        dequantize: what makes the float input of it.
        params: its quantization.
        moves: views and other moves between the dequantize and the layer, in order.
    """

    dequantize: Node
    params: QuantParams
    moves: tuple[Node, ...]

    @property
    def node(self) -> Node:
        """Its producer as it is now: an earlier rewrite may have replaced it."""
        return node_argument(self.dequantize, 0)

    @property
    def nodes(self) -> tuple[Node, ...]:
        parts = [node_argument(move, 0) for move in self.moves if is_part(move)]
        return (self.dequantize, *parts, *self.moves)

    @property
    def float_only(self) -> tuple[Node, ...]:
        """Those of `nodes` that our runtime can't run as they are."""
        return ()

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Of the op, between x and the weights."""
        return (self.params.scale, self.params.zero_point)

    @property
    def reach(self) -> int:
        """The largest distance of an integer from the zero point."""
        return max(self.params.zero_point - INT8_MIN, INT8_MAX - self.params.zero_point)


@dataclass(frozen=True)
class Weight:
    """The constant int8 weight.

    Attributes:
        constant: its integers, with moves behind their dequantize, and their scales.
        as_rows: from what these moves give to [N, K], the K weights of each of N channels.
        shape: (N, K).
        repeats: ops behind the moves that repeat it along leading dimensions.
    """

    constant: QuantizedConstant
    as_rows: Arrange
    shape: tuple[int, int]
    repeats: tuple[Node, ...] = ()

    def rows(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor of the sizes of the integers as [N, K]."""
        return self.as_rows(self.constant.arranged(tensor))

    @property
    def nodes(self) -> tuple[Node, ...]:
        constant = self.constant
        behind = ops_behind(constant.constants.values())
        splits = [node_argument(move, 0) for move in constant.moves if is_part(move)]
        return (*behind, constant.dequantize, *splits, *constant.moves, *self.repeats)


def check_quantized(dequantize_x: Node, dequantize_weight: Node) -> bool:
    """True where both operands are dequantized and the activation's scale is static, or computed of
    its values.

    Raises:
        NotInt8Error: where one of them is not.
    """
    x_is, w_is = is_dequantize(dequantize_x), is_dequantize(dequantize_weight)
    if not x_is:
        what = (
            "only the weight is quantized; quantize its input statically as well"
            if w_is
            else "it is not quantized; quantize its input and weight to run it on Vulkan"
        )
        raise NotInt8Error(what, is_static=False)
    is_static = activation_dequantize_params(dequantize_x) is not None or is_dynamic(dequantize_x)
    if not w_is:
        is_param = dequantize_weight.op == "placeholder"
        what = (
            "weight is not quantized; quantize it to int8, per channel or per tensor"
            if is_param
            else "weight is not a constant; leave products of activations out of the quantization"
        )
        raise NotInt8Error(what, is_static=False)
    return is_static


def read_input(dequantize: Node, moves: list[Node]) -> Int8Input:
    """The int8 tensor that `dequantize` reads; NotInt8Error where it is none."""
    params = activation_dequantize_params(dequantize)
    if params is None:
        if is_dynamic(dequantize):
            found = "is computed at run time; quantize activations statically (is_dynamic=False)"
        else:
            found = f"is not one for the tensor ({op_name(dequantize)}); quantize it per tensor"
        raise NotInt8Error(f"activation scale {found}", is_static=False)
    if problem := params.int8_problem():
        raise NotInt8Error(f"activation {problem}")
    x = node_argument(dequantize, 0)
    if dtype_of(x) != torch.int8:
        raise NotInt8Error(
            f"activation dtype is {dtype_of(x)}, not torch.int8; quantize it to int8"
        )
    if not is_contiguous(x):
        raise NotInt8Error("activation is not contiguous; call contiguous() before the layer")
    return Int8Input(dequantize, params, tuple(moves))


def read_weight(
    dequantize: Node, moves: list[Node], constants: Constants | None
) -> QuantizedConstant:
    """The int8 constant behind `dequantize` and `moves`; NotInt8Error where it is none."""
    constant = read_quantized_constant(dequantize, moves)
    if any(len(move.all_input_nodes) != 1 for move in moves):
        raise NotInt8Error("weight has sizes that are computed at run time; give it static ones")
    for what, node in constant.constants.items():
        if not is_constant(node, constants):
            raise NotInt8Error(not_constant(f"weight{what}", node))
    dtype = dtype_of(constant.integers)
    if dtype != torch.int8:
        raise NotInt8Error(f"weight dtype is {dtype}, not torch.int8; quantize it to int8")
    dtype = dtype_of(constant.scales) if isinstance(constant.scales, Node) else torch.float64
    # float64 scales count as the float32 that is nearest, which is what the op uses.
    if dtype not in (torch.float32, torch.float64):
        raise NotInt8Error(
            f"weight scale dtype is {dtype}, not torch.float32; convert it with float()"
        )
    return constant


def check_scales(weight: Weight) -> None:
    """NotInt8Error where the weights of a channel have different scales."""
    n, k = weight.shape
    indices = weight.rows(weight.constant.scale_indices())
    if indices.stride(1) != 0 and not torch.equal(indices, indices[:, :1].expand(n, k)):
        raise NotInt8Error(
            f"weight is quantized along axis {weight.constant.axis}, which K = {k} is part of; "
            f"quantize it along its output channels, N = {n}"
        )


@dataclass(frozen=True)
class LateBias:
    """A bias that is added behind the layer.

    Attributes:
        bias: constant float32 with one value for each channel.
        views: between the layer and the add, in order.
        add: the add.
    """

    bias: Node
    views: tuple[Node, ...]
    add: Node


def find_late_bias(layer: Node, n: int, dim: int, constants: Constants | None) -> LateBias | None:
    """The bias that is all that becomes of the result of `layer`.

    Args:
        n: how many channels it has.
        dim: the dimension that they are, negative.
    """
    node = layer
    views: list[Node] = []
    while len(node.users) == 1:
        user = next(iter(node.users))
        if user.target == ADD:
            others = [argument for argument in user.args[:2] if argument is not node]
            if len(others) != 1 or not isinstance(others[0], Node):
                return None
            # What is the same for all channels is part of an activation.
            fits = same_sizes(sizes_of(others[0])[dim:], [n] + [1] * (-1 - dim))
            fits = fits and same_sizes(sizes_of(user), sizes_of(node))
            plain = named_argument(user, 2, "alpha", 1) == 1
            if not fits or not plain or bias_problem(others[0], n, constants, dim):
                return None
            return LateBias(others[0], tuple(views), user)
        # A view keeps the channels where they are only if they are innermost.
        if not is_alias(user) or dim != -1:
            return None
        views.append(user)
        node = user
    return None


def bias_problem(bias: Node, n: int, constants: Constants | None, dim: int = -1) -> str | None:
    """Why `bias` can't be added to a result that has `n` channels in dimension `dim`, or None.

    Its value, float32, is computed ahead of time, a dequantize of integers included.
    """
    if not is_constant(bias, constants):
        return not_constant("bias", bias)
    others = [*[1] * -dim, *sizes_of(bias)]
    channels = others.pop(dim)
    # A bias that an earlier fusion padded to a multiple of 4 still holds N values in front.
    lengths = (1, n, (n + 3) // 4 * 4)
    is_row = same_sizes(others, [1] * len(others))
    if not is_row or not any(same_sizes([channels], [length]) for length in lengths):
        return f"bias has the shape {sizes_of(bias)}; give it one value for each of {n} channels"
    dtype = dtype_of(bias)
    if dtype != torch.float32:
        return f"bias dtype is {dtype}, not torch.float32; convert it with float()"
    return None


def behind_moves(node: Node) -> tuple[Node, list[Node]]:
    """The first producer that computes something, and the moves passed, in order."""
    moves: list[Node] = []
    while moves_elements(node) and node.target != CAT:
        moves.insert(0, node)
        node = moved_inputs(node)[0]
    return node, moves


def is_constant(node: Node, constants: Constants | None) -> bool:
    """As `Constants.is_constant`; without these, placeholders are taken for constants."""
    if constants is None:
        return is_computed_from(node, lambda placeholder: True)
    return constants.is_constant(node)


def not_constant(what: str, node: Node) -> str:
    """Why `node` can't be the weight or bias (`what`) of a layer: it is computed at run time."""
    source, _ = behind_moves(node)
    if is_dequantize(source):
        source, _ = behind_moves(node_argument(source, 0))
    if is_quantize(source):
        return (
            f"{what} is not a constant: {source.name} quantizes it at run time; leave products of "
            "activations out of the quantization, or make it a parameter and fold its quantize "
            "with convert_pt2e(..., fold_quantize=True)"
        )
    return f"{what} is not a constant; make it a parameter, or a buffer that nothing writes"
