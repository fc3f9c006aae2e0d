"""The edge operators that the rules speak of, and readers of their arguments.

An operator's argument order is written here once; the rules read arguments by name.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from executorch.exir.tensor import dim_order_from_stride
from torch._prims_common import is_contiguous_or_false
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.utils._sympy.numbers import int_oo

from ...custom_ops import FIXED_VIEW, INT8_MAX, INT8_MIN, Q8TA_DEQUANTIZE

_aten = exir_ops.edge.aten
_decomposed = exir_ops.edge.quantized_decomposed

LINEAR = _aten.linear.default
MM = _aten.mm.default
ADDMM = _aten.addmm.default
BMM = _aten.bmm.default
LINEAR_OPS = frozenset({LINEAR, MM, ADDMM, BMM})
CONVOLUTION = _aten.convolution.default
# Layers: a constant weight, and sums of its products with an activation.
MAC_OPS = LINEAR_OPS | {CONVOLUTION}

QUANTIZE = _decomposed.quantize_per_tensor.default
DEQUANTIZE = _decomposed.dequantize_per_tensor.default
# With a scale and a zero point that are tensors.
DEQUANTIZE_TENSOR = _decomposed.dequantize_per_tensor.tensor
DEQUANTIZE_PER_CHANNEL = _decomposed.dequantize_per_channel.default
DEQUANTIZE_AFFINE = "dequantize_affine"

TRANSPOSE_OPS = frozenset({_aten.permute_copy.default, _aten.t_copy.default})
VIEW = _aten.view_copy.default
SQUEEZE = _aten.squeeze_copy.dims
UNSQUEEZE = _aten.unsqueeze_copy.default
CLONE_OPS = frozenset(
    {
        _aten.clone.default,
        _aten.alias_copy.default,
        exir_ops.edge.dim_order_ops._clone_dim_order.default,
    }
)
# Ops that only rename the elements of a contiguous tensor.
ALIAS_OPS = CLONE_OPS | {VIEW, FIXED_VIEW, SQUEEZE, UNSQUEEZE}

PERMUTE = _aten.permute_copy.default
TRANSPOSE = _aten.transpose_copy.int
SLICE = _aten.slice_copy.Tensor
SELECT = _aten.select_copy.int
EXPAND = _aten.expand_copy.default
CAT = _aten.cat.default
FLIP = _aten.flip.default
REPEAT = _aten.repeat.default
UPSAMPLE_NEAREST = _aten.upsample_nearest2d.vec
# Ops that move elements and compute nothing, apart from the aliases.
MOVE_OPS = frozenset(
    {
        *(PERMUTE, TRANSPOSE, _aten.t_copy.default, SLICE, SELECT, EXPAND, CAT),
        *(FLIP, REPEAT, UPSAMPLE_NEAREST),
    }
)
# Moves by tensors of integers.
INDEX = _aten.index.Tensor
INDEX_SELECT = _aten.index_select.default
INDEX_OPS = frozenset({INDEX, INDEX_SELECT})
# Sets a tensor into numbers.
PAD = _aten.constant_pad_nd.default
SLICE_SCATTER = _aten.slice_scatter.default
COPY = _aten.copy.default  # of the second tensor, in the first one's shape
# Writes to places that tensors of integers give.
INDEX_PUT = _aten.index_put.default
SCATTER_ADD = _aten.scatter_add.default
SCATTER_OPS = frozenset({_aten.scatter.src, _aten.scatter.value, SCATTER_ADD})
SPLIT = _aten.split_copy.Tensor
SPLIT_SIZES = _aten.split_with_sizes_copy.default
UNBIND = _aten.unbind_copy.int
# Ops of several results, whose getitem is a slice or select.
SPLIT_OPS = frozenset({SPLIT, SPLIT_SIZES, UNBIND})

INDEX_DTYPES = (torch.int32, torch.int64)

ARGMAX, ARGMIN = _aten.argmax.default, _aten.argmin.default
# Elements of a dimension in the order of their size and where they are, two results.
MAX_DIM, MIN_DIM = _aten.max.dim, _aten.min.dim
TOPK, SORT, STABLE_SORT = _aten.topk.default, _aten.sort.default, _aten.sort.stable
EXTREME_OPS = frozenset({MAX_DIM, MIN_DIM, TOPK, SORT, STABLE_SORT})
CUMSUM = _aten.cumsum.default
CONVERT = _aten._to_copy.default

ADD, SUB, MUL = _aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Tensor
MUL_SCALAR = _aten.mul.Scalar
UPSAMPLE_BILINEAR = _aten.upsample_bilinear2d.vec
# Batch norm with fixed statistics; its first result is the normalized tensor.
BATCH_NORM = _aten._native_batch_norm_legit_no_training.default
MEAN = _aten.mean.dim
MEAN_ALL = _aten.mean.default

MAX_POOL = _aten.max_pool2d_with_indices.default
ADAPTIVE_MAX_POOL = _aten.adaptive_max_pool2d.default
AVG_POOL = _aten.avg_pool2d.default
ADAPTIVE_AVG_POOL = _aten._adaptive_avg_pool2d.default
POOL_OPS = frozenset({MAX_POOL, ADAPTIVE_MAX_POOL, AVG_POOL, ADAPTIVE_AVG_POOL})
SOFTMAX, LOG_SOFTMAX = _aten._softmax.default, _aten._log_softmax.default
LAYER_NORM = _aten.native_layer_norm.default
GROUP_NORM = _aten.native_group_norm.default
BATCH_NORM_OF_BATCH = _aten._native_batch_norm_legit.no_stats
VARIANCE = _aten.var.correction
ANY_OPS = frozenset({_aten.any.default, _aten.any.dim, _aten.any.dims})
# Ops of several results, of which kernels make the first.
FIRST_RESULT_OPS = frozenset(
    {MAX_POOL, ADAPTIVE_MAX_POOL, LAYER_NORM, GROUP_NORM, BATCH_NORM_OF_BATCH}
)

SYM_SIZE = torch.ops.aten.sym_size.int

RELU = _aten.relu.default
GELU = _aten.gelu.default
HARDTANH = _aten.hardtanh.default
RELU6 = _aten.relu6.default
CLAMP = _aten.clamp.default
ROUND = _aten.round.default
CLAMP_TENSOR = _aten.clamp.Tensor  # with bounds that are tensors


def op_name(node: Node) -> str:
    """The operator's name as it stands in a blob, such as aten.mm.default."""
    return str(getattr(node.target, "__name__", node.target))


