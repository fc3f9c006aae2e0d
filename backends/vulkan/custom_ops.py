"""Op schemas that the stock Vulkan library lacks, and the exact reference of every int8 op.

The references define what the kernels must return, byte for byte. They are also the eager
implementations of our overloads, so that a rewritten graph can run and be compared on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import executorch.backends.vulkan.custom_ops_lib  # noqa: F401  (defines the et_vk namespace)
import torch
from executorch.backends.vulkan.op_registry import OpFeatures, vulkan_supported_ops
from executorch.backends.vulkan.utils import ANY_STORAGE_INCL_PACKED_INT8, NO_STORAGE
from executorch.exir.dialects._ops import ops as exir_ops

from .runtime.graph.ops.glsl.activations import ACTIVATIONS

INT8_MIN, INT8_MAX = -128, 127

_LIBRARY = torch.library.Library("et_vk", "FRAGMENT")


def fl32(value: float) -> float:
    """`value` rounded to float32."""
    return torch.tensor(value, dtype=torch.float32).item()


def inverse_scale(scale: float) -> float:
    """1 / scale, divided in float64 and rounded to float32 as PyTorch's quantize does."""
    return fl32(1.0 / scale)


def quantize_value(
    value: float, scale: float, zero_point: int, quant_min: int, quant_max: int
) -> int:
    """The integer that quantize_per_tensor gives for one float32 `value`; infinities saturate."""
    scaled = torch.tensor(value, dtype=torch.float32) * inverse_scale(scale)
    return int(torch.clamp(torch.round(scaled) + zero_point, quant_min, quant_max))


def dequantize(x: torch.Tensor, scale: float, zero_point: int) -> torch.Tensor:
    """float32 of the shape of int8 `x`: (x - zero_point) * fl32(scale)."""
    return (x.to(torch.int32) - zero_point).to(torch.float32) * fl32(scale)


def quantize(
    f: torch.Tensor,
    scale: float,
    zero_point: int,
    quant_min: int = INT8_MIN,
    quant_max: int = INT8_MAX,
) -> torch.Tensor:
    """int8 of the shape of float32 `f`."""
    q = torch.round(f * inverse_scale(scale)) + zero_point
    return torch.clamp(q, quant_min, quant_max).to(torch.int8)


def activate(f: torch.Tensor, activation: str, alpha: float, beta: float) -> torch.Tensor:
    """A row of the activation table, by its aten op.

    Args:
        activation: a name in the table; "relu" is what the stock ops call clamp(0, inf).

    Raises:
        ValueError: for an activation that is not known.
    """
    if activation == "relu":
        return torch.relu(f)
    row = next((row for row in ACTIVATIONS if row.name == activation), None)
    if row is None:
        names = ", ".join(row.name for row in ACTIVATIONS)
        raise ValueError(f"activation must be relu or one of {names}, got {activation!r}")
    if not row.aten:
        return f
    name, _, overload = row.aten.partition(".")
    op = getattr(getattr(torch.ops.aten, name), overload)
    parameters = {key: value for (key, _), value in zip(row.parameters, (alpha, beta))}  # noqa: B905
    result: torch.Tensor = op(f, **parameters, **dict(row.keywords))
    return result


def linear_q8ta_q8csw(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    weights: torch.Tensor,
    weight_sums: torch.Tensor,
    weight_scales: torch.Tensor,
    bias: torch.Tensor | None,
    activation: str = "none",
    alpha: float = 0.0,
    beta: float = 0.0,
) -> torch.Tensor:
    """Int8 linear with a float32 result.

    Args:
        x: int8 [..., K].
        weights: int8 [N, K], symmetric.
        weight_sums: int32 [>= N], sum_k w[n, k]; kernels use it, this reference does not.
        weight_scales: float32 [>= N]; only the first N are read.
        bias: float32 [>= N] or None.
        activation, alpha, beta: name and parameters in the activation table.

    Returns:
        float32 [..., N].
    """
    n = weights.shape[0]
    # Every product and partial sum is an integer below 2**53, so float64 accumulates exactly and
    # is far faster on a CPU than an int32 matmul.
    centered = x.to(torch.float64) - input_zero_point
    acc = torch.matmul(centered, weights.to(torch.float64).t())
    scales = weight_scales[:n].to(torch.float32) * fl32(input_scale)
    out = acc.to(torch.float32) * scales
    if bias is not None:
        out = out + bias[:n]
    return activate(out, activation, alpha, beta)


