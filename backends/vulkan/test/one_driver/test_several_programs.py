"""Several partitions, methods and programs: each constant once in the .pte and once on the device.

The weights here, but those of SameBytes, are large enough (over 64 KiB) for a buffer each, which
programs share.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import nn

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from executorch_vulkan.runtime.loader import memory_in_use
from model_cases import LINEAR, quantized_module
from on_cpu import on_cpu
from programs import load
from quantized_graphs import Grid, QuantizedWeight

SIZE = 512
WEIGHT_BYTES = SIZE * SIZE


class Between(nn.Module):
    """Layers with an op between them that stays on the CPU; `tied` makes them one layer.

    Weights are the same in every run: eager mode rounds a few others to the step beside.
    """

    def __init__(
        self, tied: bool, between: Callable[[torch.Tensor], torch.Tensor], seed: int = 1
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Linear(SIZE, SIZE)
        self.second = self.first if tied else nn.Linear(SIZE, SIZE)
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.between(self.first(x)))


def quantized(module: nn.Module) -> tuple[nn.Module, torch.Tensor]:
    x = torch.randn(3, SIZE, generator=torch.Generator().manual_seed(0))
    rows = torch.export.Dim("rows", min=1, max=64)
    return quantized_module(module.eval(), (x,), ({0: rows},)), x


def lowered(methods: dict[str, tuple[nn.Module, torch.Tensor]]) -> Any:
    exported = {name: torch.export.export(module, (x,)) for name, (module, x) in methods.items()}
    return to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])


@pytest.fixture(autouse=True)
def nothing_stays_on_the_device() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # what other tests keep, gigabytes that each collection here would walk through
    before = memory_in_use()
    yield
    gc.collect()
    gc.unfreeze()
    assert memory_in_use() == before


def growth(before: int) -> int:
    return memory_in_use().size_bytes - before


@pytest.fixture(scope="module")
def tied() -> tuple[nn.Module, torch.Tensor]:
    # In short rows: the CPU's op has a constant of their square.
    return quantized(Between(True, lambda x: on_cpu(x.unflatten(-1, (-1, 8))).flatten(-2)))


@pytest.fixture(scope="module")
def untied() -> tuple[nn.Module, torch.Tensor]:
    return quantized(Between(False, torch.relu))


class SameBytes(nn.Module):
    """Two weights of different shapes and the same bytes, which the named data holds once."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = QuantizedWeight(6, 20), QuantizedWeight(20, 6)
        self.second.weight = self.first.weight.reshape(20, 6).clone()
        self.grids = Grid(0.05, 3), Grid(0.02, -5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.linear(self.grids[0].round_trip(x), self.first())
        return nn.functional.linear(self.grids[1].round_trip(y), self.second())


def test_weights_of_other_shapes_with_the_same_bytes() -> None:
    module, x = SameBytes().eval(), torch.randn(5, 20)
    pte = bytes(lowered({"forward": (module, x)}).to_executorch().buffer)
    torch.testing.assert_close(load(pte).execute([x])[0], module(x))


def test_tied_weights_of_two_partitions(tied: tuple[nn.Module, torch.Tensor]) -> None:
    module, x = tied
    program = lowered({"forward": tied})
    delegates = read_delegates(program)
    assert [delegate.op_names.count(LINEAR) for delegate in delegates] == [1, 1]
    # The blobs hold no constants, the named data each one once.
    assert max(len(delegate.blob) for delegate in delegates) < 4096
    pte = bytes(program.to_executorch().buffer)
    assert WEIGHT_BYTES < len(pte) < 1.2 * WEIGHT_BYTES

    before = memory_in_use().size_bytes
    method = load(pte)
    assert WEIGHT_BYTES < growth(before) < 1.5 * WEIGHT_BYTES
    assert torch.equal(method.execute([x])[0], module(x))


def test_methods_of_one_model(untied: tuple[nn.Module, torch.Tensor]) -> None:
    """The same layers for one row and for many, as a decoder has them."""
    module, x = untied
    many = x.repeat(4, 1) * torch.linspace(-1, 1, 12)[:, None]
    pte = bytes(lowered({"one": (module, x[:1]), "many": (module, many)}).to_executorch().buffer)
    assert 2 * WEIGHT_BYTES < len(pte) < 2.3 * WEIGHT_BYTES

    program = Runtime.get().load_program(pte)
    assert program.method_names == {"one", "many"}
    before = memory_in_use().size_bytes
    one = program.load_method("one")
    assert 2 * WEIGHT_BYTES < growth(before) < 2.5 * WEIGHT_BYTES
    single = growth(before)
    several = program.load_method("many")
    assert growth(before) - single < 0.5 * WEIGHT_BYTES

    assert torch.equal(one.execute([x[:1]])[0], module(x[:1]))
    assert torch.equal(several.execute([many])[0], module(many))
    # The memory goes with its last user, whichever that is.
    del one
    gc.collect()
    assert growth(before) > 2 * WEIGHT_BYTES
    assert torch.equal(several.execute([many])[0], module(many))


def test_programs_of_one_process(untied: tuple[nn.Module, torch.Tensor]) -> None:
    """Loaded twice, a program's constants are there once; another one's are its own."""
    module, x = untied
    pte = bytes(lowered({"forward": untied}).to_executorch().buffer)
    other_module, _ = quantized(Between(False, torch.relu, seed=2))  # other weights
    other_pte = bytes(lowered({"forward": (other_module, x)}).to_executorch().buffer)
    before = memory_in_use().size_bytes
    first = load(pte)
    alone = growth(before)
    second = load(pte)
    assert growth(before) - alone < 0.2 * WEIGHT_BYTES
    other = load(other_pte)
    assert growth(before) > 4 * WEIGHT_BYTES
    for method, expected in ((first, module), (second, module), (other, other_module)):
        assert torch.equal(method.execute([x])[0], expected(x))


@pytest.mark.all
def test_loading_and_unloading_in_any_order(untied: tuple[nn.Module, torch.Tensor]) -> None:
    module, x = untied
    expected = module(x)
    pte = bytes(lowered({"forward": untied}).to_executorch().buffer)
    before = memory_in_use().size_bytes
    methods = [load(pte)]
    alone = growth(before)
    for step in range(60):
        if step % 3 == 2:
            del methods[step % len(methods)]
        else:
            methods.append(load(pte))
        gc.collect()
        assert growth(before) <= alone + len(methods) * 0.1 * WEIGHT_BYTES
    for method in methods:
        assert torch.equal(method.execute([x])[0], expected)
