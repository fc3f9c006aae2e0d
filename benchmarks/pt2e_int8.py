"""PT2E int8 of a model for a benchmark."""

from __future__ import annotations

from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import Quantizer

from executorch_vulkan import VulkanInt8Quantizer


def static_int8(
    model: nn.Module, inputs: tuple[torch.Tensor, ...], dynamic_shapes: Any = None
) -> nn.Module:
    """Per-tensor activations, calibrated on `inputs`, and per-channel weights."""
    config = get_symmetric_quantization_config(is_per_channel=True)
    return _quantized(model, inputs, dynamic_shapes, XNNPACKQuantizer().set_global(config))


def dynamic_int8(
    model: nn.Module, inputs: tuple[torch.Tensor, ...], dynamic_shapes: Any = None
) -> nn.Module:
    """Per-token activations quantized at run time, and per-channel weights."""
    return _quantized(model, inputs, dynamic_shapes, VulkanInt8Quantizer(dynamic=True))


def _quantized(
    model: nn.Module, inputs: tuple[torch.Tensor, ...], dynamic_shapes: Any, quantizer: Quantizer
) -> nn.Module:
    exported = torch.export.export(model, inputs, dynamic_shapes=dynamic_shapes)
    prepared = prepare_pt2e(exported.module(), quantizer)
    prepared(*inputs)
    return convert_pt2e(prepared)
