"""A convolution in a delegate leaves a dynamic batch its upper bound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.exir.schema import Tensor
from torch import nn
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner
from model_cases import quantized_module

_LARGEST = 40
_CONVOLUTIONS = {
    "plain": nn.Conv2d(3, 4, 3),
    "strided": nn.Conv2d(3, 4, 3, stride=2),
    "dilated": nn.Conv2d(3, 4, 3, dilation=2),
    "depthwise": nn.Conv2d(3, 3, 3, groups=3),
    "transposed": nn.ConvTranspose2d(3, 4, 2, stride=2),
    "one_dimension": nn.Conv1d(3, 4, 3),
}


@pytest.fixture(params=[True, False], ids=["onednn", "native"])
def cpu_kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Which of its CPU kernels PyTorch has, on which its comparisons depend."""
    with torch.backends.mkldnn.flags(enabled=request.param):
        yield


@pytest.mark.usefixtures("cpu_kernels")
@pytest.mark.parametrize(
    ("name", "is_quantized"), [(name, False) for name in _CONVOLUTIONS] + [("plain", True)]
)
def test_bound_is_kept(name: str, is_quantized: bool) -> None:
    convolution = _CONVOLUTIONS[name]
    sizes = (9,) if name == "one_dimension" else (9, 9)
    inputs = (torch.randn(2, 3, *sizes),)
    dims = ({0: Dim("batch", min=1, max=_LARGEST)},)
    module: nn.Module = nn.Sequential(convolution, nn.ReLU()).eval()
    if is_quantized:
        module = quantized_module(module, inputs, dims)
    exported = torch.export.export(module, inputs, dynamic_shapes=dims, strict=False)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    plan = program.to_executorch().executorch_program.execution_plan[0]
    taken = plan.values[plan.inputs[0]].val
    assert isinstance(taken, Tensor)
    assert taken.sizes == [_LARGEST, 3, *sizes]
