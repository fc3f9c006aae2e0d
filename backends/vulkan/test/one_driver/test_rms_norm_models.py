"""RMS norms as models write them: one op, in float32 and between int8 tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.export import Dim

from executorch_vulkan.program import read_delegates
from quantized_graphs import Grid
from whole_models import (
    Between,
    Function,
    check,
    drawn,
    int8_ops,
    lowered,
    whole,
)

IN, OUT, OTHER = Grid(0.05, 3), Grid(0.03, -20), Grid(0.06, 11)
WEIGHT = drawn((8,), seed=9)
EPS = 1e-3


def mean_square(x: torch.Tensor) -> torch.Tensor:
    return x.pow(2).mean(-1, keepdim=True)


# All are the same norm, with a weight or without one.
WEIGHTED: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "of_pytorch": lambda x, w: F.rms_norm(x, (8,), w, EPS),
    "llama": lambda x, w: w * (x * torch.rsqrt(mean_square(x) + EPS)).to(torch.float32),
    "product": lambda x, w: torch.rsqrt((x * x).mean(2, True) + EPS) * x * w,
    "quotient": lambda x, w: x / torch.sqrt(EPS + mean_square(x)) * w,
    "power": lambda x, w: w * (x * (mean_square(x) + EPS) ** -0.5),
    "reciprocal": lambda x, w: x * (1 / (mean_square(x) + EPS).sqrt()) * w,
    "gemma": lambda x, w: x * torch.rsqrt(mean_square(x) + EPS) * (1 + (w - 1)),
    "tensor_eps": lambda x, w: w * (x * torch.rsqrt(mean_square(x) + torch.tensor(EPS))),
}
BARE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "of_pytorch": lambda x: F.rms_norm(x, (8,), eps=EPS),
    "no_eps": lambda x: x * torch.rsqrt(mean_square(x)),
}
# None of them is.
OTHERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "eps_outside": lambda x: x / (torch.sqrt(mean_square(x)) + EPS),
    "other_dim": lambda x: x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + EPS),
    "two_dims": lambda x: x * torch.rsqrt(x.pow(2).mean((1, 2), keepdim=True) + EPS),
    "cube": lambda x: x * torch.rsqrt(x.abs().pow(3).mean(-1, keepdim=True) + EPS),
    "other_tensor": lambda x: (x + 1) * torch.rsqrt(mean_square(x) + EPS),
    "other_factor": lambda x: x * torch.rsqrt(2 * mean_square(x) + EPS),
    "other_root": lambda x: x * (mean_square(x) + EPS) ** -0.25,
    "multiplied": lambda x: x * torch.sqrt(mean_square(x) + EPS),
    "quotient": lambda x: torch.rsqrt(mean_square(x) + EPS) / x,
}


def weighted(name: str) -> Function:
    return Function(WEIGHTED[name], weight=WEIGHT)


def ops_of(names: tuple[str, ...]) -> list[str]:
    return [name.split(".")[1] for name in names]


@pytest.mark.parametrize("name", WEIGHTED)
def test_with_a_weight(name: str) -> None:
    x = drawn((2, 3, 8))
    assert set(ops_of(check(weighted(name), [x]))) <= {"rms_norm", "prepack"}


@pytest.mark.parametrize("name", BARE)
def test_without_a_weight(name: str) -> None:
    x = drawn((2, 3, 8))
    assert set(ops_of(check(Function(BARE[name]), [x]))) <= {"rms_norm", "prepack"}


@pytest.mark.parametrize("name", OTHERS)
def test_others_stay_what_they_are(name: str) -> None:
    x = drawn((2, 3, 8), low=0.5)
    assert "rms_norm" not in ops_of(check(Function(OTHERS[name]), [x]))


def test_every_rank_and_dynamic_sizes() -> None:
    llama = WEIGHTED["llama"]
    for shape in ((8,), (3, 8), (2, 3, 2, 8), (2, 1, 2, 3, 8)):
        check(Function(llama, weight=WEIGHT), [drawn(shape)])
    batch, length = Dim("batch", min=1, max=5), Dim("length", min=2, max=40)
    sets = [[drawn((m, n, 8))] for m, n in ((2, 3), (5, 40), (1, 2))]
    check(weighted("llama"), *sets, dynamic_shapes=(({0: batch, 1: length},),))


def test_what_is_read_elsewhere_is_computed_there() -> None:
    """The normed values, the mean, and a weight of rows, which is none of a norm."""

    def function(x: torch.Tensor, w: torch.Tensor) -> list[torch.Tensor]:
        mean = mean_square(x)
        y = x * torch.rsqrt(mean + EPS)
        z = (x + 1) * torch.rsqrt(mean_square(x + 1) + EPS)
        return [y, y * w, mean, z * w[:3, None], z.exp()]

    check(Function(function, weight=WEIGHT), [drawn((2, 3, 8))])


# ---- Of int8 values.


def weighted_ops(function: Callable[..., Any], *grids: Grid | None) -> list[str]:
    return int8_ops(Function(function, weight=WEIGHT), drawn((2, 3, 8)), *grids)


@pytest.mark.parametrize("name", WEIGHTED)
def test_of_int8_to_int8(name: str) -> None:
    norm = WEIGHTED[name]
    ops = weighted_ops(lambda x, w: OUT.round_trip(norm(IN.round_trip(x), w)), OUT)
    assert ops == ["quantize_per_tensor", "q8ta_rms_norm", "dequantize_per_tensor"]


def test_dequantized_twice() -> None:
    def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        q = IN.quantize(x)
        y = IN.dequantize(q) * torch.rsqrt(mean_square(IN.dequantize(q)) + EPS)
        return OUT.round_trip(w * y)

    ops = weighted_ops(function, OUT)
    assert ops == ["quantize_per_tensor", "q8ta_rms_norm", "dequantize_per_tensor"]


def test_one_side_in_float_and_two_grids() -> None:
    llama = WEIGHTED["llama"]
    assert weighted_ops(lambda x, w: llama(IN.round_trip(x), w), None) == [
        "quantize_per_tensor",
        "q8ta_rms_norm",
    ]
    assert weighted_ops(lambda x, w: OUT.round_trip(llama(x, w)), OUT) == [
        "q8ta_rms_norm",
        "dequantize_per_tensor",
    ]

    def on_two(x: torch.Tensor, w: torch.Tensor) -> list[torch.Tensor]:
        y = llama(IN.round_trip(x), w)
        return [OUT.round_trip(y), OTHER.round_trip(y.relu())]

    assert weighted_ops(on_two, OUT, OTHER).count("q8ta_rms_norm") >= 1


def test_a_rounding_inside_is_kept() -> None:
    """As XNNPACK's quantizer leaves it: the normed values are int8 before they are weighted."""

    def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return OTHER.round_trip(w * OUT.round_trip(F.rms_norm(IN.round_trip(x), (8,), eps=EPS)))

    ops = weighted_ops(function, OTHER)
    assert [op for op in ops if op in ("q8ta_rms_norm", "mul")] == ["q8ta_rms_norm", "mul"]
    assert ops.count("quantize_per_tensor") == 2


def test_between_int8_layers() -> None:
    module = Between(lambda x: F.rms_norm(x, (8,), eps=EPS))
    [delegate] = read_delegates(whole(lowered(module, [drawn((6, 8))])))
    ops = ops_of(delegate.op_names)
    assert ops.count("q8ta_rms_norm") == 1 and ops.count("q8ta_linear") == 2
    assert sum("quantize" in op for op in ops) == 2  # of the ends
