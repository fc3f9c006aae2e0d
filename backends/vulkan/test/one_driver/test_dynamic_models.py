"""Dynamically quantized models: one delegate each, and each step as in eager mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

from every_other import every_other
from executorch_vulkan import VulkanPartitioner, explain
from model_cases import Inputs, quantized_module
from programs import load
from stepwise import check_steps
from transformer_networks import TRANSFORMERS
from whole_models import pte_of, whole

DYNAMIC = "et_vk.linear_dq8ca_q8csw.default"
SIZES = ((3, 11), (1, 24), (4, 2), (2, 7))  # batch and length
_ops = torch.ops.quantized_decomposed


class Lstm(nn.Module):
    """Of linears, over the steps of a sequence."""

    def __init__(self, size: int = 16) -> None:
        super().__init__()
        self.size = size
        self.of_input = nn.Linear(12, 4 * size)
        self.of_state = nn.Linear(size, 4 * size, bias=False)
        self.head = nn.Linear(size, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = cell = x.new_zeros(x.shape[0], self.size)
        for step in x.unbind(1):
            gates = self.of_input(step) + self.of_state(state)
            take, keep, give, new = gates.chunk(4, -1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(take) * torch.tanh(new)
            state = torch.sigmoid(give) * torch.tanh(cell)
        return self.head(state)


class Branches(nn.Module):
    """Layers that read the same input, with an activation between their views and behind."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(20, 33)
        self.gate = nn.Linear(20, 33, bias=False)
        self.down = nn.Linear(33, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(nn.functional.silu(self.gate(x)) * self.up(x))


class Transposed(nn.Module):
    """Layers of tensors that are not contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 8)
        self.second = nn.Linear(5, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(x.transpose(1, 2)))
        return self.second(y.transpose(1, 2))


class _PerToken(nn.Module):
    """A linear whose activations are rounded row by row, its weight per channel."""

    def __init__(self, k: int, n: int) -> None:
        super().__init__()
        w = torch.randn(n, k)
        scales = w.abs().amax(1) / 127
        self.register_buffer("weight", (w / scales[:, None]).round().to(torch.int8))
        self.register_buffer("scales", scales)
        self.register_buffer("zero_points", torch.zeros(n, dtype=torch.int64))
        self.bias = nn.Parameter(torch.randn(n))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale, zero_point = _ops.choose_qparams_per_token_asymmetric(x, torch.int8)
        bounds = (-128, 127, torch.int8)
        q = _ops.quantize_per_token(x, scale, zero_point, *bounds)
        x = _ops.dequantize_per_token(q, scale, zero_point, *bounds, torch.float32)
        w = _ops.dequantize_per_channel(
            self.weight, self.scales, self.zero_points, 0, -127, 127, torch.int8
        )
        return nn.functional.linear(x, w, self.bias)


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(24, 40), nn.ReLU(), nn.Linear(40, 17), nn.GELU(), nn.Linear(17, 3)
    )


def lowered(module: nn.Module, inputs: Inputs, dims: Any = None) -> bytes:
    exported = torch.export.export(module, inputs, dynamic_shapes=dims, strict=False)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    report = explain(program)
    layers = [row for row in report if row.op.split(".")[1] in ("addmm", "mm", "bmm")]
    assert layers and all(DYNAMIC in row.became for row in layers if "bmm" not in row.op)
    return pte_of(whole(program))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (_mlp, (24,)),
    "mlp_of_sequences": (_mlp, (7, 24)),
    "four_dimensions": (_mlp, (2, 3, 24)),
    "branches": (Branches, (20,)),
    "branches_of_sequences": (Branches, (5, 20)),
    "lstm": (Lstm, (4, 12)),
    "transposed": (Transposed, (12, 5)),
}


@every_other("name, per_channel", MODELS, [True, False])
def test_per_tensor(name: str, per_channel: bool) -> None:
    torch.manual_seed(0)
    build, shape = MODELS[name]
    dims = ({0: torch.export.Dim("batch", min=1, max=9)},)
    inputs = [(torch.randn(batch, *shape),) for batch in (4, 1, 9, 3)]
    module = quantized_module(build().eval(), inputs[0], dims, True, per_channel)
    with torch.no_grad():
        pte = lowered(module, inputs[0], dims)
    check_steps(module, pte, inputs, dims)


@pytest.mark.parametrize("reduce_range", [False, True])
def test_uint8(reduce_range: bool) -> None:
    """As X86InductorQuantizer writes it, of convolutions too."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Linear(6, 7), nn.SiLU(), nn.Linear(7, 5))
    dims = ({0: torch.export.Dim("batch", min=1, max=9)},)
    inputs = [(torch.randn(batch, 3, 5, 6) + 0.5,) for batch in (4, 1, 9)]
    config = x86.get_default_x86_inductor_quantization_config(
        is_dynamic=True, reduce_range=reduce_range
    )
    quantizer = x86.X86InductorQuantizer().set_global(config)
    exported = torch.export.export(nn.Sequential(*layers).eval(), inputs[0], dynamic_shapes=dims)
    prepared = prepare_pt2e(exported.module(), quantizer)
    prepared(*inputs[0])
    module = convert_pt2e(prepared)
    with torch.no_grad():
        pte = lowered(module, inputs[0], dims)
    check_steps(module, pte, inputs, dims)


@pytest.mark.parametrize("shape", [(24,), (7, 24), (2, 3, 24)])
def test_per_token(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layers = (_PerToken(24, 40), nn.ReLU(), _PerToken(40, 17), nn.Tanh(), _PerToken(17, 3))
    dims = ({0: torch.export.Dim("batch", min=1, max=9)},)
    inputs = [(torch.randn(batch, *shape),) for batch in (4, 1, 9, 3)]
    with torch.no_grad():
        exported = torch.export.export(
            nn.Sequential(*layers).eval(), inputs[0], dynamic_shapes=dims
        )
        module = exported.module()
        pte = lowered(module, inputs[0], dims)
    check_steps(module, pte, inputs, dims)


def test_with_static_layers_beside() -> None:
    """A layer that is quantized statically in front, and one behind."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = _PerToken(16, 12), _PerToken(12, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            grid = (0.05, 3, -128, 127, torch.int8)
            w = _ops.dequantize_per_channel(
                self.first.weight,
                *(self.first.scales, self.first.zero_points, 0, -127, 127, torch.int8),
            )
            x = _ops.dequantize_per_tensor(_ops.quantize_per_tensor(x, *grid), *grid)
            x = nn.functional.linear(x, w, self.first.bias)
            x = self.second(x)
            return _ops.dequantize_per_tensor(_ops.quantize_per_tensor(x, *grid), *grid)

    torch.manual_seed(0)
    module, inputs = Mixed().eval(), (torch.randn(5, 16),)
    exported = torch.export.export(module, inputs)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    became = {row.became for row in explain(program) if "mm" in row.op}
    assert became == {DYNAMIC, "et_vk.linear_q8ta_q8csw.int8"}
    with torch.no_grad():
        pte = pte_of(whole(program))
        actual = load(pte).execute(list(inputs))[0]
        steps = ((actual - module(*inputs)) / 0.05).abs().round()
    assert float(steps.max()) <= 1 and float(steps.mean()) <= 0.01


# Its layers are matrix products, which the quantizer leaves in float.
OTHERS = ("gpt2",)


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in TRANSFORMERS if name not in OTHERS])
def test_transformer(name: str) -> None:
    torch.manual_seed(0)
    network = TRANSFORMERS[name]
    generator = torch.Generator().manual_seed(1)
    inputs = [network.inputs(*size, generator) for size in SIZES]
    dims = network.dynamic_shapes()
    module = quantized_module(network.build().eval(), inputs[0], dims, is_dynamic=True)
    with torch.no_grad():
        pte = lowered(module, inputs[0], dims)
    check_steps(module, pte, inputs, dims)