def q8ta_linear(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    weights: torch.Tensor,
    weight_sums: torch.Tensor,
    weight_scales: torch.Tensor,
    output_scale: float,
    output_zero_point: int,
    bias: torch.Tensor | None,
    activation: str,
    alpha: float = 0.0,
    beta: float = 0.0,
    quant_min: int = INT8_MIN,
    quant_max: int = INT8_MAX,
) -> torch.Tensor:
    """Int8 linear with an int8 result; arguments as in `linear_q8ta_q8csw`.

    Args:
        activation, alpha, beta: applied in float32 before the result is quantized.
        quant_min, quant_max: bounds of the result; a clamp that follows the layer narrows them.

    Returns:
        int8 [..., N].
    """
    out = linear_q8ta_q8csw(
        x,
        input_scale,
        input_zero_point,
        weights,
        weight_sums,
        weight_scales,
        bias,
        activation,
        alpha,
        beta,
    )
    return quantize(out, output_scale, output_zero_point, quant_min, quant_max)


def q8ta_linear_residual(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    weights: torch.Tensor,
    weight_sums: torch.Tensor,
    weight_scales: torch.Tensor,
    linear_scale: float,
    linear_zero_point: int,
    bias: torch.Tensor | None,
    activation: str,
    alpha: float,
    beta: float,
    linear_quant_min: int,
    linear_quant_max: int,
    round_linear: bool,
    residual: torch.Tensor,
    residual_scale: float,
    residual_zero_point: int,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """Int8 linear, its activation, and the sum with another int8 tensor; the rest as above.

    Args:
        linear_scale, linear_zero_point, linear_quant_min, linear_quant_max: the grid onto which
            the layer's own result is rounded before the sum, if `round_linear`.
        residual: int8 [..., N].

    Returns:
        int8 [..., N].
    """
    f = linear_q8ta_q8csw(
        x,
        input_scale,
        input_zero_point,
        weights,
        weight_sums,
        weight_scales,
        bias,
        activation,
        alpha,
        beta,
    )
    if round_linear:
        q = quantize(f, linear_scale, linear_zero_point, linear_quant_min, linear_quant_max)
        f = dequantize(q, linear_scale, linear_zero_point)
    f = f + dequantize(residual, residual_scale, residual_zero_point)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def q8ta_table(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """table[x + 128] for int8 `x` of any shape; `table` holds 256 values, int8 or float32.

    uint8 `x` is taken for the int8 of the same bits, and a table may hold uint8, so that a table
    converts between the two.
    """
    return table[x.view(torch.int8).to(torch.int64) + 128]


_BINARY: dict[str, Callable[..., torch.Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
}


def q8ta_binary(
    a: torch.Tensor,
    a_scale: float,
    a_zero_point: int,
    b: torch.Tensor,
    b_scale: float,
    b_zero_point: int,
    op: str,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 of `a` add, sub or mul `b` in their real values; int8 operands that broadcast.

    Raises:
        ValueError: for another op.
    """
    if op not in _BINARY:
        raise ValueError(f"q8ta_binary: op must be add, sub or mul, got {op!r}")
    f = _BINARY[op](dequantize(a, a_scale, a_zero_point), dequantize(b, b_scale, b_zero_point))
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def q8ta_mean(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    dim: Sequence[int],
    keepdim: bool,
    output_scale: float,
    output_zero_point: int,
    quant_min: int,
    quant_max: int,
) -> torch.Tensor:
    """int8 mean of int8 `x` over the dimensions `dim`: an exact sum, then one multiplication."""
    total = (x.to(torch.int32) - input_zero_point).sum(list(dim), keepdim, dtype=torch.int32)
    count = x.numel() // max(total.numel(), 1)
    f = total.to(torch.float32) * fl32(input_scale / count)
    return quantize(f, output_scale, output_zero_point, quant_min, quant_max)


def fixed_view(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """`x` with other sizes, as aten.view_copy gives it."""
    return x.reshape(size).clone()


def _linear_meta(dtype: torch.dtype) -> Any:
    def meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
        weights: torch.Tensor = args[2]
        return x.new_empty([*x.shape[:-1], weights.shape[0]], dtype=dtype)

    return meta


def _dequantize_meta(x: torch.Tensor, scale: float, zero_point: int) -> torch.Tensor:
    return x.new_empty(x.shape, dtype=torch.float32)


def _view_meta(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    # Comparing a symbolic size with -1 would put a guard on it.
    open_at = [isinstance(one, int) and one == -1 for one in size]
    rest = math.prod(one for one, is_open in zip(size, open_at, strict=True) if not is_open)
    sizes = [
        x.numel() // rest if is_open else one for one, is_open in zip(size, open_at, strict=True)
    ]
    return x.new_empty(sizes)


_LINEAR_INPUTS = (
    "Tensor x, float input_scale, int input_zero_point, "
    "Tensor weights, Tensor weight_sums, Tensor weight_scales"
)


def _residual_meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
    residual: torch.Tensor = args[14]
    return residual.new_empty(residual.shape)


def _binary_meta(a: torch.Tensor, *args: Any) -> torch.Tensor:
    b: torch.Tensor = args[2]
    # The addition broadcasts dynamic sizes without fixing them.
    return a.new_empty((a + b).shape)


def _mean_meta(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    dim: Sequence[int],
    keepdim: bool,
    *args: Any,
) -> torch.Tensor:
    shape = torch.mean(x.new_empty(x.shape, dtype=torch.float32), list(dim), keepdim).shape
    return x.new_empty(shape)


def _define(name: str, arguments: str, reference: Any, meta: Any) -> None:
    _LIBRARY.define(f"{name}({arguments}) -> Tensor")
    _LIBRARY.impl(name, reference, "CompositeExplicitAutograd")
    _LIBRARY.impl(name, meta, "Meta")


_ACTIVATION = "str activation, float alpha, float beta"
_OUTPUT = "float output_scale, int output_zero_point, int quant_min, int quant_max"

_define(
    "q8ta_linear.bounded",
    f"{_LINEAR_INPUTS}, float output_scale, int output_zero_point, Tensor? bias, "
    f"{_ACTIVATION}, int quant_min, int quant_max",
    q8ta_linear,
    _linear_meta(torch.int8),
)
_define(
    "q8ta_linear.residual",
    f"{_LINEAR_INPUTS}, float linear_scale, int linear_zero_point, Tensor? bias, "
    f"{_ACTIVATION}, int linear_quant_min, int linear_quant_max, bool round_linear, "
    f"Tensor residual, float residual_scale, int residual_zero_point, {_OUTPUT}",
    q8ta_linear_residual,
    _residual_meta,
)
_define(
    "linear_q8ta_q8csw.int8",
    f"{_LINEAR_INPUTS}, Tensor? bias, {_ACTIVATION}",
    linear_q8ta_q8csw,
    _linear_meta(torch.float32),
)
_define(
    "q8ta_table",
    "Tensor x, Tensor table",
    q8ta_table,
    lambda x, table: x.new_empty(x.shape, dtype=table.dtype),
)
_define(
    "q8ta_binary",
    "Tensor a, float a_scale, int a_zero_point, "
    f"Tensor b, float b_scale, int b_zero_point, str op, {_OUTPUT}",
    q8ta_binary,
    _binary_meta,
)
_define(
    "q8ta_mean",
    f"Tensor x, float input_scale, int input_zero_point, int[] dim, bool keepdim, {_OUTPUT}",
    q8ta_mean,
    _mean_meta,
)
# The name is not one that the stock passes take for a dequantize, so they leave it alone.
_define("q8ta_dequantize", "Tensor x, float scale, int zero_point", dequantize, _dequantize_meta)
# A view that no stock pass merges with another; see patterns/view_sizes.py.
_define(
    "fixed_view",
    "Tensor x, SymInt[] size",
    fixed_view,
    _view_meta,
)

# The stock implementations stand in for their own shape functions and fail on dynamic shapes.
for _name in ("q8ta_linear", "q8ta_linear_gemv"):
    _LIBRARY.impl(_name, _linear_meta(torch.int8), "Meta")

Q8TA_LINEAR = exir_ops.edge.et_vk.q8ta_linear.default
Q8TA_LINEAR_GEMV = exir_ops.edge.et_vk.q8ta_linear_gemv.default
Q8TA_LINEAR_BOUNDED = exir_ops.edge.et_vk.q8ta_linear.bounded
LINEAR_FLOAT_OUT = exir_ops.edge.et_vk.linear_q8ta_q8csw.int8
Q8TA_LINEAR_RESIDUAL = exir_ops.edge.et_vk.q8ta_linear.residual
Q8TA_TABLE = exir_ops.edge.et_vk.q8ta_table.default
Q8TA_BINARY = exir_ops.edge.et_vk.q8ta_binary.default
Q8TA_MEAN = exir_ops.edge.et_vk.q8ta_mean.default
FIXED_VIEW = exir_ops.edge.et_vk.fixed_view.default
Q8TA_DEQUANTIZE = exir_ops.edge.et_vk.q8ta_dequantize.default

# Exact meaning of each op that our rewrites emit; the stock implementations round differently.
REFERENCES: dict[Any, Any] = {
    Q8TA_LINEAR: q8ta_linear,
    Q8TA_LINEAR_GEMV: q8ta_linear,
    Q8TA_LINEAR_BOUNDED: q8ta_linear,
    Q8TA_LINEAR_RESIDUAL: q8ta_linear_residual,
    LINEAR_FLOAT_OUT: linear_q8ta_q8csw,
    Q8TA_TABLE: q8ta_table,
    Q8TA_BINARY: q8ta_binary,
    Q8TA_MEAN: q8ta_mean,
    Q8TA_DEQUANTIZE: dequantize,
}


def _register_features(op: Any, activations: Sequence[int] = (0,)) -> None:
    """Tell the stock passes that `op` exists and packs its own constants.

    Our runtime has one layout, so every storage is accepted for activations.

    Args:
        activations: positions of the tensors that are computed at run time.
    """
    if op in vulkan_supported_ops:
        return
    arguments = op._schema.arguments
    vulkan_supported_ops[op] = OpFeatures(
        inputs_storage=[
            ANY_STORAGE_INCL_PACKED_INT8 if index in activations else NO_STORAGE
            for index in range(len(arguments))
        ],
        outputs_storage=[ANY_STORAGE_INCL_PACKED_INT8],
        supports_resize=True,
        supports_highdim=True,
        supports_prepacking=True,
    )


for _op in (Q8TA_LINEAR_BOUNDED, LINEAR_FLOAT_OUT, Q8TA_TABLE, Q8TA_MEAN, Q8TA_DEQUANTIZE):
    _register_features(_op)
_register_features(FIXED_VIEW)
_register_features(Q8TA_LINEAR_RESIDUAL, (0, 15))
_register_features(Q8TA_BINARY, (0, 3))
