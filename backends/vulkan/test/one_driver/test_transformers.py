"""Small transformers in float32 and in static int8: one delegate each, and right."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torch.export import ExportedProgram

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from model_cases import quantized_module
from programs import run
from stepwise import check_steps
from transformer_networks import LAYERS, TRANSFORMERS, Transformer
from whole_models import pte_of, whole

SIZES = ((3, 11), (1, 24), (4, 2), (2, 7))  # batch and length
ERROR = 1e-5  # of the largest result: what one op may be off by, which these few layers keep


def exported(network: Transformer, module: nn.Module) -> ExportedProgram:
    inputs = network.inputs(*SIZES[0], torch.Generator().manual_seed(1))
    return torch.export.export(
        module, inputs, dynamic_shapes=network.dynamic_shapes(), strict=False
    )


def lowered(program: ExportedProgram) -> bytes:
    """The .pte, which must be one delegate and nothing else."""
    return pte_of(whole(to_edge_transform_and_lower(program, partitioner=[VulkanPartitioner()])))


def results(network: Transformer, module: nn.Module, pte: bytes) -> list[tuple[torch.Tensor, ...]]:
    """(actual, expected) for each output of each of `SIZES`."""
    generator = torch.Generator().manual_seed(2)
    pairs = []
    for size in SIZES:
        inputs = network.inputs(*size, generator)
        wanted = module(*inputs)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        pairs += list(zip(run(pte, inputs), wanted, strict=True))
    return pairs


# The sentence encoder is the same BERT with a mean behind it.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.all] if name == "bert" else [])
        for name in TRANSFORMERS
    ],
)
def test_in_float32(name: str) -> None:
    torch.manual_seed(0)
    network = TRANSFORMERS[name]
    module = network.build().eval()
    with torch.no_grad():
        for actual, wanted in results(network, module, lowered(exported(network, module))):
            assert float((actual - wanted).abs().max()) <= ERROR * float(wanted.abs().max())


# Their encoders are of the same layers.
@pytest.mark.parametrize("name", ["bert", pytest.param("vit", marks=pytest.mark.all)])
def test_norms_and_attention_take_conversions_in(name: str) -> None:
    """Between int8 layers; quantizes are those of inputs, embeddings and results that are float."""
    torch.manual_seed(0)
    network = TRANSFORMERS[name]
    inputs = network.inputs(*SIZES[0], torch.Generator().manual_seed(1))
    module = quantized_module(network.build().eval(), inputs, network.dynamic_shapes())
    program = whole(
        to_edge_transform_and_lower(exported(network, module), partitioner=[VulkanPartitioner()])
    )
    [delegate] = read_delegates(program)
    ops = Counter(name.split(".")[1] for name in delegate.op_names)
    assert (ops["q8ta_attention"], ops["attention"]) == (LAYERS, 0)
    assert (ops["q8ta_layer_norm"], ops["native_layer_norm"]) == (2 * LAYERS + 1, 0)
    assert ops["quantize_per_tensor"] <= 4 and ops["dequantize_per_tensor"] <= 1


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_in_int8(name: str) -> None:
    torch.manual_seed(0)
    network = TRANSFORMERS[name]
    inputs = network.inputs(*SIZES[0], torch.Generator().manual_seed(1))
    module = quantized_module(network.build().eval(), inputs, network.dynamic_shapes())
    with torch.no_grad():
        pte = lowered(exported(network, module))
    generator = torch.Generator().manual_seed(2)
    sets = [network.inputs(*size, generator) for size in SIZES]
    check_steps(module, pte, sets, network.dynamic_shapes())
