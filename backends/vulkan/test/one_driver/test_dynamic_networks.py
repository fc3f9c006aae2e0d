"""Convolutional networks whose activations are quantized at run time: one delegate each, and each
step as in eager mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from every_other import every_other
from executorch_vulkan import VulkanInt8Quantizer, VulkanPartitioner, explain
from int8_quantizer import is_rounded, quantized_for_vulkan
from model_cases import quantized_module
from networks import NETWORKS, random_network
from stepwise import check_steps
from whole_models import pte_of, whole

DYNAMIC = "et_vk.conv2d_dq8ca_q8csw.default"
ALL = pytest.mark.all

# By quantizer: it takes a module, inputs and dynamic shapes.
QUANTIZERS: dict[str, Callable[..., nn.Module]] = {
    "xnnpack": lambda *given: quantized_module(*given, is_dynamic=True),
    "ours": lambda *given: quantized_for_vulkan(*given, quantizer=_ours()),
}


def _ours() -> VulkanInt8Quantizer:
    return VulkanInt8Quantizer(dynamic=True, per_token=False)


def lowered(
    name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], dims: Any
) -> tuple[nn.Module, Any]:
    """The quantized module, and the program of one delegate, in which the convolutions that are
    quantized are in int8: all of them by our quantizer, by XNNPACK's those of whole images."""
    quantized = QUANTIZERS[name](module.eval(), inputs, dims)
    exported = torch.export.export(quantized, inputs, dynamic_shapes=dims)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    became = [row.became for row in explain(program) if row.op == "aten.convolution.default"]
    convolutions = [node for node in quantized.graph.nodes if "aten.conv" in str(node.target)]
    in_int8 = [node for node in convolutions if is_rounded(node.args[0])]
    assert len(became) == len(convolutions) > 0
    assert became.count(DYNAMIC) == len(in_int8)
    assert name != "ours" or in_int8 == convolutions
    return quantized, whole(program)


class Net(nn.Module):
    """`function` of the module and its input; submodules by name."""

    def __init__(self, function: Callable[..., torch.Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def _small() -> nn.Module:
    """A window, a depthwise one, a pointwise one, one in groups, and a transposed one."""
    return Net(
        lambda s, x: s.head(
            s.up(F.relu(s.groups(F.hardswish(s.deep(F.relu(s.first(x))))))).mean(3)
        ),
        first=nn.Conv2d(3, 8, 3, padding=1),
        deep=nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.Conv2d(8, 20, 1)),
        groups=nn.Conv2d(20, 6, 3, groups=2, dilation=2, padding=2),
        up=nn.ConvTranspose2d(6, 5, 3, 2, 1, output_padding=1),
        head=nn.Linear(14, 4),
    )


def _audio() -> nn.Module:
    return Net(
        lambda s, x: s.up(F.gelu(s.mixed(F.silu(s.first(x))) + x)),
        first=nn.Conv1d(6, 12, 5, padding=2),
        mixed=nn.Sequential(nn.Conv1d(12, 12, 3, padding=1, groups=12), nn.Conv1d(12, 6, 1)),
        up=nn.ConvTranspose1d(6, 4, 4, 2),
    )


def _branches() -> nn.Module:
    """Convolutions that read the same tensor, joined, and a gate of channels."""
    return Net(
        lambda s, x: s.gate(F.relu(torch.cat([s.one(x), s.three(x)], 1))) * s.three(x)[:, :1],
        one=nn.Conv2d(5, 7, 1),
        three=nn.Conv2d(5, 9, 3, padding=1),
        gate=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1), nn.Hardsigmoid()),
    )


SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "small": (_small, (3, 13, 11)),
    "audio": (_audio, (6, 40)),
    "branches": (_branches, (5, 6, 7)),
}


@every_other("name, quantizer", SMALL, QUANTIZERS)
def test_small_networks(name: str, quantizer: str) -> None:
    torch.manual_seed(0)
    build, shape = SMALL[name]
    dims = {0: torch.export.Dim("batch", min=1, max=5)}
    inputs = [(torch.randn(batch, *shape) * 3 + 1,) for batch in (3, 1, 5)]
    with torch.no_grad():
        module, program = lowered(quantizer, build(), inputs[0], (dims,))
    check_steps(module, pte_of(program), inputs, (dims,))


def _images(name: str) -> torch.Tensor:
    channels, height, width = NETWORKS[name].shape
    shape = (2, channels, min(height, 64), min(width, 64))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


# The small ones have both quantizers without --all.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "keyword_spotter" else ALL) for name in NETWORKS],
)
@pytest.mark.parametrize(
    "quantizer",
    [pytest.param(name, marks=() if name == "ours" else ALL) for name in QUANTIZERS],
)
def test_networks(name: str, quantizer: str) -> None:
    images = _images(name)
    dims = ({0: torch.export.Dim("batch", min=1, max=4)},)
    with torch.no_grad():
        module, program = lowered(quantizer, random_network(name, images), (images,), dims)
    check_steps(module, pte_of(program), [(images,)], dims)
