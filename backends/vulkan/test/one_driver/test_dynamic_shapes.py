"""Programs with a dynamic batch and sequence length: any size up to the bound, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner, linear_kernel
from executorch_vulkan.program import read_delegates
from executorch_vulkan.runtime.loader import memory_in_use
from model_cases import quantized_module
from programs import load, run
from whole_models import AllOf

BATCH, LENGTH = 8, 12
CHOSEN = "<- chosen"  # in what ETVK_LOG_KERNELS prints
K = 16
Body = Callable[[Any, torch.Tensor], torch.Tensor]


class Model(nn.Module):
    """Layers 16 -> 32 -> 8 with shape ops around them that `body` says."""

    def __init__(self, body: Body, second: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(K, 32), nn.Linear(second, 8)
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(self, x)


# The input is [batch, length, 16]; the number is K of the second layer.
MODELS: dict[str, tuple[Body, int]] = {
    "layers": (lambda m, x: m.second(torch.relu(m.first(x))), 32),
    "flatten": (lambda m, x: m.second(m.first(x).flatten(0, 1)), 32),
    "flatten_and_back": (
        lambda m, x: m.second(m.first(x).flatten(0, 1)).view(x.shape[0], x.shape[1], 8),
        32,
    ),
    "heads": (lambda m, x: m.second(m.first(x).view(x.shape[0], -1, 4, 8).transpose(1, 2)), 8),
    "products": (
        lambda m, x: m.second(m.first(x).reshape(x.shape[0] * x.shape[1] * 2, 16)).reshape(
            x.shape[0], 2 * x.shape[1], 8
        ),
        16,
    ),
    "last_row": (lambda m, x: m.second(m.first(x)[:, -1]), 32),
    "but_the_first_row": (lambda m, x: m.second(torch.cat([m.first(x)[:, 1:], m.first(x)], 1)), 32),
    "split": (lambda m, x: m.second(torch.add(*m.first(x).chunk(2, -1))), 16),
    "gelu": (lambda m, x: m.second(nn.functional.gelu(m.first(x))), 32),
}
# Shapes are exported down to 1, but for what PyTorch can't export there.
SHORTEST = {"but_the_first_row": 3}


def inputs(batch: int, length: int, seed: int = 0) -> tuple[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(batch, length, K, generator=generator),)


def sizes(name: str) -> tuple[tuple[int, int], ...]:
    low = SHORTEST.get(name, 1)
    return ((1, low), (BATCH, LENGTH), (3, 7), (1, LENGTH), (BATCH, low), (1, low))


def dims(name: str) -> Any:
    length = Dim("length", min=SHORTEST.get(name, 1), max=LENGTH)
    return ({0: Dim("batch", min=1, max=BATCH), 1: length},)


@cache
def quantized(name: str) -> nn.Module:
    torch.manual_seed(0)
    return quantized_module(Model(*MODELS[name]).eval(), inputs(2, 5), dims(name))


@cache
def dynamic_program(name: str, require: bool) -> Any:
    exported = torch.export.export(quantized(name), inputs(2, 5), dynamic_shapes=dims(name))
    options = {"require_dynamic_shapes": True} if require else {}
    return to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner(options)])


@cache
def dynamic_pte(name: str, require: bool) -> bytes:
    return bytes(dynamic_program(name, require).to_executorch().buffer)


@cache
def static_results(batch: int, length: int) -> dict[str, torch.Tensor]:
    """Of each model that runs at these sizes, from a program that is lowered for just them."""
    x = inputs(batch, length, seed=batch)
    names = [name for name in MODELS if (batch, length) in sizes(name)]
    models = AllOf({name: quantized(name) for name in names})
    exported = torch.export.export(models, x)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    return dict(zip(names, run(bytes(program.to_executorch().buffer), x), strict=True))


def cases() -> Iterator[Any]:
    for name in MODELS:
        yield name, False
        if name in ("layers", "heads"):
            yield name, True


# Each size costs the lowering of a static program.
@pytest.mark.parametrize("count", [3, pytest.param(6, marks=pytest.mark.all)])
@pytest.mark.parametrize(("name", "require"), cases())
def test_equals_the_static_program(name: str, require: bool, count: int) -> None:
    method = load(dynamic_pte(name, require))
    before = memory_in_use()
    for batch, length in sizes(name)[:count]:
        result = method.execute(list(inputs(batch, length, seed=batch)))[0]
        assert torch.equal(result, static_results(batch, length)[name]), (batch, length)
    # All of it was planned for the bounds when the program was loaded.
    assert memory_in_use() == before


@pytest.mark.parametrize("name", MODELS)
def test_one_delegate(name: str) -> None:
    program = dynamic_program(name, False)
    calls = [n for n in program.exported_program().graph.nodes if n.op == "call_function"]
    assert [str(node.target) for node in calls] == [
        "executorch_call_delegate",
        "<built-in function getitem>",
    ]
    [delegate] = read_delegates(program)
    assert delegate.inputs[0].shape == (BATCH, LENGTH, K)


def test_kernels_follow_the_sizes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    method = load(dynamic_pte("layers", False))
    chosen: dict[int, set[str]] = {}
    for batch, length in ((1, 1), (BATCH, LENGTH), (1, 1)):
        rows = batch * length
        wanted = [linear_kernel(rows, n, k) for n, k in ((32, K), (8, 32))]
        with monkeypatch.context() as patch:
            patch.setenv("ETVK_LOG_KERNELS", "1")
            capfd.readouterr()
            method.execute(list(inputs(batch, length)))
            lines = capfd.readouterr().err.splitlines()
            # Sizes that stay the same are not recorded again.
            method.execute(list(inputs(batch, length)))
            assert capfd.readouterr().err == ""
        heads = [line for line in lines if line.startswith("q8ta_linear M=")]
        assert [head.split()[1] for head in heads] == [f"M={rows}"] * 2
        names = [line.split()[0].rstrip(":") for line in lines if CHOSEN in line]
        assert names == wanted
        chosen[rows] = set(names)
    # A vector and a matrix do not take the same kernels here.
    assert chosen[1] != chosen[BATCH * LENGTH]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (BATCH + 1, 2, K),
            "has shape [9, 2, 16], the program was lowered for at most [8, 12, 16]",
        ),
        ((1, LENGTH + 1, K), "lowered for at most [8, 12, 16]"),
        ((2, 3, K - 1), "inputs [2, 3, 15] do not fit the program: et_vk.q8ta_linear"),
        ((2, 3, 1), "its last size must be K = 16"),
    ],
)
def test_sizes_outside_the_bounds(
    shape: tuple[int, ...], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    method = load(dynamic_pte("layers", False))
    with pytest.raises(RuntimeError, match="0x12"):
        method.execute([torch.zeros(shape)])
    assert message in capfd.readouterr().err
    result = method.execute(list(inputs(3, 7, seed=3)))[0]
    assert torch.equal(result, static_results(3, 7)["layers"])
