"""Int8 linears: references, schemas, edge ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..runtime.graph.ops.glsl.activations import ACTIVATIONS
from .definition import adopt, define
from .formulas import INT8_MAX, INT8_MIN, dequantize, fl32, look_up, quantize


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
    table: torch.Tensor | None = None,
) -> torch.Tensor:
    """Int8 linear with an int8 result; arguments as in `linear_q8ta_q8csw`.

    Args:
        activation, alpha, beta: applied in float32 before the result is quantized.
        quant_min, quant_max: bounds of the result; a clamp that follows the layer narrows them.
        table: int8 [256], what becomes of each quantized result from -128 on; or None.

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
    q = quantize(out, output_scale, output_zero_point, quant_min, quant_max)
    return look_up(q, table)


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
    table: torch.Tensor | None = None,
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
    q = quantize(f, output_scale, output_zero_point, quant_min, quant_max)
    return look_up(q, table)


def linear_as_bounded(args: Sequence[Any]) -> tuple[Any, ...]:
    """Arguments of `q8ta_linear.bounded` for those of the stock q8ta_linear and its gemv."""
    return (*args, 0.0, 0.0, INT8_MIN, INT8_MAX)


def _linear_meta(dtype: torch.dtype) -> Any:
    def meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
        weights: torch.Tensor = args[2]
        return x.new_empty([*x.shape[:-1], weights.shape[0]], dtype=dtype)

    return meta


def _residual_meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
    residual: torch.Tensor = args[14]
    return residual.new_empty(residual.shape)


MAC_INPUTS = (  # of convolutions too
    "Tensor x, float input_scale, int input_zero_point, "
    "Tensor weights, Tensor weight_sums, Tensor weight_scales"
)
MAC_RANGE = "int quant_min, int quant_max, Tensor? table=None"  # behind it, likewise
_ACTIVATION = "str activation, float alpha, float beta"

Q8TA_LINEAR = adopt("q8ta_linear", q8ta_linear, _linear_meta(torch.int8))
Q8TA_LINEAR_GEMV = adopt("q8ta_linear_gemv", q8ta_linear, _linear_meta(torch.int8))
Q8TA_LINEAR_BOUNDED = define(
    "q8ta_linear.bounded",
    f"{MAC_INPUTS}, float output_scale, int output_zero_point, Tensor? bias, "
    f"{_ACTIVATION}, {MAC_RANGE}",
    q8ta_linear,
    _linear_meta(torch.int8),
)
Q8TA_LINEAR_RESIDUAL = define(
    "q8ta_linear.residual",
    f"{MAC_INPUTS}, float linear_scale, int linear_zero_point, Tensor? bias, "
    f"{_ACTIVATION}, int linear_quant_min, int linear_quant_max, bool round_linear, "
    "Tensor residual, float residual_scale, int residual_zero_point, "
    f"float output_scale, int output_zero_point, {MAC_RANGE}",
    q8ta_linear_residual,
    _residual_meta,
    ("x", "residual"),
)
LINEAR_FLOAT_OUT = define(
    "linear_q8ta_q8csw.int8",
    f"{MAC_INPUTS}, Tensor? bias, {_ACTIVATION}",
    linear_q8ta_q8csw,
    _linear_meta(torch.float32),
)