def overload_of(node: Node) -> torch._ops.OpOverload | None:
    """The ATen operator that an edge operator stands for, or that `node` calls itself."""
    for op in (node.target, getattr(node.target, "_op", None)):
        if isinstance(op, torch._ops.OpOverload):
            return op
    return None


def without_copy(target: Any) -> Any:
    """What gives the same tensor as `target`, as a view where that is an op of MOVE_OPS or a view.

    Edge operators copy, which costs time and memory where large constants are computed.
    """
    if target == VIEW:
        return torch.ops.aten.reshape.default
    if target not in MOVE_OPS | SPLIT_OPS | {SQUEEZE, UNSQUEEZE}:
        return target
    op = target._op
    packet = getattr(torch.ops.aten, op._opname.removesuffix("_copy"))
    return getattr(packet, op._overloadname)


def op_of(node: Node) -> Node:
    """The op that `node` is a result of: itself, or what a getitem reads."""
    while node.target is operator.getitem:
        node = node_argument(node, 0)
    return node


def first_result(node: Node) -> Node | None:
    """The node that is the first result of `node`, or `node` itself where it has one.

    None where another result of FIRST_RESULT_OPS is read too, or none of them.
    """
    if node.target not in FIRST_RESULT_OPS:
        return node
    results = list(node.users)
    is_first = len(results) == 1 and results[0].target is operator.getitem
    return results[0] if is_first and results[0].args[1] == 0 else None


def named_argument(node: Node, index: int, name: str, default: Any = None) -> Any:
    """Argument `index`, also when it was passed as the keyword `name`."""
    if index < len(node.args):
        return node.args[index]
    return node.kwargs.get(name, default)


def arguments_of(node: Node) -> dict[str, Any]:
    """What a node gives its op, by name, with the schema's defaults."""
    found = {}
    for index, argument in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
        if not argument.kwarg_only and index < len(node.args):
            found[argument.name] = node.args[index]
        else:
            found[argument.name] = node.kwargs.get(argument.name, argument.default_value)
    return found


def node_argument(node: Node, index: int) -> Node:
    """Argument `index` of an operator whose schema makes it a tensor."""
    argument = node.args[index]
    if not isinstance(argument, Node):
        raise TypeError(f"{node.name}: argument {index} must be a tensor, got {argument!r}")
    return argument


