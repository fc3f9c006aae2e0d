"""Match statically quantized linear layers.

    int8 x -> dequantize -> (view) -> linear | mm | addmm -> (view, clamps) -> quantize -> int8

A match is complete: `linear_rewrite.py` needs nothing else, and can rewrite every match.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from executorch.backends.vulkan.utils import is_choose_qparams_node
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true

from .constants import SAFE_K, Constants, TensorFacts
from .edge_ops import (
    ADDMM,
    BMM,
    DEQUANTIZE,
    DEQUANTIZE_AFFINE,
    DEQUANTIZE_PER_CHANNEL,
    LINEAR,
    LINEAR_OPS,
    TRANSPOSE_OPS,
    QuantParams,
    activation_dequantize_params,
    is_alias,
    is_contiguous,
    is_dequantize,
    named_argument,
    node_argument,
    op_name,
    reads_symint_input,
    tensor_of,
)
from .epilogue import Epilogue, find_epilogue


@dataclass(frozen=True)
class Rejection:
    """Why a node is not run as an int8 layer.

    Attributes:
        node: the linear.
        reason: a sentence for the user.
        is_static: input and weight are statically quantized, so the case was ours to decide;
            otherwise the stock rules may still take it.
    """

    node: Node
    reason: str
    is_static: bool = True


@dataclass(frozen=True)
class QuantizedLinearMatch:
    """One linear layer that runs in int8.

    Attributes:
        anchor_node: the linear, mm or addmm.
        x: producer of the int8 input [..., K].
        x_params: its quantization.
        x_view: a view between input and linear that the op can't absorb, to be redone in int8.
        weight: constant int8 [N, K].
        weight_scales: constant float32 [N], or one scale for all channels.
        weight_zeros: constant [N] or None; a match requires zeros (see `value_problem`).
        bias: constant float32 [N] or None.
        epilogue: the int8 output side; None for a float32 result.
        out_view: view behind the linear that the op can't absorb, to be redone on its result.
        float_output: for a float32 result, the node that the op replaces.
        weight_nodes: the operators between the constant weight and the linear.
        inner_nodes: every operator that the op replaces, anchor included.
    """

    anchor_node: Node
    x: Node
    x_params: QuantParams
    x_view: Node | None
    weight: Node
    weight_scales: Node | float
    weight_zeros: Node | None
    bias: Node | None
    epilogue: Epilogue | None
    out_view: Node | None
    float_output: Node | None
    weight_nodes: tuple[Node, ...]
    inner_nodes: tuple[Node, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        n, k = _sizes(self.weight)
        return n, k

    @property
    def runs_on_stock(self) -> bool:
        """True where the stock runtime runs the fused op too, and rightly."""
        _, k = self.shape
        return (
            self.epilogue is not None
            and self.epilogue.fits_stock_schema
            and self.x_view is None
            and self.out_view is None
            and isinstance(self.weight_scales, Node)
            and len(_sizes(self.x)) == 2
            and k % 4 == 0
        )

    # The names below are those that the stock pattern engine reads.
    @property
    def all_nodes(self) -> list[Node]:
        return list(self.inner_nodes)

    @property
    def input_nodes(self) -> list[Node]:
        constants = (self.weight, self.weight_scales, self.weight_zeros, self.bias)
        return [self.x, *(node for node in constants if isinstance(node, Node))]

    @property
    def output_nodes(self) -> list[Node]:
        if self.epilogue is not None:
            return list(self.epilogue.quantizes)
        return [self.float_output] if self.float_output is not None else []


class _No(Exception):
    def __init__(self, reason: str, is_static: bool = True) -> None:
        super().__init__(reason)
        self.is_static = is_static


def match_quantized_linear(
    node: Node, constants: Constants | None = None
) -> QuantizedLinearMatch | Rejection:
    """Decide whether `node` and what surrounds it run as one int8 layer.

    Args:
        node: a call of linear, mm, addmm or bmm, in the edge dialect.
        constants: the program's; without it, placeholders are taken for constants and values
            are not looked at.

    Raises:
        ValueError: where `node` is no linear.
    """
    if node.target not in LINEAR_OPS:
        raise ValueError(f"{node.name} is {op_name(node)}, not a linear")
    try:
        return _match(node, constants)
    except _No as no:
        return Rejection(node, str(no), no.is_static)


def value_problem(
    match: QuantizedLinearMatch, constants: Constants, unknown_is_fine: bool
) -> str | None:
    """What the constants' values forbid, or None.

    Args:
        unknown_is_fine: where values can't be read, assume that they are good.
    """

    def some(facts: tuple[TensorFacts, ...], name: str) -> str | None:
        return None if facts or unknown_is_fine else f"values of {name} are not known"

    if match.weight_zeros is not None:
        zeros = constants.facts(match.weight_zeros)
        if problem := some(zeros, match.weight_zeros.name):
            return problem
        if not all(facts.all_zero for facts in zeros):
            return "weight zero points are not all zero"
    k = match.shape[1]
    if k <= SAFE_K:
        return None
    row_sums = [facts.max_row_sum for facts in constants.facts(match.weight)]
    zero_point = match.x_params.zero_point
    reach = max(abs(-128 - zero_point), abs(127 - zero_point))
    if row_sums and all(s is not None and s * reach < 2**31 for s in row_sums):
        return None
    return f"K = {k} is above {SAFE_K} and the weights do not rule out an int32 overflow"


def _match(anchor: Node, constants: Constants | None) -> QuantizedLinearMatch:
    x_arg, weight_arg, bias = _operands(anchor)

    dequantize_x, x_views = _behind_aliases(x_arg)
    is_static = _check_both_quantized(dequantize_x, weight_arg, anchor)
    if anchor.target == BMM:
        batch = tensor_of(anchor)
        raise _No(
            f"bmm of batch {batch.shape[0] if batch is not None else '?'}: "
            "only a 2-D weight runs as an int8 layer",
            is_static,
        )
    x_params = activation_dequantize_params(dequantize_x)
    if x_params is None:
        kind = "computed at run time" if _is_dynamic(dequantize_x) else "not one for the tensor"
        raise _No(f"activation scale is {kind} ({op_name(dequantize_x)})", is_static=False)
    x = node_argument(dequantize_x, 0)
    if problem := x_params.int8_problem():
        raise _No(f"activation {problem}")
    _require_dtype(x, torch.int8, "activation")
    if not is_contiguous(x):
        raise _No("activation is not contiguous")

    weight, scales, zeros, weight_nodes = _weight(anchor, weight_arg)
    n, k = _sizes(weight)
    _check_constants(constants, weight, scales, zeros, bias, n)
    _check_scaling(anchor)

    epilogue = find_epilogue(anchor)
    if epilogue is not None and (problem := epilogue.params.int8_problem()):
        raise _No(f"output quantize {problem}")

    views = _plan_views(anchor, x, x_views, epilogue, (n, k))
    inner = [*x_views, dequantize_x, *weight_nodes, anchor, *views.absorbed]
    if epilogue is not None:
        inner += [*epilogue.absorbed, *epilogue.quantizes]
    match = QuantizedLinearMatch(
        anchor_node=anchor,
        x=x,
        x_params=x_params,
        x_view=views.x_view,
        weight=weight,
        weight_scales=scales,
        weight_zeros=zeros,
        bias=bias,
        epilogue=epilogue,
        out_view=views.out_view,
        float_output=views.float_output,
        weight_nodes=tuple(weight_nodes),
        inner_nodes=tuple(dict.fromkeys(inner)),
    )
    if constants is not None and (problem := value_problem(match, constants, True)):
        raise _No(problem)
    return match


def _operands(anchor: Node) -> tuple[Node, Node, Node | None]:
    """(input, weight as the op reads it, bias) of any linear op."""
    if anchor.target == ADDMM:
        return node_argument(anchor, 1), node_argument(anchor, 2), node_argument(anchor, 0)
    bias = named_argument(anchor, 2, "bias") if anchor.target == LINEAR else None
    return node_argument(anchor, 0), node_argument(anchor, 1), bias


def _behind_aliases(node: Node) -> tuple[Node, list[Node]]:
    """The first producer that is not a view or clone, and the aliases passed, last one first."""
    aliases: list[Node] = []
    while is_alias(node):
        aliases.append(node)
        node = node_argument(node, 0)
    return node, aliases


def _behind_transpose(node: Node) -> tuple[Node, list[Node]]:
    if node.target not in TRANSPOSE_OPS:
        return node, []
    if len(node.args) > 1 and [int(d) % 2 for d in node.args[1]] != [1, 0]:  # type: ignore[union-attr,arg-type]
        return node, []
    return node_argument(node, 0), [node]


def _check_both_quantized(dequantize_x: Node, weight_arg: Node, anchor: Node) -> bool:
    """True where both operands are dequantized and the activation's scale is static."""
    weight_producer = _behind_transpose(weight_arg)[0]
    x_is, w_is = is_dequantize(dequantize_x), is_dequantize(weight_producer)
    if not x_is:
        what = "only the weight is quantized" if w_is else "it is not quantized"
        raise _No(what, is_static=False)
    is_static = activation_dequantize_params(dequantize_x) is not None
    if not w_is:
        is_param = weight_producer.op == "placeholder"
        raise _No("weight is not quantized" if is_param else "weight is not a constant", False)
    return is_static


