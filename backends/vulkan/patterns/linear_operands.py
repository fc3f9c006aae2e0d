"""Read the operands of a statically quantized linear, or say why they are something else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from executorch.backends.vulkan.utils import is_choose_qparams_node
from torch.fx import Node

from .constants import Constants
from .edge_ops import (
    ADD,
    ADDMM,
    BMM,
    CAT,
    DEQUANTIZE,
    DEQUANTIZE_AFFINE,
    DEQUANTIZE_PER_CHANNEL,
    EXPAND,
    LINEAR,
    TRANSPOSE_OPS,
    QuantParams,
    activation_dequantize_params,
    is_alias,
    is_contiguous,
    is_dequantize,
    is_part,
    moved_inputs,
    moves_elements,
    named_argument,
    node_argument,
    op_name,
    same_sizes,
    sizes_of,
    tensor_of,
)


class NotInt8Error(Exception):
    """The linear does not run in int8; the message is for the user.

    Attributes:
        is_static: input and weight are statically quantized, so the case was ours to decide.
    """

    def __init__(self, reason: str, is_static: bool = True) -> None:
        super().__init__(reason)
        self.is_static = is_static


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
    """The constant int8 weight [N, K].

    Attributes:
        weight: its placeholder.
        scales: constant float32 [N], or one scale for all channels.
        zeros: constant [N], or None where the graph says that they are zero.
        inner_nodes: the operators between it and the linear.
    """

    weight: Node
    scales: Node | float
    zeros: Node | None
    inner_nodes: tuple[Node, ...]


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
    is_static = _check_both_quantized(dequantize, weight_arg)
    if linear.target == BMM and not _behind_broadcast(weight_arg)[1]:
        raise NotInt8Error(
            f"bmm of batch {sizes_of(linear)[0]}: only a 2-D weight runs as an int8 layer; use "
            "linear, or leave it out of the quantization",
            is_static,
        )
    activation = _activation(dequantize, moves)
    weight = _weight(linear, weight_arg)
    _check_constants(constants, weight, bias)
    _require_dtype(linear, torch.float32, "result")
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
            fits = sizes_of(others[0]) == [n] and same_sizes(sizes_of(user), sizes_of(node))
            plain = named_argument(user, 2, "alpha", 1) == 1 and _is_float_constant(
                others[0], constants
            )
            return LateBias(others[0], tuple(views), user) if fits and plain else None
        if not is_alias(user):
            return None
        views.append(user)
        node = user
    return None


def _is_float_constant(node: Node, constants: Constants | None) -> bool:
    tensor = tensor_of(node)
    if tensor is None or tensor.dtype != torch.float32 or node.op != "placeholder":
        return False
    return constants is None or constants.is_constant(node)


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
    _require_dtype(x, torch.int8, "activation")
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


def _behind_transpose(node: Node) -> tuple[Node, list[Node]]:
    if node.target not in TRANSPOSE_OPS:
        return node, []
    if len(node.args) > 1 and [int(d) % 2 for d in node.args[1]] != [1, 0]:  # type: ignore[union-attr,arg-type]
        return node, []
    return node_argument(node, 0), [node]


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


def _check_both_quantized(dequantize_x: Node, weight_arg: Node) -> bool:
    """True where both operands are dequantized and the activation's scale is static."""
    weight_producer = _behind_transpose(_behind_broadcast(weight_arg)[0])[0]
    x_is, w_is = is_dequantize(dequantize_x), is_dequantize(weight_producer)
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


def _weight(linear: Node, argument: Node) -> Weight:
    node = argument
    passed: list[Node] = []
    if linear.target != LINEAR:
        matrix, repeats = _behind_broadcast(argument)
        node, passed = _behind_transpose(matrix)
        passed = [*repeats, *passed]
        if node is matrix:
            raise NotInt8Error("weight is stored [K, N]; use nn.Linear, which stores [N, K]")
    name = op_name(node)
    weight = node_argument(node, 0)
    zeros: Node | None = None
    scales: Node | float
    if node.target == DEQUANTIZE_PER_CHANNEL:
        if node.args[3] != 0:
            raise NotInt8Error(
                f"weight is quantized along axis {node.args[3]} of [N, K]; quantize it along axis 0"
            )
        scales = node_argument(node, 1)
        zeros = named_argument(node, 2, "zero_points")
    elif node.target == DEQUANTIZE:
        if not isinstance(node.args[1], float):
            raise NotInt8Error("weight scale is not a literal; quantize weights statically")
        scales = node.args[1]
        if node.args[2] != 0:
            raise NotInt8Error(
                "weight zero points are not all zero; quantize weights symmetrically"
            )
    elif DEQUANTIZE_AFFINE in name or "per_channel_group" in name:
        raise NotInt8Error(
            f"weight is quantized per group ({name}); quantize it per channel or per tensor"
        )
    else:
        raise NotInt8Error(
            f"weight is dequantized by {name}; quantize it per channel or per tensor"
        )
    _require_dtype(weight, torch.int8, "weight")
    shape = sizes_of(weight)
    if len(shape) != 2 or 0 in shape:
        raise NotInt8Error(
            f"weight has the shape {shape}; give it two dimensions [N, K], none of them empty"
        )
    return Weight(weight, scales, zeros, (*passed, node))


def _require_dtype(node: Node, dtype: torch.dtype, what: str) -> None:
    tensor = tensor_of(node)
    found = None if tensor is None else tensor.dtype
    if found != dtype:
        change = "keep the layer in float32" if dtype == torch.float32 else "quantize it to int8"
        raise NotInt8Error(f"{what} dtype is {found}, not {dtype}; {change}")


def _check_constants(constants: Constants | None, weight: Weight, bias: Node | None) -> None:
    n = sizes_of(weight.weight)[0]
    named = {
        "weight": weight.weight,
        "weight scale": weight.scales,
        "weight zero point": weight.zeros,
        "bias": bias,
    }
    for what, node in named.items():
        if not isinstance(node, Node):
            continue
        is_constant = node.op == "placeholder" if constants is None else constants.is_constant(node)
        if not is_constant:
            raise NotInt8Error(
                f"{what} is not a constant; make it a parameter, or a buffer that nothing writes"
            )
    for what in ("weight scale", "bias"):
        node = named[what]
        if not isinstance(node, Node):
            continue
        tensor = tensor_of(node)
        # Constants that an earlier fusion padded to a multiple of 4 still hold N values in front.
        lengths = (n, (n + 3) // 4 * 4)
        if tensor is None or tensor.dim() != 1 or tensor.shape[0] not in lengths:
            raise NotInt8Error(
                f"{what} is not a vector of {n} values; give it one for each output channel"
            )
        # Scales may be kept in float64; their float32 value is what the op uses.
        if tensor.dtype != torch.float32 and not (
            what == "weight scale" and tensor.dtype == torch.float64
        ):
            raise NotInt8Error(
                f"{what} dtype is {tensor.dtype}, not torch.float32; convert it with float()"
            )
