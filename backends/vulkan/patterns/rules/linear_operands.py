"""Read the operands of a statically quantized linear, or say why they are something else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from executorch.backends.vulkan.utils import is_choose_qparams_node
from torch.fx import Node

from ..vocabulary.constants import Constants, is_computed_from, ops_behind
from ..vocabulary.edge_ops import (
    ADD,
    ADDMM,
    BMM,
    CAT,
    EXPAND,
    LINEAR,
    MM,
    PERMUTE,
    QuantParams,
    activation_dequantize_params,
    float_problem,
    is_alias,
    is_contiguous,
    is_dequantize,
    is_part,
    is_quantize,
    moved_inputs,
    moves_elements,
    named_argument,
    node_argument,
    op_name,
    same_sizes,
    sizes_of,
    tensor_of,
)
from ..vocabulary.quantized_constant import QuantizedConstant, read_quantized_constant
from ..vocabulary.rejection import NotInt8Error


@dataclass(frozen=True)
class Activation:
    """The int8 input.

    Attributes:
        dequantize: what makes the float input of it.
        params: its quantization.
        moves: views and other moves between the dequantize and the linear, in order.
    """

    dequantize: Node
    params: QuantParams
    moves: tuple[Node, ...]

    @property
    def x(self) -> Node:
        """Its producer as it is now: an earlier rewrite may have replaced it."""
        return node_argument(self.dequantize, 0)

    @property
    def inner_nodes(self) -> tuple[Node, ...]:
        parts = [node_argument(move, 0) for move in self.moves if is_part(move)]
        return (self.dequantize, *parts, *self.moves)


@dataclass(frozen=True)
class Weight:
    """The constant int8 weight.

    Attributes:
        constant: its integers, which `moves` arrange as a matrix, and their scales.
        is_k_n: that matrix is [K, N], not [N, K].
        shape: (N, K).
        repeats: ops behind it that repeat the matrix along leading dimensions.
    """

    constant: QuantizedConstant
    is_k_n: bool
    shape: tuple[int, int]
    repeats: tuple[Node, ...]

    def as_n_k(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor of the sizes of the integers as [N, K]."""
        matrix = self.constant.arranged(tensor)
        return matrix.t() if self.is_k_n else matrix

    @property
    def inner_nodes(self) -> tuple[Node, ...]:
        constant = self.constant
        behind = ops_behind(constant.constants.values())
        splits = [node_argument(move, 0) for move in constant.moves if is_part(move)]
        return (*behind, constant.dequantize, *splits, *constant.moves, *self.repeats)


