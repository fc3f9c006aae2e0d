"""A quantizer that gives uint8 activations, as those of other frameworks do."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
)

_aten = torch.ops.aten
_WEIGHT = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
    observer_or_fake_quant_ctr=PerChannelMinMaxObserver,
)


class Uint8Quantizer(Quantizer):
    """Inputs and outputs of linears, adds and views are uint8, weights int8 per channel.

    Args:
        quant_max: 255, or 127 for the reduced range of some CPUs.
    """

    def __init__(self, quant_max: int = 255) -> None:
        super().__init__()
        self._activation = QuantizationSpec(
            dtype=torch.uint8,
            quant_min=0,
            quant_max=quant_max,
            qscheme=torch.per_tensor_affine,
            observer_or_fake_quant_ctr=MinMaxObserver,
        )

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        for node in model.graph.nodes:
            if node.target in (_aten.linear.default, _aten.add.Tensor):
                tensors = [one for one in node.args[:2] if isinstance(one, torch.fx.Node)]
                inputs: dict[Any, Any] = dict.fromkeys(tensors, self._activation)
                if node.target == _aten.linear.default:
                    inputs[node.args[1]] = _WEIGHT
                node.meta["quantization_annotation"] = QuantizationAnnotation(
                    input_qspec_map=inputs, output_qspec=self._activation, _annotated=True
                )
        return model

    def validate(self, model: torch.fx.GraphModule) -> None:
        pass


def quantized_to_uint8(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], quant_max: int = 255
) -> nn.Module:
    """`module` with uint8 activations, calibrated on `inputs`."""
    exported = torch.export.export(module.eval(), inputs).module()
    prepared = prepare_pt2e(exported, Uint8Quantizer(quant_max))
    prepared(*inputs)
    return convert_pt2e(prepared)
