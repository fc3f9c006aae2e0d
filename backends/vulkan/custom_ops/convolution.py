"""Int8 convolutions of one and two dimensions: references, schemas, edge ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .definition import adopt, define
from .dynamic_linear import DYNAMIC_INPUTS, quantize_rows, row_grids
from .formulas import INT8_MAX, INT8_MIN, dequantize, fl32, look_up, quantize
from .linear import MAC_INPUTS, MAC_RANGE, activate


def conv2d_q8ta_q8csw(
    x: torch.Tensor,
    input_scale: float,
    input_zero_point: int,
    weights: torch.Tensor,
    weight_sums: torch.Tensor,
    weight_scales: torch.Tensor,
    bias: torch.Tensor | None,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    groups: int,
    activation: str = "none",
    alpha: float = 0.0,
    beta: float = 0.0,
) -> torch.Tensor:
    """Int8 convolution with a float32 result; what the window reads of padding adds nothing.

    Args:
        x: int8 [batch, IC, *sizes], of as many sizes as the lists have elements: one or two.
        weights: int8 [OC, K], symmetric; each row is [*kernel_size, IC / groups], and may have
            zeros behind that.
        weight_sums: int32 [>= OC], sum_k w[n, k]; kernels use it, this reference does not.
        weight_scales: float32 [>= OC]; only the first OC are read.
        bias: float32 [>= OC] or None.
        kernel_size, stride, padding, output_padding, dilation, transposed, groups: as those of
            aten.convolution.
        activation, alpha, beta: name and parameters in the activation table.

    Returns:
        float32 [batch, OC, *sizes].
    """
    oc, ic = weights.shape[0], x.shape[1] // groups
    taps = weights[:, : torch.Size(kernel_size).numel() * ic].reshape(oc, *kernel_size, ic)
    if transposed:
        taps = taps.reshape(groups, oc // groups, *kernel_size, ic).movedim(-1, 1)
        taps = taps.reshape(groups * ic, oc // groups, *kernel_size)
    else:
        taps = taps.movedim(-1, 1)
    # float64 accumulates exactly, as for linears.
    centered = x.to(torch.float64) - input_zero_point
    acc = torch.convolution(
        centered,
        taps.to(torch.float64),
        None,
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
    )
    of_channel = [-1] + [1] * len(kernel_size)
    scales = weight_scales[:oc].to(torch.float32) * fl32(input_scale)
    out = acc.to(torch.float32) * scales.reshape(of_channel)
    if bias is not None:
        out = out + bias[:oc].reshape(of_channel)
    return activate(out, activation, alpha, beta)


def q8ta_conv2d(*args: Any) -> torch.Tensor:
    """Int8 convolution with an int8 result; arguments as in the schema of `q8ta_conv2d.bounded`.

    Returns:
        int8 [batch, OC, *sizes].
    """
    inputs, grid, layer, bounds = args[:6], args[6:8], args[8:19], args[19:21]
    q = quantize(conv2d_q8ta_q8csw(*inputs, *layer), *grid, *bounds)
    return look_up(q, *args[21:] or (None,))


def q8ta_conv2d_residual(*args: Any) -> torch.Tensor:
    """Int8 convolution, its activation, and the sum with another int8 tensor; arguments as in the
    schema of `q8ta_conv2d.residual`, with the meaning of those of `q8ta_linear_residual`.

    Returns:
        int8 [batch, OC, *sizes].
    """
    inputs, grid, layer, bounds, is_rounded = args[:6], args[6:8], args[8:19], args[19:21], args[21]
    residual, output = args[22:25], args[25:29]
    f = conv2d_q8ta_q8csw(*inputs, *layer)
    if is_rounded:
        f = dequantize(quantize(f, *grid, *bounds), *grid)
    return look_up(quantize(f + dequantize(*residual), *output), *args[29:] or (None,))


def conv2d_as_bounded(args: Sequence[Any]) -> tuple[Any, ...]:
    """Arguments of `q8ta_conv2d.bounded` for those of the stock q8ta_conv2d and q8ta_conv2d_pw."""
    kernel_size, stride, padding, dilation, groups, activation = args[9:]
    window = (kernel_size, stride, padding, [0] * len(stride), dilation, False, groups)
    return (*args[:9], *window, activation, 0.0, 0.0, INT8_MIN, INT8_MAX)


def conv2d_transposed_as_bounded(args: Sequence[Any]) -> tuple[Any, ...]:
    """The same for q8ta_conv2d_transposed."""
    kernel_size, stride, padding, output_padding, dilation, groups, activation = args[9:]
    window = (kernel_size, stride, padding, output_padding, dilation, True, groups)
    return (*args[:9], *window, activation, 0.0, 0.0, INT8_MIN, INT8_MAX)


def rows_of_taps(weights: torch.Tensor) -> torch.Tensor:
    """[C, taps] of the weights of the stock q8ta_conv2d_dw, [*kernel_size, C]."""
    return weights.flatten(0, -2).t()


def _stock_conv2d(*args: Any) -> torch.Tensor:
    return q8ta_conv2d(*conv2d_as_bounded(args))


def _stock_conv2d_dw(*args: Any) -> torch.Tensor:
    return _stock_conv2d(*args[:3], rows_of_taps(args[3]), *args[4:])


def _stock_conv2d_transposed(*args: Any) -> torch.Tensor:
    return q8ta_conv2d(*conv2d_transposed_as_bounded(args))


def _sizes(
    x: torch.Tensor,
    oc: int,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    groups: int,
) -> list[int]:
    sizes = [x.shape[0], oc]
    for i, size in enumerate(x.shape[2:]):
        reach = dilation[i] * (kernel_size[i] - 1)
        if transposed:
            last = (size - 1) * stride[i] - 2 * padding[i] + reach + output_padding[i]
        else:
            last = (size + 2 * padding[i] - reach - 1) // stride[i]
        sizes.append(last + 1)
    return sizes


def _meta(dtype: torch.dtype, first: int, weights: int = 3) -> Any:
    """The shape function of one of our ops.

    Args:
        first: the argument that its geometry starts at.
        weights: the one that is its weights.
    """

    def meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
        geometry = args[first - 1 : first + 6]
        return x.new_empty(_sizes(x, args[weights - 1].shape[0], *geometry), dtype=dtype)

    return meta


def _stock_meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
    kernel_size, stride, padding, dilation, groups, _ = args[8:]
    geometry = (kernel_size, stride, padding, [0] * len(stride), dilation, False, groups)
    return x.new_empty(_sizes(x, args[2].shape[0], *geometry))


def _stock_dw_meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
    return _stock_meta(x, *args[:2], args[2].new_empty(args[2].shape[-1:]), *args[3:])


def _stock_transposed_meta(x: torch.Tensor, *args: Any) -> torch.Tensor:
    geometry = (*args[8:13], True, args[13])
    return x.new_empty(_sizes(x, args[2].shape[0], *geometry))


def conv2d_dq8ca_q8csw(
    x: torch.Tensor,
    granularity: str,
    rule: str,
    quant_min: int,
    quant_max: int,
    eps: float,
    weights: torch.Tensor,
    weight_sums: torch.Tensor,
    weight_scales: torch.Tensor,
    *layer: Any,
) -> torch.Tensor:
    """Convolution of a float32 input that is quantized to int8, with a float32 result.

    Args:
        x: float32 [batch, IC, *sizes].
        granularity: "per_tensor".
        rule, quant_min, quant_max, eps: as of `row_grids`.
        weights, weight_sums, weight_scales, layer: as of `conv2d_q8ta_q8csw`.

    Returns:
        float32 [batch, OC, *sizes].
    """
    scale, zero_point = row_grids(x, granularity, rule, quant_min, quant_max, eps)
    q = quantize_rows(x, scale, zero_point, rule, quant_min, quant_max)
    grid = scale.item(), int(zero_point.item())
    return conv2d_q8ta_q8csw(q, *grid, weights, weight_sums, weight_scales, *layer)


_LAYER = (
    "Tensor? bias, int[] kernel_size, int[] stride, int[] padding, int[] output_padding, "
    "int[] dilation, bool transposed, int groups, str activation, float alpha, float beta"
)
_OUTPUT = "float output_scale, int output_zero_point"

Q8TA_CONV2D = adopt("q8ta_conv2d", _stock_conv2d, _stock_meta)
Q8TA_CONV2D_PW = adopt("q8ta_conv2d_pw", _stock_conv2d, _stock_meta)
Q8TA_CONV2D_DW = adopt("q8ta_conv2d_dw", _stock_conv2d_dw, _stock_dw_meta)
Q8TA_CONV2D_TRANSPOSED = adopt(
    "q8ta_conv2d_transposed", _stock_conv2d_transposed, _stock_transposed_meta
)
Q8TA_CONV2D_BOUNDED = define(
    "q8ta_conv2d.bounded",
    f"{MAC_INPUTS}, {_OUTPUT}, {_LAYER}, {MAC_RANGE}",
    q8ta_conv2d,
    _meta(torch.int8, 9),
)
Q8TA_CONV2D_RESIDUAL = define(
    "q8ta_conv2d.residual",
    f"{MAC_INPUTS}, float conv_scale, int conv_zero_point, {_LAYER}, "
    "int conv_quant_min, int conv_quant_max, bool round_conv, "
    "Tensor residual, float residual_scale, int residual_zero_point, "
    f"{_OUTPUT}, {MAC_RANGE}",
    q8ta_conv2d_residual,
    _meta(torch.int8, 9),
    ("x", "residual"),
)
CONV2D_FLOAT_OUT = define(
    "conv2d_q8ta_q8csw.int8",
    f"{MAC_INPUTS}, {_LAYER}",
    conv2d_q8ta_q8csw,
    _meta(torch.float32, 7),
)
CONV2D_DYNAMIC = define(
    "conv2d_dq8ca_q8csw",
    f"{DYNAMIC_INPUTS}, {_LAYER}",
    conv2d_dq8ca_q8csw,
    _meta(torch.float32, 10, weights=6),
)