def permutation_of(node: Node) -> list[int]:
    """What a permute or transpose permutes the dimensions by, none negative."""
    rank = len(sizes_of(node))
    if node.target == PERMUTE:
        return [int(dim) % rank for dim in named_argument(node, 1, "dims")]
    dims = list(range(rank))
    first, second = (int(dim) % rank for dim in node.args[1:3])  # type: ignore[arg-type]
    dims[first], dims[second] = dims[second], dims[first]
    return dims


def second_matrix(product: Node) -> Node:
    """What a mm, bmm or addmm multiplies its first matrix by."""
    return node_argument(product, 2 if product.target == ADDMM else 1)


def transposes_nothing(product: Node) -> bool:
    """True for a mm or addmm whose second matrix is permuted to the order that it has.

    ExecuTorch's passes take any permute there for a transpose, and the product for a linear.
    """
    if product.target not in (MM, ADDMM) or second_matrix(product).target != PERMUTE:
        return False
    return [dim % 2 for dim in named_argument(second_matrix(product), 1, "dims")] != [1, 0]


def tensor_of(node: Node) -> torch.Tensor | None:
    """The fake tensor that stands for the node's value, or None where it is not one tensor."""
    value = node.meta.get("val")
    return value if isinstance(value, torch.Tensor) else None


def sizes_of(node: Node) -> list[int]:
    """Sizes of the node's tensor; dynamic ones are SymInt."""
    tensor = tensor_of(node)
    assert tensor is not None, node
    return list(tensor.shape)


def largest_size(size: int) -> float:
    """The upper bound of a size that may be a SymInt; infinity where it has none."""
    if isinstance(size, torch.SymInt):
        bound = size.node.shape_env.bound_sympy(size.node.expr).upper
        return math.inf if bound is int_oo else int(bound)
    return size


def same_sizes(left: Sequence[int], right: Sequence[int]) -> bool:
    """True where the sizes are equal whatever the dynamic ones among them are."""
    return len(left) == len(right) and all(
        statically_known_true(a == b) for a, b in zip(left, right, strict=True)
    )


def dim_order_of(node: Node) -> tuple[int, ...] | None:
    """The dim order of a tensor as ExecuTorch sees it; None where it is row-major, or no tensor."""
    tensor = tensor_of(node)
    if tensor is None or any(isinstance(one, int) and one == 0 for one in tensor.stride()):
        return None
    order = tuple(int(dim) for dim in dim_order_from_stride(tensor.stride()))
    return None if order == tuple(range(len(order))) else order


def is_contiguous(node: Node) -> bool:
    """True for a tensor without gaps in some order of its dimensions; a delegate takes and gives
    any, and inside of one it makes no difference (`passes/dim_orders.py`)."""
    tensor = tensor_of(node)
    if tensor is None:
        return False
    if is_contiguous_or_false(tensor):
        return True
    order = dim_order_of(node)
    return order is not None and is_contiguous_or_false(tensor.permute(order))


def is_alias(node: Node) -> bool:
    """True for a view or copy that keeps the order of a contiguous tensor's elements."""
    return node.target in ALIAS_OPS and is_contiguous(node)


def part_as_slice(node: Node) -> tuple[Any, tuple[Any, ...]] | None:
    """One result of a split, chunk or unbind as (slice or select, its arguments behind the tensor).

    None for other nodes, and where sizes are computed at run time.
    """
    if node.target is not operator.getitem or node_argument(node, 0).target not in SPLIT_OPS:
        return None
    split, index = node_argument(node, 0), node.args[1]
    assert isinstance(index, int)
    if split.target == UNBIND:
        return SELECT, (named_argument(split, 1, "dim", 0), index)
    sizes, dim = split.args[1], named_argument(split, 2, "dim", 0)
    if isinstance(sizes, int):
        return SLICE, (dim, index * sizes, (index + 1) * sizes)
    if not isinstance(sizes, (list, tuple)) or not all(isinstance(size, int) for size in sizes):
        return None
    start = sum(sizes[:index])
    return SLICE, (dim, start, start + sizes[index])  # type: ignore[operator]


def is_part(node: Node) -> bool:
    """True for one result of a split, chunk or unbind that is a slice or select."""
    return part_as_slice(node) is not None


def dtype_of(node: Node) -> torch.dtype | None:
    """None where the value is no tensor."""
    tensor = tensor_of(node)
    return None if tensor is None else tensor.dtype


def is_float32(node: Node) -> bool:
    return dtype_of(node) == torch.float32


def is_symint(node: Node) -> bool:
    return isinstance(node.meta.get("val"), (torch.SymInt, int))


