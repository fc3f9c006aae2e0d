"""What the ATen ops of an exported module are to a quantizer, before it is decomposed.

An op is looked up by its packet's name, an in-place one as the op that it is.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch.fx import Node


@dataclass(frozen=True)
class LayerArguments:
    """Which arguments of a layer are its input and weight, and the weight's axis of channels."""

    x: int
    weight: int
    axis: int
    bias: int | None = None


LAYERS = {
    "linear": LayerArguments(0, 1, axis=0, bias=2),
    "conv1d": LayerArguments(0, 1, axis=0, bias=2),
    "conv2d": LayerArguments(0, 1, axis=0, bias=2),
    "conv3d": LayerArguments(0, 1, axis=0, bias=2),
    "conv_transpose1d": LayerArguments(0, 1, axis=1, bias=2),
    "conv_transpose2d": LayerArguments(0, 1, axis=1, bias=2),
    "conv_transpose3d": LayerArguments(0, 1, axis=1, bias=2),
    # Products with a constant matrix that is stored [K, N].
    "matmul": LayerArguments(0, 1, axis=1),
    "mm": LayerArguments(0, 1, axis=1),
    "addmm": LayerArguments(1, 2, axis=1, bias=0),
}

# They read planes that are joined first: a grid that is found at run time would be of these.
STATIC_LAYERS = frozenset({"conv3d", "conv_transpose3d"})

ATTENTION = "scaled_dot_product_attention"
PRODUCTS = frozenset({"matmul", "bmm"})

# What a layer's kernel applies before it rounds.
CLAMPS = frozenset({"relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max"})
ACTIVATIONS = CLAMPS | {
    *("leaky_relu", "sigmoid", "tanh", "silu", "hardswish", "hardsigmoid", "gelu", "elu"),
}
# Further functions of one element that int8 serves, for they neither grow fast nor have poles.
FUNCTIONS = ACTIVATIONS | {"abs", "neg", "softplus", "mish", "selu", "logsigmoid", "softsign"}
ARITHMETIC = frozenset({"add", "sub", "mul"})
# Arithmetic that with a number is a function of one element.
WITH_NUMBERS = ARITHMETIC | {"div"}

# Results that are on a grid of their own.
MEANS = frozenset(
    {
        *("mean", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"),
        *("batch_norm", "upsample_bilinear2d"),
    }
)
# Elements of x in another order; dropout counts, for what is quantized is in evaluation.
PERMUTATIONS = frozenset(
    {
        *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze"),
        *("permute", "transpose", "t", "numpy_T", "movedim", "swapaxes", "contiguous", "clone"),
        *("expand", "expand_as", "view_as", "alias", "detach", "dropout", "dropout1d", "dropout2d"),
        *("feature_dropout", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
        *("upsample_nearest2d", "repeat", "repeat_interleave"),
    }
)
# Some elements of x. They may be all small ones, for which x's grid is a coarse one.
PARTS = frozenset(
    {
        *("slice", "select", "narrow", "split", "split_with_sizes", "chunk", "unbind"),
        *("max_pool1d", "max_pool2d"),
    }
)
SEVERAL_RESULTS = frozenset({"split", "split_with_sizes", "chunk", "unbind"})
JOIN = "cat"
# Between the products of an attention that is written by hand.
SOFTMAX = frozenset({"softmax", "_softmax"})
AROUND_SOFTMAX = frozenset(
    {
        *("add", "sub", "mul", "div", "masked_fill", "where", "dropout", "to", "clone"),
        *("contiguous", "expand", "_unsafe_view", "view", "reshape"),
    }
)


def kind_of(node: Node) -> str:
    """The name of a call's op, such as "linear", or of getitem; "" for all else."""
    if node.op != "call_function":
        return ""
    if node.target is operator.getitem:
        return "getitem"
    if not isinstance(node.target, torch._ops.OpOverload):
        return ""
    namespace, _, name = node.target._schema.name.partition("::")
    return name.removesuffix("_") if namespace == "aten" else ""


def changes_its_input(node: Node) -> bool:
    """True for an in-place op."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def is_float32(node: object) -> bool:
    value = node.meta.get("val") if isinstance(node, Node) else None
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32


def tensor_arguments(node: Node) -> list[Node]:
    """The tensors that go in, each once; sizes are none."""
    return [
        one for one in node.all_input_nodes if not isinstance(one.meta.get("val"), torch.SymInt)
    ]
