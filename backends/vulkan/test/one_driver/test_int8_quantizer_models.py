"""Networks quantized by VulkanInt8Quantizer: one delegate each, and each step as in eager mode."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner
from int8_quantizer import Inputs, quantized_for_vulkan
from networks import NETWORKS, random_network
from stepwise import check_steps
from transformer_networks import TRANSFORMERS
from whole_models import pte_of, whole

SIZES = ((3, 11), (1, 24), (4, 2), (2, 7))  # batch and length
ALL = pytest.mark.all


def lowered(
    module: nn.Module, calibration: Sequence[Inputs], shapes: Any, smooth: bool = False
) -> tuple[nn.Module, bytes]:
    """The quantized graph and the program, which must be one delegate and nothing else."""
    first, *more = calibration
    quantized = quantized_for_vulkan(module, first, shapes, more=more, smooth=smooth)
    exported = torch.export.export(quantized, first, dynamic_shapes=shapes, strict=False)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    return quantized, pte_of(whole(program))


# An encoder and a decoder, and both ways; of the encoders of text test_transformers.py has one.
USUAL = {("llama", False), ("vit", True)}


@pytest.mark.parametrize(
    ("name", "smooth"),
    [
        pytest.param(
            *one, marks=() if one in USUAL else ALL, id=one[0] + one[1] * ", outliers smoothed"
        )
        for one in product(TRANSFORMERS, (False, True))
    ],
)
def test_transformers(name: str, smooth: bool) -> None:
    torch.manual_seed(0)
    network = TRANSFORMERS[name]
    generator = torch.Generator().manual_seed(1)
    calibration = [network.inputs(*size, generator) for size in SIZES]
    inputs = [network.inputs(*size, generator) for size in SIZES]
    with torch.no_grad():
        shapes = network.dynamic_shapes()
        quantized, pte = lowered(network.build().eval(), calibration, shapes, smooth)
    check_steps(quantized, pte, inputs, shapes)


def images_of(name: str) -> torch.Tensor:
    channels, height, width = NETWORKS[name].shape
    shape = (4, channels, min(height, 64), min(width, 64))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


IMAGE_SHAPES = ({0: torch.export.Dim("batch", min=1, max=4)},)


# Of ResNets the smaller one, whose kinds of layers are those of the other.
NAMES = [name for name in NETWORKS if name != "resnet50"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "keyword_spotter" else ALL) for name in NAMES]
)
def test_convolutional_networks(name: str) -> None:
    images = images_of(name)
    with torch.no_grad():
        calibration = [(images[:2],), (images[2:],)]
        quantized, pte = lowered(random_network(name, images), calibration, IMAGE_SHAPES)
    check_steps(quantized, pte, [(images[1:],), (images[:1],)], IMAGE_SHAPES)


def test_convolutions_of_three_dimensions() -> None:
    """In int8, whatever they become."""
    torch.manual_seed(0)
    layers = (
        *(nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU()),
        *(nn.Conv3d(6, 8, (1, 3, 3), (1, 2, 2), (0, 1, 1)), nn.ReLU()),
        *(nn.Conv3d(8, 8, (3, 1, 1), padding=(1, 0, 0), groups=2), nn.Conv3d(8, 4, 1)),
        *(nn.ConvTranspose3d(4, 5, 2, 2), nn.ReLU(), nn.ConvTranspose3d(5, 4, 3, 2, 1, 1)),
    )
    inputs = [(torch.randn(n, 3, 5, 6, 6),) for n in (3, 1)]
    with torch.no_grad():
        quantized, pte = lowered(nn.Sequential(*layers).eval(), inputs, IMAGE_SHAPES)
    check_steps(quantized, pte, inputs, IMAGE_SHAPES)
    assert b"et_vk.q8ta_conv2d" in pte and b"aten.convolution" not in pte
