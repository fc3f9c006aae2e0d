"""Programs that take and give torch.channels_last, the one other dim order that inputs may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn

import executorch_vulkan
from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from linear_fixture import assert_same_bytes
from model_cases import ModelCase, export_quantized
from op_fixture import Constant, Output, run_chain
from programs import run

LAST = torch.channels_last
TABLE = np.random.default_rng(1).integers(-128, 128, (256,), dtype=np.int8)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 8, 3, 3), (2, 6, 7)], ids=str)
def test_the_bytes_of_channels_last_are_not_copied(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(-128, 128, shape, dtype=np.int8)
    order = [0, *range(2, len(shape)), 1]
    stored = np.ascontiguousarray(x.transpose(order))
    taken, y = Output(np.int8, shape), Output(np.int8, shape)
    given = Output(np.int8, stored.shape)
    calls: list[tuple[str, list[Any], Output]] = [
        ("et_vk.from_dim_order.default", [stored, order], taken),
        ("et_vk.q8ta_table.default", [taken, Constant(TABLE)], y),
        ("et_vk.to_dim_order.default", [y, order], given),
    ]
    [result], kernels = run_chain(calls, [given])
    assert [kernel.split("__")[0] for kernel in kernels] == ["q8ta_table"]
    assert_same_bytes(result, TABLE[stored.astype(int) + 128], "in place")


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "elementwise": lambda x: torch.sigmoid(x) + 1,
    "two results": lambda x: (x * 2, torch.relu(x).flatten(1)),
    "to channels-last": lambda x: (x.exp() + 1).contiguous(memory_format=LAST),
    "to row-major": lambda x: (x + 1).contiguous().view(x.shape[0], -1) * 2,
    "moves": lambda x: torch.cat([x[:, 1:], x.permute(0, 1, 3, 2) * 3], 1),
    "sum": lambda x: x.sum((2, 3)) - 1,
}
INPUTS = {
    "channels last": torch.randn(2, 3, 4, 4).to(memory_format=LAST),
    "row-major": torch.randn(2, 3, 4, 4),
    "one channel": torch.randn(2, 1, 4, 4).to(memory_format=LAST),
    "one pixel": torch.randn(2, 3, 1, 1).to(memory_format=LAST),
}


def strides_of(x: torch.Tensor) -> list[int]:
    """Of the dimensions that have some."""
    return [stride for size, stride in zip(x.shape, x.stride(), strict=True) if size > 1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_dim_order(name: str) -> None:
    """Values, shapes and strides are those of the model."""
    module = Function(FUNCTIONS[name])
    for x in INPUTS.values():
        exported = torch.export.export(module, (x,))
        program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
        [_] = read_delegates(program)
        wanted = module(x)
        results = run(bytes(program.to_executorch().buffer), (x,))
        for y, want in zip(
            results, wanted if isinstance(wanted, tuple) else (wanted,), strict=True
        ):
            torch.testing.assert_close(y, want, rtol=1e-5, atol=1e-6)
            assert strides_of(y) == strides_of(want)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x.to(memory_format=LAST))))


def test_a_network_stays_in_channels_last() -> None:
    """Inputs, weights and results, with a dynamic batch: one delegate."""
    dims = ({0: torch.export.Dim("batch", min=1, max=6)},)
    case = ModelCase(
        "channels_last",
        lambda: Net().to(memory_format=LAST),
        ((3, 3, 6, 5),),
        (),
        dynamic_shapes=dims,
    )
    module, exported = export_quantized(case)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    [_] = read_delegates(program)
    assert "NOT ON VULKAN" not in str(executorch_vulkan.explain(program)).upper()
    pte = bytes(program.to_executorch().buffer)
    for batch in (3, 1, 6):
        [x] = case.inputs(((batch, 3, 6, 5),), seed=4)
        wanted = module(x)
        [y] = run(pte, (x,))
        step = float(wanted.unique().diff().min())
        assert int(((y - wanted) / step).abs().round().max()) <= 1
        assert strides_of(y) == strides_of(wanted)