def reads_symint_input(node: Node) -> bool:
    """True where a size that `node` reads enters the graph as an input of its own."""
    return any(
        source.op == "placeholder" or reads_symint_input(source)
        for source in node.all_input_nodes
        if is_symint(source)
    )


@dataclass(frozen=True)
class QuantParams:
    """Static per-tensor quantization: real = (q - zero_point) * scale."""

    scale: float
    zero_point: int
    quant_min: int
    quant_max: int
    dtype: torch.dtype

    def same_grid(self, other: QuantParams) -> bool:
        """True where both map an integer to the same real number; bounds may differ."""
        return (self.scale, self.zero_point, self.dtype) == (
            other.scale,
            other.zero_point,
            other.dtype,
        )

    def int8_problem(self) -> str | None:
        """Why our int8 kernels can't honour these parameters, or None."""
        if self.dtype != torch.int8:
            return f"dtype is {self.dtype}, not int8; quantize activations to int8"
        if not INT8_MIN <= self.quant_min <= self.quant_max <= INT8_MAX:
            return (
                f"range {self.quant_min}..{self.quant_max} is not within -128..127; set quant_min "
                "and quant_max of its quantization spec within it"
            )
        if not INT8_MIN <= self.zero_point <= INT8_MAX:
            return (
                f"zero point {self.zero_point} is not within -128..127; use an observer that keeps "
                "zero inside the range"
            )
        return self.scale_problem()

    def scale_problem(self) -> str | None:
        """Why float32 can't honour the scale, or None."""
        # Beyond this, scale or 1 / scale is not a normal float32 and drivers may flush it.
        if not (math.isfinite(self.scale) and 1e-37 < self.scale < 1e37):
            return (
                f"scale {self.scale} is not a positive normal float32; calibrate with inputs that "
                "are finite and not all zero"
            )
        return None


def static_quant_params(node: Node) -> QuantParams | None:
    """Parameters of a per-tensor quantize or dequantize whose scale is a literal, else None."""
    if node.target not in (QUANTIZE, DEQUANTIZE):
        return None
    _, scale, zero_point, quant_min, quant_max, dtype = node.args[:6]
    if not isinstance(scale, float) or not isinstance(zero_point, int):
        return None
    return QuantParams(scale, zero_point, int(quant_min), int(quant_max), dtype)  # type: ignore[arg-type]


def activation_dequantize_params(node: Node) -> QuantParams | None:
    """As `static_quant_params`, for a dequantize only, in the stock or in our own form."""
    if node.target == DEQUANTIZE:
        return static_quant_params(node)
    if node.target == Q8TA_DEQUANTIZE:
        _, scale, zero_point = node.args
        return QuantParams(scale, zero_point, INT8_MIN, INT8_MAX, torch.int8)  # type: ignore[arg-type]
    return None


def is_dequantize(node: Node) -> bool:
    """True for a dequantize of any kind, static or dynamic."""
    return node.op == "call_function" and "dequantize" in op_name(node)


def is_quantize(node: Node) -> bool:
    """True for a quantize of any kind, static or dynamic."""
    name = op_name(node).removeprefix("quantized_decomposed.")
    return node.op == "call_function" and "quantize" in name and not is_dequantize(node)


def float_problem(node: Node) -> str | None:
    """Why nothing here computes in the node's floating dtype, or None for other dtypes."""
    tensor = tensor_of(node)
    if tensor is None or tensor.dtype == torch.float32 or not tensor.is_floating_point():
        return None
    return (
        f"it computes in {tensor.dtype}, and layers here in int8 and float32; call float() on the "
        "model before it is quantized, and on its inputs"
    )


def clamp_bounds(node: Node) -> tuple[float, float] | None:
    """(low, high) in float that a relu, hardtanh, relu6 or clamp keeps, or None for another op."""
    if node.target == RELU:
        return 0.0, math.inf
    if node.target == RELU6:
        return 0.0, 6.0
    if node.target == HARDTANH:
        low, high = (
            named_argument(node, 1, "min_val", -1.0),
            named_argument(node, 2, "max_val", 1.0),
        )
    elif node.target == CLAMP:
        low, high = named_argument(node, 1, "min"), named_argument(node, 2, "max")
    else:
        return None
    low = -math.inf if low is None else low
    high = math.inf if high is None else high
    # Bounds may be symbolic, and a NaN bound turns every value into NaN: neither is a clamp.
    if not all(isinstance(v, (int, float)) and not math.isnan(v) for v in (low, high)):
        return None
    return float(low), float(high)