def read_operands(
    linear: Node, constants: Constants | None
) -> tuple[Activation, Weight, Node | None]:
    """(activation, weight, bias) of a linear, mm, addmm or bmm.

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
    dequantize, moves = _behind_moves(x_arg)
    is_static = _check_both_quantized(dequantize, weight_arg, constants)
    if linear.target == BMM and not _behind_broadcast(weight_arg)[1]:
        raise NotInt8Error(
            f"bmm of batch {sizes_of(linear)[0]}: only a 2-D weight runs as an int8 layer; use "
            "linear, or leave it out of the quantization",
            is_static,
        )
    for node in (x_arg, weight_arg, linear):
        if problem := float_problem(node):
            raise NotInt8Error(problem, is_static)
    activation = _activation(dequantize, moves)
    weight = _weight(linear, weight_arg, constants)
    if bias is not None and (problem := _bias_problem(bias, weight.shape[0], constants)):
        raise NotInt8Error(problem)
    for name in ("alpha", "beta"):
        if linear.kwargs.get(name, 1) != 1:
            raise NotInt8Error(
                f"addmm with {name} = {linear.kwargs[name]}; multiply the weight or bias by it"
            )
    return activation, weight, bias


@dataclass(frozen=True)
class LateBias:
    """A bias that is added behind the layer.

    Attributes:
        bias: constant float32 [N].
        views: between the layer and the add, in order.
        add: the add.
    """

    bias: Node
    views: tuple[Node, ...]
    add: Node


def find_late_bias(linear: Node, n: int, constants: Constants | None) -> LateBias | None:
    """The bias that is all that becomes of the result of `linear`, a layer with N = `n`."""
    node = linear
    views: list[Node] = []
    while len(node.users) == 1:
        user = next(iter(node.users))
        if user.target == ADD:
            others = [argument for argument in user.args[:2] if argument is not node]
            if len(others) != 1 or not isinstance(others[0], Node):
                return None
            # What is the same for all channels is part of an activation.
            fits = same_sizes(sizes_of(others[0])[-1:], [n])
            fits = fits and same_sizes(sizes_of(user), sizes_of(node))
            plain = named_argument(user, 2, "alpha", 1) == 1
            if not fits or not plain or _bias_problem(others[0], n, constants):
                return None
            return LateBias(others[0], tuple(views), user)
        if not is_alias(user):
            return None
        views.append(user)
        node = user
    return None


def _bias_problem(bias: Node, n: int, constants: Constants | None) -> str | None:
    """Why `bias` can't be added to each row of [..., N] where it is `n`, or None.

    Its value, float32, is computed ahead of time, a dequantize of integers included.
    """
    if not _is_constant(bias, constants):
        return _not_constant("bias", bias)
    *leading, last = [1, *sizes_of(bias)]
    # A bias that an earlier fusion padded to a multiple of 4 still holds N values in front.
    lengths = (1, n, (n + 3) // 4 * 4)
    is_row = same_sizes(leading, [1] * len(leading))
    if not is_row or not any(same_sizes([last], [length]) for length in lengths):
        return f"bias has the shape {sizes_of(bias)}; give it one value for each of {n} channels"
    dtype = _dtype_of(bias)
    if dtype != torch.float32:
        return f"bias dtype is {dtype}, not torch.float32; convert it with float()"
    return None


def _activation(dequantize: Node, moves: list[Node]) -> Activation:
    params = activation_dequantize_params(dequantize)
    if params is None:
        if _is_dynamic(dequantize):
            found = "is computed at run time; quantize activations statically (is_dynamic=False)"
        else:
            found = f"is not one for the tensor ({op_name(dequantize)}); quantize it per tensor"
        raise NotInt8Error(f"activation scale {found}", is_static=False)
    if problem := params.int8_problem():
        raise NotInt8Error(f"activation {problem}")
    x = node_argument(dequantize, 0)
    if _dtype_of(x) != torch.int8:
        raise NotInt8Error(
            f"activation dtype is {_dtype_of(x)}, not torch.int8; quantize it to int8"
        )
    if not is_contiguous(x):
        raise NotInt8Error("activation is not contiguous; call contiguous() before the layer")
    return Activation(dequantize, params, tuple(moves))


def _behind_moves(node: Node) -> tuple[Node, list[Node]]:
    """The first producer that computes something, and the moves passed, in order."""
    moves: list[Node] = []
    while moves_elements(node) and node.target != CAT:
        moves.insert(0, node)
        node = moved_inputs(node)[0]
    return node, moves


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


def _check_both_quantized(
    dequantize_x: Node, weight_arg: Node, constants: Constants | None
) -> bool:
    """True where both operands are dequantized and the activation's scale is static."""
    weight_producer = _behind_moves(_behind_broadcast(weight_arg)[0])[0]
    x_is, w_is = is_dequantize(dequantize_x), is_dequantize(weight_producer)
    if not x_is and not w_is and not _is_constant(_behind_moves(weight_arg)[0], constants):
        raise NotInt8Error(
            "it multiplies two activations, for which there is no kernel here, quantized or not; "
            "leave it out of the quantization",
            is_static=False,
        )
    if not x_is:
        what = (
            "only the weight is quantized; quantize its input statically as well"
            if w_is
            else "it is not quantized; quantize its input and weight to run it on Vulkan"
        )
        raise NotInt8Error(what, is_static=False)
    is_static = activation_dequantize_params(dequantize_x) is not None
    if not w_is:
        is_param = weight_producer.op == "placeholder"
        what = (
            "weight is not quantized; quantize it to int8, per channel or per tensor"
            if is_param
            else "weight is not a constant; leave products of activations out of the quantization"
        )
        raise NotInt8Error(what, is_static=False)
    return is_static