def _is_dynamic(dequantize: Node) -> bool:
    scale = dequantize.args[1]
    while isinstance(scale, Node) and scale.op == "call_function":
        if is_choose_qparams_node(scale):
            return True
        scale = scale.args[0] if scale.args else None
    return False


def _weight(anchor: Node, argument: Node) -> tuple[Node, Node | float, Node | None, list[Node]]:
    """(int8 weight, scales, zero points, operators passed) behind the linear's weight operand.

    The zero points are None where the graph itself says that they are zero.
    """
    node = argument
    passed: list[Node] = []
    if anchor.target != LINEAR:
        node, passed = _behind_transpose(argument)
        if not passed:
            raise _No("weight is stored [K, N]; only [N, K] with a transpose is supported")
    name = op_name(node)
    weight = node_argument(node, 0)
    zeros: Node | None = None
    scales: Node | float
    if node.target == DEQUANTIZE_PER_CHANNEL:
        if node.args[3] != 0:
            raise _No(f"weight is quantized along axis {node.args[3]}, not along its rows")
        scales = node_argument(node, 1)
        zeros = named_argument(node, 2, "zero_points")
    elif node.target == DEQUANTIZE:
        if not isinstance(node.args[1], float):
            raise _No("weight scale is not a literal")
        scales = node.args[1]
        if node.args[2] != 0:
            raise _No("weight zero points are not all zero")
    elif DEQUANTIZE_AFFINE in name or "per_channel_group" in name:
        raise _No(f"weight is quantized per group ({name})")
    else:
        raise _No(f"weight is dequantized by {name}")
    _require_dtype(weight, torch.int8, "weight")
    if len(_sizes(weight)) != 2:
        raise _No(f"weight has {len(_sizes(weight))} dimensions, not 2")
    return weight, scales, zeros, [*passed, node]


