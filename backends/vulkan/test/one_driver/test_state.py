"""State that a program keeps between calls: inside the delegate where one alone reads and writes
it, with ExecuTorch elsewhere, and right over many calls in either case."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import to_edge, to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import nn
from torch.export import Dim

from every_other import every_other
from executorch_vulkan import VulkanPartitioner
from int8_quantizer import quantized_for_vulkan
from quantized_graphs import Grid
from state_programs import (
    check_calls,
    exported_methods,
    kept_by_executorch,
    lowered_with_state,
    pte_of,
)
from whole_models import drawn, whole

MOST = 16  # positions of a cache
Calls = Sequence[Sequence[torch.Tensor]]


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


def tokens(count: int, seed: int) -> torch.Tensor:
    return drawn((1, count, 32), -1.0, 1.0, seed)


def check_whole(module: nn.Module, calls: Calls, dynamic_shapes: Any = None) -> None:
    """One delegate, which keeps all state."""
    module = module.eval()
    program = whole(lowered_with_state({"forward": (module, calls[0])}, dynamic_shapes))
    assert not kept_by_executorch(program)
    check_calls(pte_of(program, module), module, calls)


@pytest.mark.parametrize("kind", [Decoder, Copied, Scattered])
def test_cache_of_keys_and_values(kind: type[Decoder]) -> None:
    """A prompt, then token by token, then a place that is written again."""
    at = [range(5), (5,), (6,), range(7, 11), (3,), (11,)]
    calls = [
        [tokens(len(places), seed), torch.tensor(list(places))] for seed, places in enumerate(at)
    ]
    length = Dim("length", min=1, max=MOST)
    check_whole(kind(), calls, ({1: length}, {0: length}))


def test_counters_and_windows() -> None:
    check_whole(Window(), [[drawn((3,), seed=seed)] for seed in range(7)])


# ---- What is read and given beside it.


class Stateful(nn.Module):
    """A function of buffers of [4, 6] and inputs, which may write the buffers."""

    def __init__(
        self, function: Callable[..., Any], *kinds: torch.dtype, start: int | None = None
    ) -> None:
        super().__init__()
        self.function = function
        self.names = tuple(f"state{index}" for index in range(len(kinds)))
        for index, (name, kind) in enumerate(zip(self.names, kinds, strict=True)):
            values = drawn((4, 6), -3.0, 3.0, index) if start is None else torch.full((4, 6), start)
            self.register_buffer(name, values.to(kind))

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*(getattr(self, name) for name in self.names), *inputs)


def read_before_and_after(state: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    before = state * 2
    state[1:3] = x[:2]
    between = state.sum(1)
    state.add_(x)
    return before, between, state - 1


def given_itself(state: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    state.mul_(0.5).add_(x)
    return state, state.relu()


def old_one_given(state: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    old = state.relu()
    state[0] = x[0]
    return old, state + x


def of_one_value(a: torch.Tensor, b: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    y = torch.tanh(a + b + x)
    a.copy_(y)
    b.copy_(y)
    return y * 3


def exchanged(a: torch.Tensor, b: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    old = a + x
    a.copy_(b * 1.5)
    b.copy_(old)
    return a - b


def columns(state: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    state[:, 1:6:2] = x[:, :3]
    state[2:, :3] = x[:2, 3:]
    return state.sum(0)


FUNCTIONS = [
    (read_before_and_after, 1),
    (given_itself, 1),
    (old_one_given, 1),
    (of_one_value, 2),
    (exchanged, 2),
    (columns, 1),
]


@pytest.mark.parametrize(
    ("function", "states"), FUNCTIONS, ids=[one.__name__ for one, _ in FUNCTIONS]
)
def test_read_and_given(function: Callable[..., Any], states: int) -> None:
    module = Stateful(function, *[torch.float32] * states)
    check_whole(module, [[drawn((4, 6), seed=seed)] for seed in range(4)])


def written_by_place(
    state: torch.Tensor, rows: torch.Tensor, at: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    state[at] = rows
    return state[1:], state[:, 2]


TYPES = (torch.int8, torch.uint8, torch.int32, torch.int64, torch.bool)


@every_other("kind, start", TYPES, [None, 0, 1])
def test_types(kind: torch.dtype, start: int | None) -> None:
    """Rows of 6 elements: of bytes they are not whole words."""
    calls = [
        [drawn((2, 6), -3.0, 3.0, seed).to(kind), torch.tensor([at, seed])]
        for seed, at in enumerate((1, 1, 3))
    ]
    check_whole(Stateful(written_by_place, kind, start=start), calls)


def test_int8_cache() -> None:
    """Keys that a quantized layer gives, kept as they are, and read by another one."""
    grid = Grid(0.05, 3)

    def step(state: torch.Tensor, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        state[at] = grid.quantize(x * 2)
        return grid.dequantize(state).sum(1)

    calls = [[drawn((1, 6), -3.0, 3.0, seed), torch.tensor([seed % 4])] for seed in range(6)]
    check_whole(Stateful(step, torch.int8), calls)


class Smoothed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(16, 24), nn.Linear(24, 8)
        self.register_buffer("mean", torch.zeros(2, 24))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean.mul_(0.75).add_(torch.relu(self.first(x)), alpha=0.25)
        return self.second(self.mean)


def test_quantized_layers_around_it() -> None:
    calls = [[drawn((2, 16), -1.0, 1.0, seed)] for seed in range(5)]
    more = [tuple(inputs) for inputs in calls[1:]]
    with torch.no_grad():
        module = quantized_for_vulkan(Smoothed(), tuple(calls[0]), more=more)
    program = lowered_with_state({"forward": (module, calls[0])})
    assert not kept_by_executorch(program)
    pte = pte_of(program, module)
    method = Runtime.get().load_program(pte).load_method("forward")
    eager = copy.deepcopy(module)
    for inputs in calls:
        wanted = eager(*inputs)
        actual = method.execute(list(inputs))[0]
        assert (actual - wanted).abs().max() <= 0.02 * wanted.abs().max()


# ---- Several methods.


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


@pytest.mark.parametrize("partitioners", ["one", "each its own"])
def test_methods_that_share_it(partitioners: str) -> None:
    window = Window()
    x = drawn((3,))
    modules = {"write": Writer(window).eval(), "read": Reader(window).eval()}
    exported = exported_methods({name: (module, [x]) for name, module in modules.items()})
    program = to_edge_transform_and_lower(
        exported,
        partitioner=[VulkanPartitioner()]
        if partitioners == "one"
        else {name: [VulkanPartitioner()] for name in modules},
    )
    assert kept_by_executorch(program, "read") == {"window.total"}
    assert kept_by_executorch(program, "write") == {"window.total", "window.last"}
    pte = pte_of(program, modules["write"], shared=True)
    loaded = Runtime.get().load_program(pte)
    methods = {name: loaded.load_method(name) for name in modules}
    for seed, name in enumerate(("write", "write", "read", "write", "read", "read")):
        x = drawn((3,), seed=seed)
        with torch.no_grad():
            wanted = modules[name](x)
        torch.testing.assert_close(methods[name].execute([x])[0], wanted, rtol=1e-5, atol=1e-6)


class Named(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        setattr(self, name, Window())

    def forward(self, x: torch.Tensor) -> Any:
        return getattr(self, self.name)(x)


def test_methods_with_their_own() -> None:
    x = drawn((3,))
    modules = {name: Named(name).eval() for name in ("left", "right")}
    program = lowered_with_state({name: (module, [x]) for name, module in modules.items()})
    assert not any(kept_by_executorch(program, name) for name in modules)
    pte = pte_of(program, *modules.values())
    for name, module in modules.items():
        check_calls(pte, module, [[drawn((3,), seed=seed)] for seed in range(4)], name)


# ---- What stays with ExecuTorch.


def test_read_outside_of_the_delegate() -> None:
    """A reader on the CPU sees what the delegate has written."""

    def step(state: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        state.add_(x)
        return torch.linalg.vector_norm(state.flatten().cumsum(0)) + (state * x).sum()

    module = Stateful(step, torch.float32).eval()
    calls = [[drawn((4, 6), seed=seed)] for seed in range(4)]
    program = lowered_with_state(
        {"forward": (module, calls[0])}, operator_blocklist=[torch.ops.aten.cumsum.default]
    )
    assert kept_by_executorch(program) == {"state0"}
    check_calls(pte_of(program, module), module, calls)


def test_nothing_else_is_given() -> None:
    """A delegate that only keeps state is never called, so ExecuTorch keeps it."""

    def step(state: torch.Tensor, x: torch.Tensor, flag: torch.Tensor) -> torch.Tensor:
        state.add_(x * 2)
        return flag

    module = Stateful(step, torch.float32).eval()
    calls = [[drawn((4, 6)), torch.tensor(1.0)]]
    program = lowered_with_state({"forward": (module, calls[0])})
    assert kept_by_executorch(program) == {"state0"}
    check_calls(pte_of(program, module), module, calls)


def test_made_an_input() -> None:
    def step(state: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        change = x - state
        state.copy_(x)
        return change

    module = Stateful(step, torch.float32).eval()
    calls = [[drawn((4, 6), seed=seed)] for seed in range(3)]
    program = lowered_with_state({"forward": (module, calls[0])})
    assert kept_by_executorch(program) == {"state0"}
    check_calls(pte_of(program, module), module, calls)


def test_methods_that_are_not_known() -> None:
    """`to_backend` shows a partitioner one method at a time: the others may share the buffer."""
    module = Stateful(read_before_and_after, torch.float32).eval()
    calls = [[drawn((4, 6), seed=seed)] for seed in range(3)]
    exported = exported_methods({"forward": (module, calls[0])})
    program = to_edge(exported).to_backend(VulkanPartitioner())
    assert kept_by_executorch(program) == {"state0"}
    check_calls(pte_of(program, module), module, calls)


def test_failed_call_leaves_it_alone() -> None:
    module = Stateful(given_itself, torch.float32, start=0).eval()
    x = drawn((4, 6))
    program = whole(lowered_with_state({"forward": (module, [x])}))
    pte = pte_of(program, module)
    method = Runtime.get().load_program(pte).load_method("forward")
    with torch.no_grad():
        module(x)
    method.execute([x])
    with pytest.raises(RuntimeError):
        method.execute([x[:, :3]])
    with torch.no_grad():
        torch.testing.assert_close(method.execute([x])[0], module(x)[0])
