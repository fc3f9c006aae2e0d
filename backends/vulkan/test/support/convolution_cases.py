"""Convolutions on int8: random ones, their exact results in NumPy, and calls of the ops.

Written from the definition alone: sums of shifted images, and for transposed ones of products that
are scattered; the kernels gather.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import reference
from linear_fixture import assert_same_bytes
from op_fixture import Constant, Output, run_op

Sizes = tuple[int, ...]


@dataclass
class Convolution:
    """One layer. Lists have a number for each dimension of an image, one or two."""

    x: np.ndarray  # int8 [N, C, ...]
    weights: np.ndarray  # int8 [OC, C / groups, *kernel], transposed likewise
    weight_scales: np.ndarray  # float32 [OC]
    bias: np.ndarray | None  # float32 [OC]
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int = 1
    transposed: bool = False
    output_padding: Sizes = ()
    input_scale: float = 0.03
    input_zero_point: int = 0
    output_scale: float = 0.1
    output_zero_point: int = 0
    bounds: tuple[int, int] = (-128, 127)
    activation: tuple[str, float, float] = ("none", 0.0, 0.0)
    table: np.ndarray | None = None  # int8 [256]

    @property
    def kernel(self) -> Sizes:
        return self.weights.shape[2:]

    def __str__(self) -> str:
        kind = "transposed convolution" if self.transposed else "convolution"
        return (
            f"{kind} of {self.x.shape} with weights {self.weights.shape} in {self.groups} groups, "
            f"kernel {self.kernel}, stride {self.stride}, padding {self.padding}, dilation "
            f"{self.dilation}, output padding {self.output_padding}"
        )


@dataclass
class Residual:
    """What is added to a layer's result. `own`: scale and zero point of the latter, if rounded."""

    tensor: np.ndarray  # int8 of the shape of y
    scale: float
    zero_point: int
    own: tuple[float, int] | None = None


def in_two_dimensions(sizes: Sizes, of_missing: int) -> Sizes:
    return (of_missing,) * (2 - len(sizes)) + tuple(sizes)