def _require_dtype(node: Node, dtype: torch.dtype, what: str) -> None:
    tensor = tensor_of(node)
    found = None if tensor is None else tensor.dtype
    if found != dtype:
        raise _No(f"{what} dtype is {found}, not {dtype}")


def _check_constants(
    constants: Constants | None,
    weight: Node,
    scales: Node | float,
    zeros: Node | None,
    bias: Node | None,
    n: int,
) -> None:
    named = {"weight": weight, "weight scale": scales, "weight zero point": zeros, "bias": bias}
    for what, node in named.items():
        if not isinstance(node, Node):
            continue
        is_constant = node.op == "placeholder" if constants is None else constants.is_constant(node)
        if not is_constant:
            raise _No(f"{what} is not a constant")
    for what in ("weight scale", "bias"):
        node = named[what]
        if not isinstance(node, Node):
            continue
        tensor = tensor_of(node)
        # Constants that an earlier fusion padded to a multiple of 4 still hold N values in front.
        lengths = (n, (n + 3) // 4 * 4)
        if tensor is None or tensor.dim() != 1 or tensor.shape[0] not in lengths:
            raise _No(f"{what} is not a vector of {n} values")
        # Scales may be kept in float64; their float32 value is what the op uses.
        if tensor.dtype != torch.float32 and not (
            what == "weight scale" and tensor.dtype == torch.float64
        ):
            raise _No(f"{what} dtype is {tensor.dtype}, not torch.float32")


def _check_scaling(anchor: Node) -> None:
    for name in ("alpha", "beta"):
        if anchor.kwargs.get(name, 1) != 1:
            raise _No(f"addmm with {name} = {anchor.kwargs[name]}")


@dataclass(frozen=True)
class _Views:
    """Views around the linear: those to redo on int8 or on the result, and those that vanish."""

    x_view: Node | None
    out_view: Node | None
    float_output: Node | None
    absorbed: tuple[Node, ...] = ()


def _plan_views(
    anchor: Node,
    x: Node,
    x_views: list[Node],
    epilogue: Epilogue | None,
    shape: tuple[int, int],
) -> _Views:
    """The op works on [..., K] and gives [..., N].

    Views that only flatten the leading dimensions before the linear and bring them back behind
    it vanish.
    """
    n, k = shape
    x_sizes = _sizes(x)
    x_view = next((view for view in x_views if not _keeps_shape(view)), None)
    if epilogue is not None:
        behind = epilogue.view
    else:
        # A float result keeps at most the one view that undoes the flattening.
        user = next(iter(anchor.users)) if len(anchor.users) == 1 else None
        behind = user if user is not None and is_alias(user) else None
    if (
        x_view is not None
        and behind is not None
        and _same_sizes(x_sizes[-1:], [k])
        and _same_sizes(_sizes(behind), [*x_sizes[:-1], n])
        # A size that enters the partition as an input must stay in use: the blob has no way to
        # say that an input is ignored.
        and not any(reads_symint_input(view) for view in (*x_views, behind))
    ):
        if epilogue is None:
            return _Views(None, None, behind, (behind,))
        return _Views(None, None, None)
    if epilogue is None:
        return _Views(x_view, None, anchor)
    result_sizes = [*x_sizes[:-1], n] if x_view is None else _sizes(anchor)
    needed = behind is not None and not _same_sizes(_sizes(behind), result_sizes)
    return _Views(x_view, behind if needed else None, None)


def _sizes(node: Node) -> list[int]:
    """Sizes of the node's tensor; dynamic ones are SymInt."""
    tensor = tensor_of(node)
    assert tensor is not None
    return list(tensor.shape)


def _keeps_shape(alias: Node) -> bool:
    return _same_sizes(_sizes(node_argument(alias, 0)), _sizes(alias))


def _same_sizes(left: list[int], right: list[int]) -> bool:
    return len(left) == len(right) and all(
        statically_known_true(a == b) for a, b in zip(left, right, strict=True)
    )