def _is_dynamic(dequantize: Node) -> bool:
    scale = dequantize.args[1]
    while isinstance(scale, Node) and scale.op == "call_function":
        if is_choose_qparams_node(scale):
            return True
        scale = scale.args[0] if scale.args else None
    return False


def _weight(linear: Node, argument: Node, constants: Constants | None) -> Weight:
    is_k_n = linear.target != LINEAR
    matrix, repeats = _behind_broadcast(argument) if is_k_n else (argument, [])
    dequantize, moves = _behind_moves(matrix)
    constant = read_quantized_constant(dequantize, moves)
    if any(len(move.all_input_nodes) != 1 for move in moves):
        raise NotInt8Error("weight has sizes that are computed at run time; give it static ones")
    if moves and _is_wrong_transpose(linear, moves[-1]):
        raise NotInt8Error(f"weight is permuted by {moves[-1].args[1]}; leave that out")
    for what, node in constant.constants.items():
        if not _is_constant(node, constants):
            raise NotInt8Error(_not_constant(f"weight{what}", node))
    dtype = _dtype_of(constant.integers)
    if dtype != torch.int8:
        raise NotInt8Error(f"weight dtype is {dtype}, not torch.int8; quantize it to int8")
    dtype = _dtype_of(constant.scales) if isinstance(constant.scales, Node) else torch.float64
    # float64 scales count as the float32 that is nearest, which is what the op uses.
    if dtype not in (torch.float32, torch.float64):
        raise NotInt8Error(
            f"weight scale dtype is {dtype}, not torch.float32; convert it with float()"
        )
    shape = sizes_of(matrix)
    if len(shape) != 2 or 0 in shape:
        raise NotInt8Error(
            f"weight has the shape {shape}; give it two dimensions, none of them empty"
        )
    n, k = reversed(shape) if is_k_n else shape
    weight = Weight(constant, is_k_n, (n, k), tuple(repeats))
    indices = weight.as_n_k(constant.scale_indices())
    if indices.stride(1) != 0 and not torch.equal(indices, indices[:, :1].expand(n, k)):
        raise NotInt8Error(
            f"weight is quantized along axis {constant.axis}, which K = {k} is part of; quantize "
            f"it along its output channels, N = {n}"
        )
    return weight


def _is_wrong_transpose(linear: Node, move: Node) -> bool:
    """True for a permute that ExecuTorch's passes take for the transpose of a linear's weight."""
    if linear.target not in (MM, ADDMM) or move.target != PERMUTE:
        return False
    return [dim % 2 for dim in named_argument(move, 1, "dims")] != [1, 0]


def _is_constant(node: Node, constants: Constants | None) -> bool:
    if constants is None:
        return is_computed_from(node, lambda placeholder: True)
    return constants.is_constant(node)


def _not_constant(what: str, node: Node) -> str:
    source, _ = _behind_moves(node)
    if is_dequantize(source):
        source, _ = _behind_moves(node_argument(source, 0))
    if is_quantize(source):
        return (
            f"{what} is not a constant: {source.name} quantizes it at run time; leave products of "
            "activations out of the quantization, or make it a parameter and fold its quantize "
            "with convert_pt2e(..., fold_quantize=True)"
        )
    return f"{what} is not a constant; make it a parameter, or a buffer that nothing writes"


def _dtype_of(node: Node) -> torch.dtype | None:
    tensor = tensor_of(node)
    return None if tensor is None else tensor.dtype
