"""Networks quantized by VulkanInt8Quantizer: one delegate each, as close to eager as int8 is.

In networks as deep as a U-Net, with random weights, roundings that flip grow: of eager mode's own
two implementations on a CPU (oneDNN and PyTorch's) a fifth of the U-Net's results differ, by up to
3 steps. Of these networks it is only checked that they are one delegate; their bytes are compared
across kernels and drivers in test_published_networks.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner
from int8_quantizer import Inputs, quantized_for_vulkan
from networks import NETWORKS, random_network
from programs import run
from transformer_networks import TRANSFORMERS
from whole_models import listed, pte_of, whole

SIZES = ((3, 11), (1, 24), (4, 2), (2, 7))  # batch and length
ALL = pytest.mark.all


def lowered(
    module: nn.Module, calibration: Sequence[Inputs], shapes: Any
) -> tuple[nn.Module, bytes]:
    """The quantized graph and the program, which must be one delegate and nothing else."""
    first, *more = calibration
    quantized = quantized_for_vulkan(module, first, shapes, more=more)
    exported = torch.export.export(quantized, first, dynamic_shapes=shapes, strict=False)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    return quantized, pte_of(whole(program))


def check(
    module: nn.Module, calibration: Sequence[Inputs], inputs: Sequence[Inputs], shapes: Any
) -> None:
    """At most 2 steps from eager mode and 98.5 % equal; a float result's step is 1/255 of it."""
    quantized, pte = lowered(module, calibration, shapes)
    for one in inputs:
        for actual, wanted in zip(run(pte, one), listed(quantized(*one)), strict=True):
            step = float(wanted.max() - wanted.min()) / 255
            steps = ((actual - wanted) / step).abs().round()
            assert int(steps.max()) <= 2
            assert int((steps > 0).sum()) <= max(1, 0.015 * steps.numel())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("sentence_encoder", "llama", "vit") else ALL)
        for name in TRANSFORMERS
    ],
)
def test_transformers(name: str) -> None:
    torch.manual_seed(0)
    network = TRANSFORMERS[name]
    generator = torch.Generator().manual_seed(1)
    calibration = [network.inputs(*size, generator) for size in SIZES]
    inputs = [network.inputs(*size, generator) for size in SIZES]
    with torch.no_grad():
        check(network.build().eval(), calibration, inputs, network.dynamic_shapes())


def images_of(name: str) -> torch.Tensor:
    channels, height, width = NETWORKS[name].shape
    shape = (4, channels, min(height, 64), min(width, 64))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


IMAGE_SHAPES = ({0: torch.export.Dim("batch", min=1, max=4)},)


@pytest.mark.parametrize("name", ["keyword_spotter", pytest.param("squeezenet", marks=ALL)])
def test_convolutional_networks(name: str) -> None:
    images = images_of(name)
    with torch.no_grad():
        calibration = [(images[:2],), (images[2:],)]
        inputs = [(images[:1],), (images[1:],)]
        check(random_network(name, images), calibration, inputs, IMAGE_SHAPES)


@pytest.mark.all
@pytest.mark.parametrize("name", ["resnet18", "unet", "mobilenet_v2", "mobilenet_v3_small"])
def test_deep_networks_are_one_delegate(name: str) -> None:
    images = images_of(name)
    with torch.no_grad():
        lowered(random_network(name, images), [(images[:2],), (images[2:],)], IMAGE_SHAPES)
