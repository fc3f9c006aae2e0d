"""Models with norms and softmax: one delegate, and right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
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


def every_norm(
    x: torch.Tensor, image: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor
) -> list[torch.Tensor]:
    return [
        F.softmax(x, -1),
        F.softmax(image, 1),
        F.log_softmax(x, 1),
        F.softmin(x[0, 0], 0),
        F.softmax(x + mask, -1),
        F.layer_norm(x, (8,)),
        F.layer_norm(x, (3, 8), None, x[0]),
        F.layer_norm(x, (8,), weight, weight + 1),
        F.rms_norm(x, (8,), weight, 1e-6),
        F.group_norm(image, 2, weight, weight - 1),
        F.group_norm(x.transpose(1, 2), 4),
        F.instance_norm(image),
        x.var(1),
        image.std((2, 3), keepdim=True),
        torch.var(x, None, correction=0),
        F.normalize(x, dim=-1),
        x.softmax(0).unsqueeze(-1).log_softmax(-1),
        (x > 1).any(-1, keepdim=True),
        (x > 0).all((0, 1)),
        (x > -9).all(),
        torch.relu(x - 2).any(1),
    ]


def inputs(batch: int, length: int) -> list[torch.Tensor]:
    mask = torch.full((length, 8), 0.0).masked_fill(drawn((length, 8), seed=2) > 1, float("-inf"))
    return [drawn((batch, length, 8)), drawn((batch, 8, 4, 5), seed=1), mask, drawn((8,), seed=3)]


def test_every_norm() -> None:
    check(Function(every_norm), inputs(2, 3))


def test_of_a_single_number_and_fully_masked_rows() -> None:
    x = drawn((4, 6))
    x[1] = float("-inf")
    x[2, 3], x[3, 0] = float("inf"), float("nan")
    check(
        Function(
            lambda x, y: [x.softmax(-1), x.log_softmax(0), y.softmax(0), F.layer_norm(x, (6,))]
        ),
        [x, drawn(())],
    )


def test_dynamic_sizes() -> None:
    def function(x: torch.Tensor, image: torch.Tensor) -> list[torch.Tensor]:
        return [
            x.softmax(1),
            x.log_softmax(2),
            F.layer_norm(x, (8,)),
            F.group_norm(image, 2),
            x.var(1, keepdim=True),
            F.instance_norm(image),
        ]

    batch, length = Dim("batch", min=1, max=9), Dim("length", min=2, max=40)
    sizes = ((2, 3), (9, 40), (1, 2), (5, 17))
    sets = [inputs(m, n)[:2] for m, n in sizes]
    check(Function(function), *sets, dynamic_shapes=(({0: batch, 1: length}, {0: batch}),))


class Mixer(nn.Module):
    """What stands around the matrix products of a ConvNeXt or Mixer block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.last = nn.LayerNorm(8), nn.GroupNorm(2, 8)
        self.of_images = nn.InstanceNorm2d(8, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.of_images(F.gelu(y).permute(0, 3, 1, 2) + x)
        return torch.softmax(self.last(y).mean((2, 3)), -1)


def test_a_block() -> None:
    check(Mixer(), [drawn((2, 8, 3, 4))])


INT8_NORMS = {
    "layer_norm": lambda x: F.layer_norm(x, (8,)),
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, 0),
    "group_norm": lambda x: F.group_norm(x, 2),
    "moved": lambda x: F.layer_norm(x.view(3, 2, 8).transpose(0, 1), (8,)).reshape(6, 8),
    "clamped": lambda x: F.layer_norm(x, (8,)).relu(),
}
IN, OUT, OTHER = Grid(0.05, 3), Grid(0.03, -20), Grid(0.06, 11)


def ops_of(
    function: Callable[[torch.Tensor], Any], *grids: Grid | None, shape: tuple[int, ...] = (6, 8)
) -> list[str]:
    return int8_ops(Function(function), drawn(shape), *grids)


@pytest.mark.parametrize("name", INT8_NORMS)
def test_of_int8_to_int8(name: str) -> None:
    norm = INT8_NORMS[name]
    ops = ops_of(lambda x: OUT.round_trip(norm(IN.round_trip(x))), OUT)
    norms = [op for op in ops if op.endswith(("norm", "softmax"))]
    assert len(norms) == 1 and norms[0].startswith("q8ta_")
    assert (ops[0], ops[-1]) == ("quantize_per_tensor", "dequantize_per_tensor")
    assert not [op for op in ops[1:-1] if "quantize" in op]


def test_of_int8_to_float_and_back() -> None:
    norm = INT8_NORMS["layer_norm"]
    ops = ops_of(lambda x: norm(IN.round_trip(x)), None)
    assert ops == ["quantize_per_tensor", "q8ta_layer_norm"]
    ops = ops_of(lambda x: OUT.round_trip(norm(x)), OUT)
    assert ops == ["q8ta_layer_norm", "dequantize_per_tensor"]


def test_one_op_for_each_grid() -> None:
    def function(x: torch.Tensor) -> list[torch.Tensor]:
        y = F.layer_norm(IN.round_trip(x), (8,))
        return [OUT.round_trip(y), OTHER.round_trip(y)]

    ops = ops_of(function, OUT, OTHER)
    assert ops.count("q8ta_layer_norm") == 2 and ops.count("quantize_per_tensor") == 1


def test_a_result_that_is_read_in_float_as_well() -> None:
    def function(x: torch.Tensor) -> list[torch.Tensor]:
        y = torch.softmax(IN.round_trip(x), -1)
        return [OUT.round_trip(y), y]

    assert ops_of(function, OUT, None).count("q8ta_softmax") == 1


def test_a_function_between_stays_in_float() -> None:
    """Its table would be of the norm's result, which is not on a grid."""
    ops = ops_of(lambda x: OUT.round_trip(F.silu(F.layer_norm(IN.round_trip(x), (8,)))), OUT)
    assert ops.count("q8ta_layer_norm") == 1 and ops.count("quantize_per_tensor") == 2


@pytest.mark.parametrize("name", INT8_NORMS)
def test_between_int8_layers(name: str) -> None:
    module, x = Between(INT8_NORMS[name]), drawn((6, 8))
    [delegate] = read_delegates(whole(lowered(module, [x])))
    assert sum(op == "et_vk.q8ta_linear.default" for op in delegate.op_names) == 2
    assert sum("quantize" in op for op in delegate.op_names) == 2  # of the ends


def test_statistics_stay_outside() -> None:
    def function(x: torch.Tensor) -> list[torch.Tensor]:
        results = torch.native_layer_norm(x, (8,), None, None, 1e-5)
        return [torch.exp(one) for one in results]

    program = lowered(Function(function), [drawn((6, 8))])
    assert not any("norm" in op for one in read_delegates(program) for op in one.op_names)
