"""Tables behind layers become the layers' own, and only where nothing else reads the result."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import to_edge_transform_and_lower
from test_quantized_convolution import AS_STOCK, Conv, Weight, int8_ops
from torch import nn

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.patterns.vocabulary.graph_edits import debug_handles
from executorch_vulkan.program import read_delegates
from model_cases import quantized_module
from quantized_graphs import Grid, Layer, QuantizedWeight, edge_program
from rewriting import assert_within_a_step, names, rewrite, rewritten, run

BETWEEN, OUT = Grid(0.3, 4), Grid(0.07, -90)
BOUNDED, RESIDUAL = "et_vk.q8ta_linear.bounded", "et_vk.q8ta_linear.residual"
TABLE, LINEAR = "et_vk.q8ta_table.default", "et_vk.q8ta_linear.default"
VIEW, PERMUTE, CAT = "aten.view_copy.default", "aten.permute_copy.default", "aten.cat.default"
Function = Callable[[torch.Tensor], torch.Tensor]


def behind(function: Function, between: Grid = BETWEEN, out: Grid = OUT) -> Function:
    """With a pair on both sides, as XNNPACKQuantizer puts them."""
    return lambda y: out.round_trip(function(between.round_trip(y)))


def check(module: nn.Module, *shape: int, ops: list[str]) -> None:
    found, result, wanted = rewritten(module, *shape)
    assert int8_ops(found) == ops
    # A value of the layer one step off may be several steps of the output, but hardly any is.
    assert float((result != wanted).float().mean()) <= 0.005


# ---- What folds.


@pytest.mark.parametrize(
    "function", [F.gelu, F.silu, torch.tanh, torch.sigmoid, lambda y: 1.7 * y - 0.5]
)
@pytest.mark.parametrize("shape", [(40, 8), (1, 8), (2, 20, 8)])
def test_linears(function: Function, shape: tuple[int, ...]) -> None:
    check(Layer(behind(function), QuantizedWeight(64, 8)), *shape, ops=[BOUNDED])


def test_what_the_layer_has_already_comes_first() -> None:
    functions: tuple[Function, ...] = (
        F.relu,
        lambda y: torch.clamp(y, -1, 2),
        F.silu,
    )
    for first in functions:
        after = behind(torch.tanh)
        module = Layer(lambda y, f=first, a=after: a(f(y)), QuantizedWeight(64, 8))
        check(module, 40, 8, ops=[BOUNDED])


def test_requantizing() -> None:
    check(Layer(behind(lambda y: y), QuantizedWeight(64, 8)), 40, 8, ops=[BOUNDED])


def test_moves_between() -> None:
    functions: dict[Function, list[str]] = {
        (lambda y: F.gelu(y.reshape(-1, 32))): [VIEW],
        (lambda y: F.gelu(y).permute(1, 0)): [PERMUTE],
        (lambda y: F.gelu(BETWEEN.round_trip(y.permute(1, 0).reshape(-1, 4)))): [PERMUTE, VIEW],
    }
    for function, moves in functions.items():
        module = Layer(behind(function), QuantizedWeight(64, 8))
        check(module, 40, 8, ops=[BOUNDED, *moves])


def test_tables_in_a_row_are_one() -> None:
    twice = behind(lambda y: torch.tanh(Grid(0.02, -100).round_trip(F.gelu(y))))
    check(Layer(twice, QuantizedWeight(64, 8)), 40, 8, ops=[BOUNDED])


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = Layer(weight=QuantizedWeight(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = Grid().round_trip(x)
        return OUT.round_trip(F.gelu(BETWEEN.round_trip(x + self.layer(x))))


def test_a_residual() -> None:
    check(_Residual(), 40, 8, ops=[RESIDUAL])


@pytest.mark.parametrize("name", AS_STOCK)
def test_convolutions(name: str) -> None:
    """As each of the ops that the stock partitioner writes without a table."""
    plain, shape, _ = AS_STOCK[name]
    module = copy.copy(plain)
    module.after = lambda y: OUT.round_trip(F.silu(plain.after(y)))
    check(module, *shape, ops=["et_vk.q8ta_conv2d.bounded"])


def test_convolution_with_bounds_of_its_own() -> None:
    module = Conv(Weight(8, 3, 3, 3, axis=None), after=behind(F.gelu), bias=8)
    check(module, 2, 3, 9, 7, ops=["et_vk.q8ta_conv2d.bounded"])


# ---- What does not.


def test_a_second_reader() -> None:
    def both(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = BETWEEN.round_trip(y)
        return OUT.round_trip(F.gelu(y)), y

    program = edge_program(Layer(both, QuantizedWeight(64, 8)), 40, 8)
    graph_module = rewrite(program)
    assert int8_ops(names(graph_module)) == [LINEAR, TABLE]
    x = torch.randn(40, 8) * 3
    results, wanted = run(graph_module, program, x), Layer(both, QuantizedWeight(64, 8))(x)
    assert_within_a_step(results[1], wanted[1], BETWEEN.scale)


def test_two_tables() -> None:
    def both(y: torch.Tensor) -> torch.Tensor:
        y = BETWEEN.round_trip(y)
        return torch.cat([OUT.round_trip(F.gelu(y)), OUT.round_trip(torch.tanh(y))])

    module = Layer(both, QuantizedWeight(64, 8))
    assert int8_ops(rewritten(module, 40, 8)[0])[:3] == [LINEAR, TABLE, TABLE]


def test_a_second_reader_of_a_move() -> None:
    def both(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = BETWEEN.round_trip(BETWEEN.round_trip(y).permute(1, 0))
        return OUT.round_trip(F.gelu(y)), y

    found = rewritten(Layer(both, QuantizedWeight(64, 8)), 40, 8)[0]
    assert int8_ops(found) == [LINEAR, PERMUTE, TABLE]


def test_a_concatenation_between() -> None:
    def joined(y: torch.Tensor) -> torch.Tensor:
        return F.gelu(torch.cat([y, Grid(0.3, 4).round_trip(y.neg())]))

    found = rewritten(Layer(behind(joined), QuantizedWeight(64, 8)), 40, 8)[0]
    assert found.count(TABLE) >= 1 and CAT in found


def test_float_tables() -> None:
    module = Layer(lambda y: F.gelu(BETWEEN.round_trip(y)), QuantizedWeight(64, 8))
    found = rewritten(module, 40, 8)[0]
    assert int8_ops(found) == [LINEAR, TABLE]


# ---- What it stands for.


def test_debug_handles_of_both() -> None:
    program = edge_program(Layer(behind(F.gelu), QuantizedWeight(64, 8)), 40, 8)
    handles = {}
    for number, node in enumerate(program.graph.nodes, start=1):
        if node.op == "call_function":
            node.meta["debug_handle"] = handles[node.name] = number
    [layer] = [n for n in rewrite(program).graph.nodes if BOUNDED in str(n.target)]
    named = [name for name in handles if "addmm" in name or "gelu" in name]
    assert len(named) == 2 and {handles[name] for name in named} <= set(debug_handles(layer))


# ---- Whole blocks.

WIDTH, HEADS = 32, 2


class _Encoder(nn.Module):
    """A layer of MiniLM with another activation."""

    def __init__(self, activation: Function) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = (layer(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for layer in self.inputs)
        y = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.out(y))
        return self.norm2(x + self.down(self.activation(self.up(x))))

    @property
    def inputs(self) -> tuple[nn.Linear, ...]:
        return self.q, self.k, self.v


@pytest.mark.parametrize("activation", [F.gelu, F.silu, torch.tanh], ids=lambda one: one.__name__)
def test_encoders(activation: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 12, WIDTH)
    quantized = quantized_module(_Encoder(activation).eval(), (x,))
    program = to_edge_transform_and_lower(
        torch.export.export(quantized, (x,)), partitioner=[VulkanPartitioner()]
    )
    [delegate] = read_delegates(program)
    assert BOUNDED in delegate.op_names
    tables = [i for i, name in enumerate(delegate.op_names) if name == TABLE]
    assert not [i for i in tables if "q8ta_linear" in delegate.op_names[i - 1]]
