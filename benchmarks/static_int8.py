"""Static PT2E int8 of a model for a benchmark: calibrated on one batch of random inputs."""

from __future__ import annotations

from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e


def quantized(
    model: nn.Module, inputs: tuple[torch.Tensor, ...], dynamic_shapes: Any = None
) -> nn.Module:
    """Per-tensor activations, per-channel weights."""
    exported = torch.export.export(model, inputs, dynamic_shapes=dynamic_shapes)
    config = get_symmetric_quantization_config(is_per_channel=True)
    prepared = prepare_pt2e(exported.module(), XNNPACKQuantizer().set_global(config))
    prepared(*inputs)
    return convert_pt2e(prepared)
