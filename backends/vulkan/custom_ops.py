"""Op schemas that the stock Vulkan library lacks, and the exact reference of every int8 op.

The references define what the kernels must return, byte for byte. They are also the eager
implementations of our overloads, so that a rewritten graph can run and be compared on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import executorch.backends.vulkan.custom_ops_lib  # noqa: F401  (defines the et_vk namespace)
import torch
from executorch.backends.vulkan.op_registry import OpFeatures, vulkan_supported_ops
from executorch.backends.vulkan.utils import ANY_STORAGE_INCL_PACKED_INT8, NO_STORAGE
from executorch.exir.dialects._ops import ops as exir_ops

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


def linear_q8ta_q8csw(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    weights: torch.Tensor,
    weight_sums: torch.Tensor,
    weight_scales: torch.Tensor,
    bias: torch.Tensor | None,
) -> torch.Tensor:
    """Int8 linear with a float32 result.

    Args:
        x: int8 [..., K].
        weights: int8 [N, K], symmetric.
        weight_sums: int32 [>= N], sum_k w[n, k]; kernels use it, this reference does not.
        weight_scales: float32 [>= N]; only the first N are read.
        bias: float32 [>= N] or None.

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
    return out if bias is None else out + bias[:n]


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
    quant_min: int = INT8_MIN,
    quant_max: int = INT8_MAX,
) -> torch.Tensor:
    """Int8 linear with an int8 result; arguments as in `linear_q8ta_q8csw`.

    Args:
        activation: "none" or "relu", applied in float32 before the result is quantized.
        quant_min, quant_max: bounds of the result; a clamp that follows the layer narrows them.

    Returns:
        int8 [..., N].

    Raises:
        ValueError: for an activation that is not known.
    """
    out = linear_q8ta_q8csw(
        x, input_scale, input_zero_point, weights, weight_sums, weight_scales, bias
    )
    if activation == "relu":
        out = torch.relu(out)
    elif activation != "none":
        raise ValueError(f"q8ta_linear: activation must be none or relu, got {activation!r}")
    q = torch.round(out * inverse_scale(output_scale)) + output_zero_point
    return torch.clamp(q, quant_min, quant_max).to(torch.int8)


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
    known = math.prod(one for one in size if not (isinstance(one, int) and one == -1))
    return x.new_empty([x.numel() // known if isinstance(one, int) and one == -1 else one for one in size])


_LINEAR_INPUTS = (
    "Tensor x, float input_scale, int input_zero_point, "
    "Tensor weights, Tensor weight_sums, Tensor weight_scales"
)


def _define(name: str, arguments: str, reference: Any, meta: Any) -> None:
    _LIBRARY.define(f"{name}({arguments}) -> Tensor")
    _LIBRARY.impl(name, reference, "CompositeExplicitAutograd")
    _LIBRARY.impl(name, meta, "Meta")


_define(
    "q8ta_linear.bounded",
    f"{_LINEAR_INPUTS}, float output_scale, int output_zero_point, Tensor? bias, "
    "str activation, int quant_min, int quant_max",
    q8ta_linear,
    _linear_meta(torch.int8),
)
_define(
    "linear_q8ta_q8csw.int8",
    f"{_LINEAR_INPUTS}, Tensor? bias",
    linear_q8ta_q8csw,
    _linear_meta(torch.float32),
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
FIXED_VIEW = exir_ops.edge.et_vk.fixed_view.default
Q8TA_DEQUANTIZE = exir_ops.edge.et_vk.q8ta_dequantize.default

# Exact meaning of each op that our rewrites emit; the stock implementations round differently.
REFERENCES: dict[Any, Any] = {
    Q8TA_LINEAR: q8ta_linear,
    Q8TA_LINEAR_GEMV: q8ta_linear,
    Q8TA_LINEAR_BOUNDED: q8ta_linear,
    LINEAR_FLOAT_OUT: linear_q8ta_q8csw,
    Q8TA_DEQUANTIZE: dequantize,
}


def _register_features(op: Any, tensor_arguments: Sequence[bool]) -> None:
    """Tell the stock passes that `op` exists and packs its own constants.

    Our runtime has one layout, so every storage is accepted for activations.
    """
    if op in vulkan_supported_ops:
        return
    vulkan_supported_ops[op] = OpFeatures(
        inputs_storage=[
            ANY_STORAGE_INCL_PACKED_INT8 if activation else NO_STORAGE
            for activation in tensor_arguments
        ],
        outputs_storage=[ANY_STORAGE_INCL_PACKED_INT8],
        supports_resize=True,
        supports_highdim=True,
        supports_prepacking=True,
    )


_register_features(Q8TA_LINEAR_BOUNDED, [True] + [False] * 11)
_register_features(LINEAR_FLOAT_OUT, [True] + [False] * 6)
_register_features(Q8TA_DEQUANTIZE, [True, False, False])
_register_features(FIXED_VIEW, [True, False])
