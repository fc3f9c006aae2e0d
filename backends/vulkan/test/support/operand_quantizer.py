"""A quantizer for what XNNPACKQuantizer does not do: int32 biases, weights stored [K, N]."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
)

_aten = torch.ops.aten
# By op: which arguments are x, the weight and the bias, and the weight's axis of N.
_LAYERS: dict[Any, tuple[int, int, int | None, int]] = {
    _aten.linear.default: (0, 1, 2, 0),
    _aten.addmm.default: (1, 2, 0, 1),
    _aten.mm.default: (0, 1, None, 1),
    _aten.matmul.default: (0, 1, None, 1),
}
_ACTIVATION = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=MinMaxObserver,
)


class OperandQuantizer(Quantizer):
    """Layers and the adds behind them take and give int8.

    Args:
        per_channel: a scale for each output channel of the weight, or one for all.
        quantize_bias: biases are int32 on the scale of input times weight.
    """

    def __init__(self, per_channel: bool = True, quantize_bias: bool = True) -> None:
        super().__init__()
        self.per_channel, self.quantize_bias = per_channel, quantize_bias

    def annotate(self, model: GraphModule) -> GraphModule:
        for node in model.graph.nodes:
            if node.target in _LAYERS:
                self._annotate_layer(node)
        return model

    def validate(self, model: GraphModule) -> None:
        pass

    def _annotate_layer(self, layer: Node) -> None:
        x, weight, bias, axis = _LAYERS[layer.target]
        inputs: dict[Any, Any] = {layer.args[x]: _ACTIVATION}
        inputs[layer.args[weight]] = self._weight(axis)
        edges = [(layer.args[x], layer), (layer.args[weight], layer)]
        if bias is not None and len(layer.args) > bias and self.quantize_bias:
            inputs[layer.args[bias]] = self._bias(edges)
        output: QuantizationSpec | None = _ACTIVATION
        reader = next(iter(layer.users))
        if reader.target == _aten.add.Tensor:
            late = {reader.args[1]: self._bias(edges)} if self.quantize_bias else {}
            _annotate(reader, late, _ACTIVATION)
            output = None
        _annotate(layer, inputs, output)

    def _weight(self, axis: int) -> QuantizationSpec:
        return QuantizationSpec(
            dtype=torch.int8,
            quant_min=-127,
            quant_max=127,
            qscheme=torch.per_channel_symmetric if self.per_channel else torch.per_tensor_symmetric,
            ch_axis=axis if self.per_channel else None,
            observer_or_fake_quant_ctr=(
                PerChannelMinMaxObserver if self.per_channel else MinMaxObserver
            ),
        )

    def _bias(self, edges: list[Any]) -> DerivedQuantizationSpec:
        def derive(observers: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
            (x_scale, _), (w_scale, _) = (one.calculate_qparams() for one in observers)
            scale = x_scale * w_scale
            return scale, torch.zeros(scale.shape, dtype=torch.int64)

        return DerivedQuantizationSpec(
            derived_from=edges,
            derive_qparams_fn=derive,
            dtype=torch.int32,
            quant_min=-(2**31),
            quant_max=2**31 - 1,
            qscheme=torch.per_channel_symmetric if self.per_channel else torch.per_tensor_symmetric,
            ch_axis=0 if self.per_channel else None,
        )


def _annotate(node: Node, inputs: dict[Any, Any], output: QuantizationSpec | None) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(
        input_qspec_map=inputs, output_qspec=output, _annotated=True
    )


def quantized_by(
    quantizer: Quantizer,
    module: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    dynamic_shapes: Any = None,
    fold_quantize: bool = True,
) -> nn.Module:
    """`module` quantized with PT2E, calibrated on `inputs`."""
    exported = torch.export.export(
        module.eval(), inputs, dynamic_shapes=dynamic_shapes, strict=True
    )
    prepared = prepare_pt2e(exported.module(), quantizer)
    prepared(*inputs)
    return convert_pt2e(prepared, fold_quantize=fold_quantize)
