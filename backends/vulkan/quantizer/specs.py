"""The grids of int8: what PT2E's observers are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torchao.quantization.granularity import PerToken
from torchao.quantization.pt2e import (
    HistogramObserver,
    MinMaxObserver,
    PerChannelMinMaxObserver,
    PlaceholderObserver,
)
from torchao.quantization.pt2e._affine_quantization import AffineQuantizedPlaceholderObserver
from torchao.quantization.pt2e.quantizer import QuantizationSpec
from torchao.quantization.quant_primitives import MappingType


@dataclass(frozen=True)
class Int8Config:
    """How ops are quantized.

    Args:
        dynamic: inputs of linear layers and convolutions are quantized with what they hold at
            run time, nothing is calibrated and all else is float32. Otherwise int8 is on grids
            that calibration finds.
        per_channel: each output channel of a weight has a scale of its own; else one scale a
            weight.
        per_token: of dynamic inputs [..., K] of linear layers, each row has a scale and zero
            point; else each tensor, as those of convolutions always.
    """

    dynamic: bool = False
    per_channel: bool = True
    per_token: bool = True


# Below this a scale is taken for zero. A weight's times an input's is still a normal float32.
_EPS = 2.0**-24


def activation_spec() -> QuantizationSpec:
    """int8 -128..127, one scale and zero point for a tensor, found by calibration."""
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=HistogramObserver.with_args(eps=_EPS),
    )


def dynamic_spec(per_token: bool) -> QuantizationSpec:
    """int8 -128..127, with a scale and zero point that are found at run time.

    Args:
        per_token: one for each row of the input, else for the whole tensor.
    """
    if per_token:
        observer = AffineQuantizedPlaceholderObserver.with_args(
            mapping_type=MappingType.ASYMMETRIC,
            target_dtype=torch.int8,
            granularity=PerToken(),
            eps=torch.finfo(torch.float32).eps,
            scale_dtype=torch.float32,
            zero_point_dtype=torch.int32,
        )
        return QuantizationSpec(torch.int8, observer, -128, 127, is_dynamic=True)
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        is_dynamic=True,
        observer_or_fake_quant_ctr=PlaceholderObserver.with_args(eps=2.0**-12),
    )


def weight_spec(axis: int | None) -> QuantizationSpec:
    """int8 -127..127, symmetric.

    Args:
        axis: the dimension whose every index has a scale of its own; None for one scale.
    """
    per_channel = axis is not None
    observer = PerChannelMinMaxObserver if per_channel else MinMaxObserver
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric if per_channel else torch.per_tensor_symmetric,
        ch_axis=axis,
        observer_or_fake_quant_ctr=observer.with_args(eps=_EPS),
    )
