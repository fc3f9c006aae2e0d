"""Convolutional networks as people build them, small: one delegate each, and right.

The last maps have an odd number of pixels, so that no mean over them is halfway between two steps.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from model_cases import ModelCase, export_quantized
from programs import run
from whole_models import pte_of, whole


def _normed(convolution: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))


class BasicBlock(nn.Module):
    """Of ResNet-18."""

    def __init__(self, ic: int, oc: int, stride: int) -> None:
        super().__init__()
        self.first = _normed(nn.Conv2d(ic, oc, 3, stride, 1, bias=False))
        self.second = _normed(nn.Conv2d(oc, oc, 3, 1, 1, bias=False))
        self.short = (
            nn.Identity() if stride == 1 else _normed(nn.Conv2d(ic, oc, 1, stride, bias=False))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.short(x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = _normed(nn.Conv2d(3, 16, 3, padding=1, bias=False))
        self.blocks = nn.Sequential(
            BasicBlock(16, 16, 1), BasicBlock(16, 24, 2), BasicBlock(24, 32, 2)
        )
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(F.relu(self.stem(x)))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class InvertedResidual(nn.Module):
    """Of MobileNetV2."""

    def __init__(self, ic: int, oc: int, stride: int, factor: int) -> None:
        super().__init__()
        inner = ic * factor
        self.layers = nn.Sequential(
            _normed(nn.Conv2d(ic, inner, 1, bias=False)),
            nn.ReLU6(),
            _normed(nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)),
            nn.ReLU6(),
            _normed(nn.Conv2d(inner, oc, 1, bias=False)),
        )
        self.is_residual = stride == 1 and ic == oc

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.is_residual else self.layers(x)


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.ReLU6(),
            InvertedResidual(8, 12, 1, 2),
            InvertedResidual(12, 12, 1, 3),
            InvertedResidual(12, 16, 2, 3),
        )
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean((2, 3)))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 2, 1)
        self.excite = nn.Conv2d(channels // 2, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(self.excite(y))


class MobileNetV3(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.Hardswish(),
            nn.Conv2d(8, 8, 5, 1, 2, groups=8),
            nn.ReLU(),
            Gate(8),
            nn.Conv2d(8, 12, 1),
        )
        self.head = nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean((2, 3)))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.down = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 2, 2)
        self.up, self.last = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first(x))
        y = F.relu(self.up(F.relu(self.down(x))))
        return self.last(torch.cat([x, y], 1))


def _with_statistics(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """As after a training."""
    nn.init.normal_(norm.running_mean, std=0.2)
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    nn.init.normal_(norm.weight, 1.0, 0.2)
    nn.init.normal_(norm.bias, std=0.2)
    return norm


class DenseLayer(nn.Module):
    """Of a DenseNet: batch norms in front of the convolutions, which can't take them in."""

    def __init__(self, ic: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _with_statistics(nn.BatchNorm2d(ic)),
            nn.ReLU(),
            nn.Conv2d(ic, 2 * growth, 1, bias=False),
            _with_statistics(nn.BatchNorm2d(2 * growth)),
            nn.ReLU(),
            nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.layers(x)], 1)


class DenseNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            DenseLayer(8, 6),
            DenseLayer(14, 6),
            _with_statistics(nn.BatchNorm2d(20)),
            nn.ReLU(),
        )
        self.head = nn.Linear(20, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean((2, 3)))


class FeaturePyramid(nn.Module):
    """Coarse features are resized and added to finer ones; the result has the input's size."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1)
        self.from_fine, self.from_coarse = nn.Conv2d(8, 8, 1), nn.Conv2d(12, 8, 1)
        self.last = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = F.relu(self.fine(x))
        coarse = F.relu(self.coarse(fine))
        up = F.interpolate(self.from_coarse(coarse), size=fine.shape[2:], mode="nearest")
        y = self.from_fine(fine) + up
        y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        return self.last(F.relu(y))


class KeywordSpotter(nn.Module):
    """Depthwise separable, over time."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(10, 16, 9, 2, 4),
            nn.ReLU(),
            nn.Conv1d(16, 16, 3, padding=1, groups=16),
            nn.ReLU(),
            nn.Conv1d(16, 24, 1),
            nn.ReLU(),
        )
        self.head = nn.Linear(24, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean(-1))