def sums(conv: Convolution) -> np.ndarray:
    """int64 [N, OC, ...] of (x - zero point) * w."""
    x = conv.x.astype(np.float64) - conv.input_zero_point  # exact, and BLAS has it
    w = conv.weights.astype(np.float64)
    if x.ndim == 3:
        x, w = x[:, :, None], w[:, :, None]
    (sh, sw), (dh, dw) = in_two_dimensions(conv.stride, 1), in_two_dimensions(conv.dilation, 1)
    ph, pw = in_two_dimensions(conv.padding, 0)
    oph, opw = in_two_dimensions(conv.output_padding, 0)
    batch, _, height, width = x.shape
    out_channels, _, kh, kw = w.shape
    extent = dh * (kh - 1) + 1, dw * (kw - 1) + 1
    x = x.reshape(batch, conv.groups, -1, height, width)
    w = w.reshape(conv.groups, out_channels // conv.groups, -1, kh, kw)
    if conv.transposed:
        # All that products reach, padding and output padding included.
        reached = (height - 1) * sh + extent[0] + oph, (width - 1) * sw + extent[1] + opw
        y = np.zeros((batch, *w.shape[:2], *reached))
        for i in range(kh):
            for j in range(kw):
                rows = slice(i * dh, i * dh + (height - 1) * sh + 1, sh)
                columns = slice(j * dw, j * dw + (width - 1) * sw + 1, sw)
                y[..., rows, columns] += np.einsum("bgchw,goc->bgohw", x, w[..., i, j])
        y = y[..., ph : reached[0] - ph, pw : reached[1] - pw]
    else:
        x = np.pad(x, ((0, 0), (0, 0), (0, 0), (ph, ph), (pw, pw)))
        size = (height + 2 * ph - extent[0]) // sh + 1, (width + 2 * pw - extent[1]) // sw + 1
        y = np.zeros((batch, *w.shape[:2], *size))
        for i in range(kh):
            for j in range(kw):
                rows = slice(i * dh, i * dh + (size[0] - 1) * sh + 1, sh)
                columns = slice(j * dw, j * dw + (size[1] - 1) * sw + 1, sw)
                y += np.einsum("bgchw,goc->bgohw", x[..., rows, columns], w[..., i, j])
    y = y.reshape(batch, out_channels, *y.shape[3:])
    assert not y.size or np.abs(y).max() < 2**31, "more than int32 holds"
    return (y[:, :, 0] if conv.x.ndim == 3 else y).astype(np.int64)


def expected_floats(conv: Convolution) -> np.ndarray:
    acc = sums(conv).astype(np.int32).astype(np.float32)
    channels = (1, -1) + (1,) * (acc.ndim - 2)
    f = acc * (np.float32(conv.input_scale) * conv.weight_scales).reshape(channels)
    f = f if conv.bias is None else f + conv.bias.reshape(channels)
    name, alpha, beta = conv.activation
    if name == "relu":
        return np.maximum(f, np.float32(0))
    if name == "clamp":
        return np.clip(f, np.float32(alpha), np.float32(beta))
    if name == "leaky_relu":
        return np.where(f > 0, f, f * np.float32(alpha))
    assert name == "none", name
    return f


def expected(conv: Convolution, residual: Residual | None = None) -> np.ndarray:
    f = expected_floats(conv)
    if residual is not None:
        if residual.own is not None:
            f = reference.dequantize(reference.quantize(f, *residual.own), *residual.own)
        f = f + reference.dequantize(residual.tensor, residual.scale, residual.zero_point)
    q = reference.quantize(f, conv.output_scale, conv.output_zero_point, *conv.bounds)
    return reference.look_up(q, conv.table)


# ---- Calls.


def weight_rows(conv: Convolution) -> np.ndarray:
    """[OC, KH * KW * C / groups], ordered (kh, kw, channel)."""
    return np.moveaxis(conv.weights, 1, -1).reshape(conv.weights.shape[0], -1)


def operands(conv: Convolution, x: Any = None, weights: np.ndarray | None = None) -> list[Any]:
    rows = weight_rows(conv) if weights is None else weights
    return [
        conv.x if x is None else x,
        *(conv.input_scale, conv.input_zero_point, Constant(rows)),
        Constant(np.zeros(conv.weights.shape[0], np.int32)),  # not looked at
        Constant(conv.weight_scales),
    ]


def optional(array: np.ndarray | None) -> Any:
    return None if array is None else Constant(array)


def window(conv: Convolution) -> list[Any]:
    lists = conv.stride, conv.padding, conv.output_padding or (0,) * len(conv.stride)
    return [
        *(list(conv.kernel), *(list(sizes) for sizes in lists), list(conv.dilation)),
        *(conv.transposed, conv.groups),
    ]


def bounded_arguments(conv: Convolution, x: Any = None) -> list[Any]:
    return [
        *operands(conv, x),
        *(conv.output_scale, conv.output_zero_point, optional(conv.bias), *window(conv)),
        *(*conv.activation, *conv.bounds, optional(conv.table)),
    ]


def residual_arguments(conv: Convolution, residual: Residual, x: Any = None) -> list[Any]:
    own_scale, own_zero_point = residual.own or (1.0, 0)
    return [
        *(*operands(conv, x), own_scale, own_zero_point, optional(conv.bias), *window(conv)),
        *(*conv.activation, -128, 127, residual.own is not None, residual.tensor),
        *(residual.scale, residual.zero_point, conv.output_scale, conv.output_zero_point),
        *(*conv.bounds, optional(conv.table)),
    ]


def check(conv: Convolution) -> None:
    y = expected(conv)
    result = run_op("et_vk.q8ta_conv2d.bounded", bounded_arguments(conv), Output(np.int8, y.shape))
    assert_same_bytes(result, y, str(conv))


def check_residual(conv: Convolution, residual: Residual) -> None:
    y = expected(conv, residual)
    arguments = residual_arguments(conv, residual)
    result = run_op("et_vk.q8ta_conv2d.residual", arguments, Output(np.int8, y.shape))
    assert_same_bytes(result, y, f"{conv} and a residual, rounded: {residual.own is not None}")


def check_floats(conv: Convolution) -> None:
    y = expected_floats(conv)
    arguments = [*operands(conv), optional(conv.bias), *window(conv), *conv.activation]
    result = run_op("et_vk.conv2d_q8ta_q8csw.int8", arguments, Output(np.float32, y.shape))
    assert_same_bytes(result, y, str(conv))


# ---- Random ones.


def with_numbers(
    rng: np.random.Generator,
    shape: Sizes,
    out_channels: int,
    kernel: Sizes,
    **rest: Any,
) -> Convolution:
    """Random operands, at scales where results fill int8 and leave it here and there."""
    groups = rest.get("groups", 1)
    products = int(np.prod(kernel)) * (shape[1] // groups)
    one_each = (1,) * len(kernel)
    given = {"stride": one_each, "dilation": one_each, "padding": (0,) * len(kernel)} | rest
    return Convolution(
        x=rng.integers(-128, 128, shape, dtype=np.int8),
        weights=rng.integers(-128, 128, (out_channels, shape[1] // groups, *kernel), dtype=np.int8),
        weight_scales=rng.uniform(0.001, 0.004, out_channels).astype(np.float32),
        bias=rng.normal(0, 1, out_channels).astype(np.float32) if rng.random() < 0.7 else None,
        output_scale=float(0.0075 * np.sqrt(products) + 0.002),
        input_zero_point=int(rng.choice([-128, -5, 0, 127])),
        output_zero_point=int(rng.choice([-128, 0, 9, 127])),
        **given,
    )


def pick(rng: np.random.Generator, choices: Sizes, count: int) -> Sizes:
    return tuple(int(choice) for choice in rng.choice(choices, count))


def random_convolution(rng: np.random.Generator) -> Convolution:
    """Of any kind that the ops have; small."""
    rank = 2 if rng.random() < 0.75 else 1
    kernel = pick(rng, (1, 1, 2, 3, 3, 4, 5, 7) if rank == 2 else (1, 2, 3, 5, 9, 16), rank)
    stride = pick(rng, (1, 1, 1, 2, 2, 3), rank)
    dilation = pick(rng, (1, 1, 1, 2, 3), rank)
    padding = pick(rng, (0, 0, 1, 2, 3), rank)
    transposed = rng.random() < 0.25
    kind = rng.random()
    if kind < 0.3:  # depthwise
        groups = int(rng.choice([2, 3, 4, 8, 16, 17, 36]))
        channels, out_channels = groups, groups * int(rng.choice([1, 1, 1, 2, 3, 4]))
    elif kind < 0.5:
        groups = int(rng.choice([2, 3, 5]))
        channels, out_channels = (groups * int(rng.choice([2, 3, 4, 8, 16])) for _ in range(2))
    else:
        groups = 1
        channels = int(rng.choice([1, 2, 3, 4, 5, 8, 12, 16, 17, 32, 48]))
        out_channels = int(rng.choice([1, 2, 3, 4, 6, 8, 15, 16, 24, 33]))
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    # Transposed, the padding is taken off of what may be a single pixel's products.
    least = [
        1 + -(-2 * p // s) if transposed else max(1, e - 2 * p)
        for e, p, s in zip(extent, padding, stride, strict=True)
    ]
    size = tuple(low + int(rng.integers(0, 12)) for low in least)
    conv = with_numbers(
        *(rng, (int(rng.integers(1, 4)), channels, *size), out_channels, kernel),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        transposed=transposed,
    )
    if transposed:
        most = (max(s, d) for s, d in zip(stride, dilation, strict=True))
        conv = replace(conv, output_padding=tuple(int(rng.integers(0, limit)) for limit in most))
    activation = int(rng.integers(4))
    names = ("none", 0.0, 0.0), ("relu", 0.0, 0.0), ("clamp", -0.5, 3.0), ("leaky_relu", 0.1, 0.0)
    conv.activation = names[activation]
    if rng.random() < 0.3:
        conv.bounds = (int(rng.integers(-128, 0)), int(rng.integers(0, 128)))
    return conv


def random_residual(rng: np.random.Generator, conv: Convolution) -> Residual:
    shape = sums(conv).shape
    own = (conv.output_scale * float(rng.uniform(0.2, 1.5)), int(rng.choice([-128, 0, 127])))
    return Residual(
        tensor=rng.integers(-128, 128, shape, dtype=np.int8),
        scale=conv.output_scale * float(rng.uniform(0.2, 1.5)),
        zero_point=int(rng.choice([-128, 0, 127])),
        own=own if rng.random() < 0.5 else None,
    )
