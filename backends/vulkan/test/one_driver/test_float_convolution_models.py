"""Float32 convolutions in programs: what is taken into them, and beside int8 layers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import read_delegates
from model_cases import DEQUANTIZE, QUANTIZE, ModelCase, export_quantized
from programs import run
from whole_models import Function, check, drawn, lowered, pte_of, whole

CONVOLUTION, CLAMPED = "aten.convolution.default", "et_vk.conv_with_clamp.default"


def norm(channels: int) -> nn.BatchNorm2d:
    """As after a training."""
    made = nn.BatchNorm2d(channels)
    for tensor in (made.running_mean, made.bias):
        nn.init.uniform_(tensor, -0.3, 0.3)
    for tensor in (made.running_var, made.weight):
        nn.init.uniform_(tensor, 0.5, 2.0)
    return made


class Shared(nn.Module):
    """One convolution, twice, with the same norm or another one behind it."""

    def __init__(self, *norms: nn.BatchNorm2d) -> None:
        super().__init__()
        self.convolution, self.norms = nn.Conv2d(3, 8, 3), nn.ModuleList(norms)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.norms[0], self.norms[-1]
        return first(self.convolution(x)) + second(self.convolution(x.flip(2)))


NORMED = {
    "plain": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), norm(8)),
    "groups": lambda: nn.Sequential(nn.Conv2d(3, 6, (1, 3), groups=3), norm(6)),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(3, 8, 3, 2), norm(8)),
    "transposed_groups": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 12, (3, 2), groups=3), norm(12)
    ),
    "shared": lambda: Shared(norm(8)),
    "two_norms": lambda: Shared(norm(8), norm(8)),
}


@pytest.mark.parametrize("name", NORMED)
def test_norms_are_taken_in(name: str) -> None:
    torch.manual_seed(0)
    module = NORMED[name]().eval()
    x = drawn((2, 3, 9, 8))
    assert "et_vk.channel_affine.default" not in check(module, [x])


def test_clamps_are_taken_in() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU6()]
    layers += [nn.Conv2d(8, 5, 1), nn.Hardtanh(-0.2), Function(lambda x: x.clamp(max=0.1))]
    module = nn.Sequential(*layers).eval()
    batch = ({0: Dim("batch", max=4)},)
    [delegate] = read_delegates(whole(lowered(module, [drawn((2, 3, 9, 8))], batch)))
    assert delegate.op_names == (CLAMPED, CLAMPED, CLAMPED, "aten.clamp.default")
    check(module, *([drawn((n, 3, 9, 8))] for n in (2, 1, 4)), dynamic_shapes=batch)


class TwoReaders(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.layer(x)
        return y, F.relu(y)


def test_what_others_read_too_is_not_clamped() -> None:
    module, x = TwoReaders().eval(), drawn((2, 3, 6, 7))
    assert check(module, [x]) == (CONVOLUTION, "aten.relu.default")


def test_dynamic_images_and_channels_last() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.SiLU(), nn.ConvTranspose2d(6, 4, 2, 2)
    ).eval()
    dims = ({0: Dim("n", max=3), 2: Dim("h", min=4, max=24), 3: Dim("w", min=4, max=20)},)
    sizes = ((2, 9, 10), (3, 24, 20), (1, 4, 5))
    check(module, *([drawn((n, 3, h, w))] for n, h, w in sizes), dynamic_shapes=dims)
    x = drawn((2, 3, 8, 8)).to(memory_format=torch.channels_last)
    module = module.to(memory_format=torch.channels_last)
    [result] = run(pte_of(whole(lowered(module, [x]))), (x,))
    wanted = module.double()(x.double())
    assert float((result - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


class WeightOnly(nn.Module):
    """A convolution of float activations and an int8 weight."""

    def __init__(self, per_channel: bool) -> None:
        super().__init__()
        self.per_channel = per_channel
        self.register_buffer("weight", torch.randint(-127, 128, (6, 4, 3, 3), dtype=torch.int8))
        self.register_buffer("scales", torch.rand(6) * 0.01 + 0.01)
        self.register_buffer("zeros", torch.zeros(6, dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ops = torch.ops.quantized_decomposed
        weight = (
            ops.dequantize_per_channel(
                self.weight, self.scales, self.zeros, 0, -127, 127, torch.int8
            )
            if self.per_channel
            else ops.dequantize_per_tensor(self.weight, 0.02, 3, -127, 127, torch.int8)
        )
        return F.conv2d(x, weight)


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_weight_that_alone_is_quantized(per_channel: bool) -> None:
    """It is dequantized ahead of time."""
    torch.manual_seed(0)
    module, x = WeightOnly(per_channel), drawn((2, 4, 6, 7))
    program = whole(lowered(module, [x]))
    [delegate] = read_delegates(program)
    assert delegate.op_names == (CONVOLUTION,)
    [result] = run(pte_of(program), (x,))
    wanted = module(x)
    assert float((result - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


class Mixed(nn.Module):
    """Linears, which are quantized, around a convolution, which is not."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(8, 12), nn.Linear(12, 8)
        self.convolution = nn.Conv1d(5, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(F.relu(self.convolution(self.before(x))))


def test_between_int8_layers() -> None:
    shape = (3, 5, 8)
    case = ModelCase("mixed", Mixed, (shape,), (), convolutions=False)
    module, exported = export_quantized(case)
    program = whole(to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()]))
    [delegate] = read_delegates(program)
    assert delegate.op_names.count(CLAMPED) == 1
    assert {QUANTIZE, DEQUANTIZE} < set(delegate.op_names)
    inputs = case.inputs(seed=11)
    wanted = module(*inputs)
    [result] = run(pte_of(program), inputs)
    step = float(wanted.unique().diff().min())
    steps = ((result - wanted) / step).abs().round()
    assert int(steps.max()) <= 1 and int(steps.sum()) <= max(1, 0.01 * steps.numel())


OUTSIDE = {
    "computed": (
        lambda x: F.conv2d(x, x[:, :, :3, :3]),
        "weight is not a constant; make it",
    ),
    "bias": (
        lambda x: F.conv2d(x, torch.ones(5, 3, 1, 1), x[0, 0, 0, :5]),
        "bias is not a constant; make it",
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_stays_outside(name: str) -> None:
    function, reason = OUTSIDE[name]
    [row] = [
        row
        for row in explain(lowered(Function(function), [drawn((2, 3, 6, 7))]))
        if row.op == CONVOLUTION
    ]
    assert row.delegate is None and row.reason.startswith(reason), row
