"""Models that torchao's quantize_ has made int8, with activations quantized at run time: one
delegate, without a word of the user's on ops that edge programs don't allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchao.kernel.intmm as intmm
from executorch.exir import to_edge_transform_and_lower
from test_dynamic_models import DYNAMIC, Branches
from torch import nn
from torchao.quantization import (
    Int8DynamicActivationInt8WeightConfig,
    Int8DynamicActivationIntxWeightConfig,
    MappingType,
    PerAxis,
    PerGroup,
    PerTensor,
    quantize_,
)

from every_other import every_other
from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.patterns.passes.torchao_linears import linears_for_int_products
from programs import load
from whole_models import pte_of, whole

CONFIGS: dict[str, Callable[[], Any]] = {
    "symmetric": Int8DynamicActivationInt8WeightConfig,
    "asymmetric": lambda: Int8DynamicActivationInt8WeightConfig(
        act_mapping_type=MappingType.ASYMMETRIC
    ),
    "per_tensor": lambda: Int8DynamicActivationInt8WeightConfig(granularity=PerTensor()),
    "intx": lambda: Int8DynamicActivationIntxWeightConfig(
        weight_dtype=torch.int8, weight_granularity=PerAxis(0)
    ),
}
DIMS = ({0: torch.export.Dim("batch", min=1, max=9)},)


ERROR = 1e-6  # of the largest result, unless a rounding flips: then a step of one activation
FLIPPED = 3e-3


def check(module: nn.Module, pte: bytes, inputs: list[tuple[torch.Tensor]]) -> None:
    method = load(pte)
    for one in inputs:
        [actual], wanted = method.execute(list(one)), module(*one)
        assert actual.shape == wanted.shape
        errors = (actual - wanted).abs() / float(wanted.abs().max())
        assert float(errors.median()) <= ERROR and float(errors.max()) <= FLIPPED


def test_weights_of_groups_run_in_float() -> None:
    """What rounds their inputs at run time has a kernel; "8da4w" to torchao."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(32, 48), nn.SiLU(), nn.Linear(48, 16, bias=False)).eval()
    config = Int8DynamicActivationIntxWeightConfig(
        weight_dtype=torch.int4, weight_granularity=PerGroup(16)
    )
    quantize_(module, config)
    inputs = [(torch.randn(batch, 32),) for batch in (4, 1, 9)]
    with torch.no_grad():
        exported = torch.export.export(module, inputs[0], dynamic_shapes=DIMS)
        program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
        check(module, pte_of(whole(program)), inputs)


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(24, 40), nn.SiLU(), nn.Linear(40, 20, bias=False))


def quantized(build: Callable[[], nn.Module], config: str) -> nn.Module:
    torch.manual_seed(0)
    module = build().eval()
    quantize_(module, CONFIGS[config]())
    return module


def lowered(module: nn.Module, x: torch.Tensor) -> Any:
    exported = torch.export.export(module, (x,), dynamic_shapes=DIMS)
    return to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])


@every_other("config, shape, shifts", CONFIGS, [(24,), (5, 24)], [True, False])
def test_mlp(
    config: str, shape: tuple[int, ...], shifts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also as CPUs export it that multiply uint8 with int8, and as others do."""
    monkeypatch.setattr(intmm, "_cpu_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(intmm, "_cpu_is_vnni_supported", lambda: shifts)
    module = quantized(_mlp, config)
    inputs = [(torch.randn(batch, *shape),) for batch in (4, 1, 9)]
    program = whole(lowered(module, inputs[0][0]))
    became = [row.became for row in explain(program) if "mm" in row.op]
    assert became == [DYNAMIC, DYNAMIC]
    with torch.no_grad():
        check(module, pte_of(program), inputs)


class Attending(nn.Module):
    """A layer of what attention gives, whose order of memory changes while it is lowered."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(20, 60)
        self.out = nn.Linear(20, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (y.unflatten(-1, (2, 10)).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(-2))


@every_other("config, model", CONFIGS, [Branches, Attending])
def test_models(config: str, model: type[nn.Module]) -> None:
    module = quantized(model, config)
    inputs = [(torch.randn(batch, 3, 20),) for batch in (4, 1, 9)]
    with torch.no_grad():
        check(module, pte_of(whole(lowered(module, inputs[0][0]))), inputs)


class LeftOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(24, 40)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


def test_a_layer_left_out_is_no_integer_product() -> None:
    """By the user's list: what it becomes instead is allowed in an edge program."""
    module = quantized(lambda: nn.Sequential(LeftOut(), nn.ReLU(), nn.Linear(40, 8)), "symmetric")
    exported = torch.export.export(module, (torch.randn(4, 24),), dynamic_shapes=DIMS)
    partitioner = VulkanPartitioner(nn_module_blocklist=["LeftOut"])
    program = to_edge_transform_and_lower(exported, partitioner=[partitioner])
    report = explain(program, partitioner)
    layers = [(row.became, row.reason) for row in report if "mm" in row.op]
    assert sorted(layers) == [
        (DYNAMIC, ""),
        ("not on Vulkan", "its module is in nn_module_blocklist"),
    ]


def test_other_programs_are_left_alone() -> None:
    exported = torch.export.export(_mlp(), (torch.randn(4, 24),))
    assert linears_for_int_products(exported) is exported
