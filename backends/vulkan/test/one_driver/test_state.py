"""State that a program keeps between calls: computed in one delegate, kept by ExecuTorch, and right
over many calls and for methods that share it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import EdgeProgramManager, ExecutorchBackendConfig, to_edge_transform_and_lower
from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass
from executorch.runtime import Runtime
from torch import nn
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner
from whole_models import drawn, whole

MOST = 16  # positions of a cache


class Decoder(nn.Module):
    """One layer of grouped queries with a cache of keys and values, causal."""

    def __init__(self, heads: int = 4, groups: int = 2, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.heads, self.groups, self.width = heads, groups, width
        size = heads * width
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * groups * width)
        self.out = nn.Linear(size, size)
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(1, groups, MOST, width))

    def write(self, keys: torch.Tensor, values: torch.Tensor, at: torch.Tensor) -> None:
        self.keys[:, :, at] = keys
        self.values[:, :, at] = values

    def forward(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        length = x.shape[1]
        query = self.query(x).view(1, length, self.heads, self.width).transpose(1, 2)
        both = self.key_value(x).view(1, length, 2, self.groups, self.width)
        self.write(both[:, :, 0].transpose(1, 2), both[:, :, 1].transpose(1, 2), at)
        mask = torch.arange(MOST)[None] <= at[:, None]
        times = self.heads // self.groups
        y = F.scaled_dot_product_attention(
            query,
            self.keys.repeat_interleave(times, 1),
            self.values.repeat_interleave(times, 1),
            attn_mask=mask,
        )
        return self.out(y.transpose(1, 2).reshape(1, length, -1))


class Copied(Decoder):
    """As `transformers` writes its static cache."""

    def write(self, keys: torch.Tensor, values: torch.Tensor, at: torch.Tensor) -> None:
        self.keys.index_copy_(2, at, keys)
        self.values.index_copy_(2, at, values)


class Scattered(Decoder):
    def write(self, keys: torch.Tensor, values: torch.Tensor, at: torch.Tensor) -> None:
        places = at[None, None, :, None].expand(1, self.groups, -1, self.width)
        self.keys.scatter_(2, places, keys)
        self.values.scatter_(2, places, values)


class Window(nn.Module):
    """The last four inputs, their count, sum and greatest, and whether one was high."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(4, 3))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("total", torch.zeros(3))
        self.register_buffer("greatest", torch.full((3,), -5.0))
        self.register_buffer("was_high", torch.zeros(3, dtype=torch.bool))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.last.copy_(torch.cat([self.last[1:], x[None]]))
        self.count += 1
        self.total.add_(x)
        self.greatest[:] = torch.maximum(self.greatest, x)
        self.was_high.logical_or_(x > 2)
        mean = self.total / self.count
        return self.last * 2, self.count + 1, mean, self.greatest - mean, self.was_high & (x < 0)


def lowered_with_state(
    methods: dict[str, tuple[nn.Module, Sequence[torch.Tensor]]], dynamic_shapes: Any = None
) -> EdgeProgramManager:
    with torch.no_grad():  # or ExecuTorch takes buffers for leaves that need gradients
        exported = {
            name: torch.export.export(module, tuple(inputs), dynamic_shapes=dynamic_shapes)
            for name, (module, inputs) in methods.items()
        }
    return to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])


def check_calls(
    module: nn.Module, calls: Sequence[Sequence[torch.Tensor]], dynamic_shapes: Any = None
) -> None:
    """Every call's results are those of a copy of the module, which keeps its state."""
    module = module.eval()
    program = lowered_with_state({"forward": (module, calls[0])}, dynamic_shapes)
    names = [name for name, _ in module.named_buffers()]
    config = ExecutorchBackendConfig(passes=[InitializedMutableBufferPass(names)])
    pte = bytes(whole(program).to_executorch(config).buffer)
    for _ in range(2):  # a program that is loaded anew starts anew
        method = Runtime.get().load_program(pte).load_method("forward")
        eager = copy.deepcopy(module)
        for inputs in calls:
            with torch.no_grad():
                wanted = eager(*inputs)
            for actual, expected in zip(
                method.execute(list(inputs)),
                wanted if isinstance(wanted, tuple) else [wanted],
                strict=True,
            ):
                assert actual.dtype == expected.dtype
                torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def tokens(count: int, seed: int) -> torch.Tensor:
    return drawn((1, count, 32), -1.0, 1.0, seed)


@pytest.mark.parametrize("kind", [Decoder, Copied, Scattered])
def test_cache_of_keys_and_values(kind: type[Decoder]) -> None:
    """A prompt, then token by token, then a place that is written again."""
    at = [range(5), (5,), (6,), range(7, 11), (3,), (11,)]
    calls = [
        [tokens(len(places), seed), torch.tensor(list(places))] for seed, places in enumerate(at)
    ]
    length = Dim("length", min=1, max=MOST)
    check_calls(kind(), calls, ({1: length}, {0: length}))


def test_counters_and_windows() -> None:
    check_calls(Window(), [[drawn((3,), seed=seed)] for seed in range(7)])


class Reader(nn.Module):
    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.window.total.mul_(0.5)
        return self.window.total + self.window.last.sum(0) * x


class Writer(nn.Module):
    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.window(x)[0]


def test_methods_that_share_it() -> None:
    window = Window()
    x = drawn((3,))
    modules = {"write": Writer(window).eval(), "read": Reader(window).eval()}
    program = lowered_with_state({name: (module, [x]) for name, module in modules.items()})
    names = [name for name, _ in modules["write"].named_buffers()]
    config = ExecutorchBackendConfig(
        passes=[InitializedMutableBufferPass(names)],
        memory_planning_pass=shared_memory(),
    )
    pte = bytes(program.to_executorch(config).buffer)
    loaded = Runtime.get().load_program(pte)
    methods = {name: loaded.load_method(name) for name in modules}
    for seed, name in enumerate(("write", "write", "read", "write", "read", "read")):
        x = drawn((3,), seed=seed)
        with torch.no_grad():
            wanted = modules[name](x)
        torch.testing.assert_close(methods[name].execute([x])[0], wanted, rtol=1e-5, atol=1e-6)


def shared_memory() -> Any:
    from executorch.exir.passes import MemoryPlanningPass

    return MemoryPlanningPass(share_mutable_buffers=True)
