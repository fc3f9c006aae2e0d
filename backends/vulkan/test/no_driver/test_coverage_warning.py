"""The one warning where Vulkan gets nothing of a program, or less than half of its linears, and the
one where it runs quantized layers in float32."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from executorch.exir.backend.partitioner import Partitioner
from torch import nn

from executorch_vulkan import VulkanPartitioner
from nothing import Nothing
from quantized_graphs import Layer, QuantizedWeight


def warnings_of(
    caplog: pytest.LogCaptureFixture,
    module: nn.Module,
    *shape: int,
    behind: Sequence[Partitioner] = (),
    **options: Any,
) -> list[str]:
    dtype = next((one.dtype for one in module.parameters()), torch.float32)
    exported = torch.export.export(module.eval(), (torch.zeros(shape, dtype=dtype),))
    with caplog.at_level(logging.WARNING):
        to_edge_transform_and_lower(
            exported,
            partitioner=[VulkanPartitioner(**options), *behind],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
    return [r.message for r in caplog.records if r.name.startswith("executorch_vulkan")]


def good() -> Layer:
    return Layer(weight=QuantizedWeight(8, 8))


def bad() -> Layer:
    weight = QuantizedWeight(8, 8)
    weight.zeros[1] = 2
    return Layer(weight=weight)


class Int16(QuantizedWeight):
    def __init__(self) -> None:
        super().__init__(8, 8)
        self.weight = self.weight.to(torch.int16)

    def forward(self) -> torch.Tensor:
        return torch.ops.quantized_decomposed.dequantize_per_channel(
            self.weight, self.scales, self.zeros, 0, -300, 300, torch.int16
        )


class Wanted(Layer):
    pass


ONLY_WANTED = {"nn_module_allowlist": ["Wanted"]}
DOUBLE = (
    "it computes in torch.float64, and layers here in int8 and float32; call float() on the model "
    "before it is quantized, and on its inputs"
)
ZEROS = "weight zero points are not all zero; quantize weights symmetrically"
SEE = "print(executorch_vulkan.explain(program)) says it of each node"


def test_nothing_of_a_model_in_float64(caplog: pytest.LogCaptureFixture) -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8)).double()
    assert warnings_of(caplog, module, 4, 8) == [
        f"nothing of the program was delegated to Vulkan. 3 of its 3 layers: {DOUBLE}; {SEE}"
    ]


def test_nothing_of_a_quantized_model(caplog: pytest.LogCaptureFixture) -> None:
    """Where another backend may have an int8 kernel for its layers."""
    assert warnings_of(caplog, bad(), 4, 8, behind=[Nothing()]) == [
        f"nothing of the program was delegated to Vulkan. 1 of its 1 layers: {ZEROS}; {SEE}"
    ]


def test_nothing_because_of_a_list(caplog: pytest.LogCaptureFixture) -> None:
    [message] = warnings_of(caplog, good(), 4, 8, nn_module_allowlist=["Attention"])
    assert "1 of its 1 layers: its module is not in nn_module_allowlist" in message


def test_fewer_than_half_of_the_linears(caplog: pytest.LogCaptureFixture) -> None:
    module = nn.Sequential(good(), bad(), bad(), bad())
    assert warnings_of(caplog, module, 4, 8, behind=[Nothing()]) == [
        "only 1 of the program's 4 linear layers were delegated to Vulkan. 3 of the others: "
        f"{ZEROS}; {SEE}"
    ]


def test_quantized_layers_in_float(caplog: pytest.LogCaptureFixture) -> None:
    """Of each kind of reason: how many, the first names, and what to do."""
    shared, again = bad(), bad()
    again.weight = shared.weight
    module = nn.Sequential(good(), bad(), Layer(weight=Int16()), shared, bad(), again)
    assert warnings_of(caplog, module, 4, 8) == [
        "5 of 6 quantized layers run on Vulkan in float32, not in int8: slower, and with weights "
        "of 1024 bytes instead of 320. 4 (aten_addmm_default_1, aten_addmm_default_3, "
        f"aten_addmm_default_4, ...): {ZEROS}; 1 (aten_addmm_default_2): weight dtype is "
        f"torch.int16, not torch.int8; quantize it to int8; {SEE}"
    ]


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (nn.Sequential(good(), bad()), {"behind": [Nothing()]}),
        (nn.Sequential(good(), nn.LayerNorm(8), nn.LayerNorm(8)), {}),
        (nn.Sequential(nn.ReLU(), nn.Softmax(-1)), {}),
        (nn.Sequential(Wanted(weight=QuantizedWeight(8, 8)), bad(), bad()), ONLY_WANTED),
        (nn.Sequential(good(), nn.Linear(8, 8), nn.Linear(8, 8)), {}),
    ],
    ids=["half", "other_layers", "no_layers", "listed", "not_quantized"],
)
def test_silent(
    caplog: pytest.LogCaptureFixture, module: nn.Module, options: dict[str, Any]
) -> None:
    assert not warnings_of(caplog, module, 4, 8, **options)


def test_products_of_activations_are_no_linears(caplog: pytest.LogCaptureFixture) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = good()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layer(x)
            return torch.mm(torch.mm(y, y), y)

    assert not warnings_of(caplog, Model(), 8, 8)
