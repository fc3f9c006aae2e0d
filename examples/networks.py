"""Convolutional networks as their papers have them, with random weights.

Batch norms have seen one batch, so that values neither vanish nor grow on the way through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


def _conv_norm(
    ic: int, oc: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution = nn.Conv2d(ic, oc, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(oc)


class BasicBlock(nn.Module):
    """Of ResNet-18: two 3x3 convolutions."""

    expansion = 1

    def __init__(self, ic: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv_norm(ic, width, 3, stride), nn.ReLU(), *_conv_norm(width, width, 3)
        )
        self.short = nn.Sequential(*_shortcut(ic, width, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.short(x))


class Bottleneck(nn.Module):
    """Of ResNet-50: 1x1, 3x3, 1x1."""

    expansion = 4

    def __init__(self, ic: int, width: int, stride: int) -> None:
        super().__init__()
        oc = width * self.expansion
        self.body = nn.Sequential(
            *_conv_norm(ic, width, 1),
            nn.ReLU(),
            *_conv_norm(width, width, 3, stride),
            nn.ReLU(),
            *_conv_norm(width, oc, 1),
        )
        self.short = nn.Sequential(*_shortcut(ic, oc, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.short(x))


def _shortcut(ic: int, oc: int, stride: int) -> tuple[nn.Module, ...]:
    return () if stride == 1 and ic == oc else _conv_norm(ic, oc, 1, stride)


class ResNet(nn.Module):
    """[N, 3, H, W] to [N, 1000]."""

    def __init__(self, block: type[BasicBlock | Bottleneck], depths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_conv_norm(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        channels = 64
        for stage, depth in enumerate(depths):
            width = 64 << stage
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(block(channels, width, stride))
                channels = width * block.expansion
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(self.excite(y))


class InvertedResidual(nn.Module):
    """Of MobileNetV2 and V3: 1x1 to `inner` channels, depthwise, perhaps a gate, 1x1 to `oc`."""

    def __init__(
        self,
        ic: int,
        inner: int,
        oc: int,
        kernel: int,
        stride: int,
        activation: type[nn.Module] = nn.ReLU6,
        is_gated: bool = False,
    ) -> None:
        super().__init__()
        widen = (*_conv_norm(ic, inner, 1), activation()) if inner != ic else ()
        # A quarter of the channels, rounded to a multiple of 8 and to no less than 90 % of it.
        quarter = max(8, (inner // 4 + 4) // 8 * 8)
        quarter += 8 if quarter < 0.9 * (inner // 4) else 0
        gate = (Gate(inner, quarter),) if is_gated else ()
        self.body = nn.Sequential(
            *widen,
            *_conv_norm(inner, inner, kernel, stride, groups=inner),
            activation(),
            *gate,
            *_conv_norm(inner, oc, 1),
        )
        self.is_residual = stride == 1 and ic == oc

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.is_residual else self.body(x)


class MobileNetV2(nn.Module):
    """[N, 3, H, W] to [N, 1000]."""

    STAGES = (  # factor, channels, blocks, stride
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_conv_norm(3, 32, 3, 2), nn.ReLU6()]
        channels = 32
        for factor, oc, blocks, stride in self.STAGES:
            for index in range(blocks):
                own = stride if index == 0 else 1
                layers.append(InvertedResidual(channels, channels * factor, oc, 3, own))
                channels = oc
        self.layers = nn.Sequential(*layers, *_conv_norm(channels, 1280, 1), nn.ReLU6())
        self.head = nn.Linear(1280, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean((2, 3)))


class MobileNetV3Small(nn.Module):
    """[N, 3, H, W] to [N, 1000]."""

    BLOCKS = (  # kernel, inner channels, channels, gated, hardswish, stride
        (3, 16, 16, True, False, 2),
        (3, 72, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2),
        (5, 240, 40, True, True, 1),
        (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1),
        (5, 144, 48, True, True, 1),
        (5, 288, 96, True, True, 2),
        (5, 576, 96, True, True, 1),
        (5, 576, 96, True, True, 1),
    )

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_conv_norm(3, 16, 3, 2), nn.Hardswish()]
        channels = 16
        for kernel, inner, oc, is_gated, is_hardswish, stride in self.BLOCKS:
            activation = nn.Hardswish if is_hardswish else nn.ReLU
            layers.append(
                InvertedResidual(channels, inner, oc, kernel, stride, activation, is_gated)
            )
            channels = oc
        layers += [*_conv_norm(channels, 576, 1), nn.Hardswish()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(576, 1024), nn.Hardswish(), nn.Linear(1024, 1000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


class Fire(nn.Module):
    """Of SqueezeNet: few channels, then 1x1 and 3x3 side by side."""

    def __init__(self, ic: int, inner: int, oc: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(ic, inner, 1)
        self.one, self.three = nn.Conv2d(inner, oc, 1), nn.Conv2d(inner, oc, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)


class SqueezeNet(nn.Module):
    """Version 1.1: [N, 3, H, W] to [N, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
            nn.Conv2d(512, 1000, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class UNet(nn.Module):
    """[N, 3, H, W] to [N, 2, H, W], for H and W that are multiples of 8."""

    WIDTHS = (16, 32, 64, 128)

    def __init__(self) -> None:
        super().__init__()
        widths = self.WIDTHS
        self.down = nn.ModuleList(map(self._double, (3, *widths), widths))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 2, 2) for narrow, wide in pairwise(widths)
        )
        self.merge = nn.ModuleList(self._double(2 * width, width) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], 2, 1)

    @staticmethod
    def _double(ic: int, oc: int) -> nn.Module:
        return nn.Sequential(*_conv_norm(ic, oc, 3), nn.ReLU(), *_conv_norm(oc, oc, 3), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = self.merge[level](torch.cat([kept[level], self.up[level](x)], 1))
        return self.last(x)


class KeywordSpotter(nn.Module):
    """A depthwise separable net on [N, 1, 49, 10], frames of ten coefficients, to [N, 12]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(1, 64, (10, 4), 2, (5, 1), bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        ]
        for _ in range(4):
            layers += [*_conv_norm(64, 64, 3, groups=64), nn.ReLU()]
            layers += [*_conv_norm(64, 64, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(64, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


@dataclass(frozen=True)
class Network:
    """A kind of network and the shape [C, H, W] of one input as it is published."""

    build: Callable[[], nn.Module]
    shape: tuple[int, int, int]


_IMAGE = (3, 224, 224)
NETWORKS: Mapping[str, Network] = {
    "mobilenet_v2": Network(MobileNetV2, _IMAGE),
    "mobilenet_v3_small": Network(MobileNetV3Small, _IMAGE),
    "resnet18": Network(lambda: ResNet(BasicBlock, (2, 2, 2, 2)), _IMAGE),
    "resnet50": Network(lambda: ResNet(Bottleneck, (3, 4, 6, 3)), _IMAGE),
    "squeezenet": Network(SqueezeNet, _IMAGE),
    "unet": Network(UNet, _IMAGE),
    "keyword_spotter": Network(KeywordSpotter, (1, 49, 10)),
}


def random_network(name: str, images: torch.Tensor) -> nn.Module:
    """The network of this name in `NETWORKS`, its batch norms set by `images` [N, C, H, W]."""
    torch.manual_seed(0)
    model = NETWORKS[name].build()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the average of what it sees
    with torch.no_grad():
        model.train()(images)
    return model.eval()
