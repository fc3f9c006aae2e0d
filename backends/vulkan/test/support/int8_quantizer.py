"""Modules quantized by VulkanInt8Quantizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import Quantizer

from executorch_vulkan import VulkanInt8Quantizer, smooth_outliers

Inputs = tuple[torch.Tensor, ...]


class Net(nn.Module):
    """`function` of the module and its inputs; submodules and parameters by name."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self, *inputs)


def quantized_for_vulkan(
    module: nn.Module,
    inputs: Inputs,
    dynamic_shapes: Any = None,
    quantizer: Quantizer | None = None,
    more: Iterable[Inputs] = (),
    smooth: bool = False,
) -> GraphModule:
    """`module` after PT2E, calibrated on `inputs` and `more`; by default with our quantizer.

    Args:
        smooth: whether channels with outliers are scaled first.
    """
    exported = torch.export.export(
        module.eval(), inputs, dynamic_shapes=dynamic_shapes, strict=False
    )
    batches = (inputs, *more)
    graph_module = exported.module()
    assert isinstance(graph_module, GraphModule)
    if smooth:
        smooth_outliers(graph_module, batches)
    prepared = prepare_pt2e(graph_module, quantizer or VulkanInt8Quantizer())
    for batch in batches:
        prepared(*batch)
    return convert_pt2e(prepared)


def is_rounded(node: object) -> bool:
    """True for the dequantize that PT2E puts behind what is rounded."""
    return isinstance(node, Node) and "dequantize" in str(node.target)


def rounded(graph_module: GraphModule, op: str) -> list[tuple[list[bool], bool]]:
    """For each call of an aten op: which tensors it reads are rounded, and is its result."""
    found = []
    for node in graph_module.graph.nodes:
        name = getattr(getattr(node.target, "_schema", None), "name", "").removesuffix("_")
        if name == f"aten::{op}":
            readers = [str(user.target) for user in node.users]
            result = bool(readers) and all("quantize_per" in reader for reader in readers)
            found.append(([is_rounded(one) for one in node.all_input_nodes], result))
    return found