class Inception(nn.Module):
    """A stem with max pooling, branches of which one is averaged, and a head on a 2 x 3 grid."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)
        self.right, self.head = nn.Conv2d(8, 8, 1), nn.Linear(12 * 6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, ceil_mode=True)
        right = F.relu(self.right(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)))
        x = torch.cat([F.relu(self.left(x)), right], 1)
        return self.head(F.adaptive_avg_pool2d(x, (2, 3)).flatten(1))


class PlacesThroughLayers(nn.Module):
    """What layers make of a constant, such as a bias of relative places, is a constant."""

    def __init__(self) -> None:
        super().__init__()
        places = torch.randn(1, 7, 2, generator=torch.Generator().manual_seed(5))
        self.register_buffer("places", places)
        self.bias = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3), nn.Sigmoid())
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x) + 2 * self.bias(self.places))


# What builds it, the shape of one image, and whether its batch is dynamic.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], bool]] = {
    "resnet": (ResNet, (3, 12, 12), True),
    "mobilenet_v2": (MobileNetV2, (3, 18, 18), False),
    "mobilenet_v3": (MobileNetV3, (3, 18, 18), False),
    "inception": (Inception, (3, 14, 17), True),
    "unet": (UNet, (1, 10, 12), False),
    "densenet": (DenseNet, (3, 18, 18), True),
    "feature_pyramid": (FeaturePyramid, (3, 18, 14), False),
    "keyword_spotter": (KeywordSpotter, (10, 49), True),
    "places_through_layers": (PlacesThroughLayers, (7, 3), True),
}


def case_of(name: str, quantize: bool = True) -> ModelCase:
    build, shape, is_dynamic = NETWORKS[name]
    dims = ({0: torch.export.Dim("batch", min=1, max=8)},) if is_dynamic else None
    return ModelCase(name, build, ((3, *shape),), (), quantize=quantize, dynamic_shapes=dims)


def lowered(exported: torch.export.ExportedProgram) -> EdgeProgramManager:
    return whole(
        to_edge_transform_and_lower(copy.deepcopy(exported), partitioner=[VulkanPartitioner()])
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_is_one_delegate_and_right(name: str) -> None:
    _, shape, is_dynamic = NETWORKS[name]
    case = case_of(name)
    module, exported = export_quantized(case)
    pte = pte_of(lowered(exported))
    for batch in (3, 1, 8) if is_dynamic else (3,):
        inputs = case.inputs(((batch, *shape),), seed=11)
        wanted = module(*inputs)
        [result] = run(pte, inputs)
        step = float(wanted.unique().diff().min())
        steps = ((result - wanted) / step).abs().round()
        # Of a few results one may be off.
        assert int(steps.max()) <= 1 and int(steps.sum()) <= max(1, 0.005 * steps.numel())


# Without --all, of each kind one: all are there in int8.
IN_FLOAT32 = ("resnet", "mobilenet_v3", "unet", "densenet", "keyword_spotter")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in IN_FLOAT32 else [pytest.mark.all])
        for name in NETWORKS
    ],
)
def test_in_float32(name: str) -> None:
    """Results are as near to float64 as those of one op, for these few layers keep that."""
    _, shape, is_dynamic = NETWORKS[name]
    case = case_of(name, quantize=False)
    module, exported = export_quantized(case)
    program = lowered(exported)
    [delegate] = read_delegates(program)
    # Norms behind convolutions are part of them, as are clamps.
    norms = 3 if name == "densenet" else 0  # in front of convolutions, and at the end
    assert delegate.op_names.count("et_vk.channel_affine.default") == norms
    pte = pte_of(program)
    module = module.double()
    for batch in (3, 1, 8) if is_dynamic else (3,):
        inputs = case.inputs(((batch, *shape),), seed=11)
        wanted = module(*(one.double() for one in inputs))
        [result] = run(pte, inputs)
        assert float((result - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())
