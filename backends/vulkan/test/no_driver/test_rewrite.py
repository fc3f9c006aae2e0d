"""The rewritten graphs compute what the originals did, and constants are as kernels want them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import reference
from executorch_vulkan import custom_ops
from quantized_graphs import Grid, Layer, QuantizedWeight, edge_program
from rewriting import assert_within_a_step, names, rewrite, rewritten, run

OUT = Grid(0.1, -7)


@pytest.mark.parametrize(
    ("module", "shape", "ops"),
    [
        (Layer(), (7, 8), ["q8ta_linear.default"]),
        (Layer(), (1, 8), ["q8ta_linear_gemv.default"]),
        (Layer(), (2, 3, 8), ["q8ta_linear.default"]),
        (Layer(before=lambda x: x.reshape(3, 8)), (6, 4), ["view_copy", "q8ta_linear.default"]),
        (
            Layer(after=lambda y: OUT.round_trip(y.reshape(2, 12))),
            (4, 8),
            ["q8ta_linear.default", "view_copy"],
        ),
        # Several views in a row, one of which depends on the sizes that the other makes.
        (
            Layer(before=lambda x: x.reshape(1, 3, 8).squeeze(0)),
            (6, 4),
            ["view_copy", "squeeze_copy", "q8ta_linear.default"],
        ),
        (
            Layer(after=lambda y: OUT.round_trip(y.reshape(1, 2, 12).squeeze(0))),
            (4, 8),
            ["q8ta_linear.default", "view_copy", "squeeze_copy"],
        ),
        (Layer(after=lambda y: OUT.round_trip(torch.relu(y))), (7, 8), ["q8ta_linear.default"]),
        (
            Layer(after=lambda y: OUT.round_trip(torch.clamp(OUT.round_trip(y), -1, 2))),
            (7, 8),
            ["q8ta_linear.bounded"],
        ),
        (
            Layer(after=lambda y: OUT.round_trip(OUT.round_trip(y).reshape(2, 12))),
            (4, 8),
            ["q8ta_linear.default", "view_copy"],
        ),
    ],
)
def test_int8_results(module: nn.Module, shape: tuple[int, ...], ops: list[str]) -> None:
    found, result, wanted = rewritten(module, *shape)
    inner = [name for name in found if "quantize_per_tensor" not in name]
    assert len(inner) == len(ops)
    assert all(part in name for part, name in zip(ops, inner, strict=True))
    assert_within_a_step(result, wanted, OUT.scale)


def test_float_result() -> None:
    found, result, wanted = rewritten(Layer(after=lambda y: y), 2, 3, 8)
    assert found[-1] == "et_vk.linear_q8ta_q8csw.int8"
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, wanted)


def test_view_onto_another_grid_is_requantized() -> None:
    other = Grid(0.3, 5)
    found, result, wanted = rewritten(
        Layer(after=lambda y: other.round_trip(OUT.round_trip(y).reshape(2, 12))), 4, 8
    )
    assert found[1:3] == ["et_vk.q8ta_linear.bounded", "aten.view_copy.default"]
    assert_within_a_step(result, wanted, other.scale)


class _Pair(nn.Module):
    """A quantize whose result is read in float."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Grid(0.3, 5).round_trip(x)


def test_rounding_is_kept_in_our_partitions_only() -> None:
    program = edge_program(_Pair(), 3, 4)
    assert names(rewrite(program)).count("et_vk.q8ta_dequantize.default") == 1
    program = edge_program(_Pair(), 3, 4)
    assert "et_vk.q8ta_dequantize.default" not in names(rewrite(program, ours=False))


def test_stock_flow_leaves_a_bad_layer_unfused() -> None:
    weight = QuantizedWeight()
    weight.zeros[0] = 2
    program = edge_program(Layer(weight=weight), 4, 8)
    assert "aten.addmm.default" in names(rewrite(program, ours=False))


class _OfConstants(nn.Module):
    """Adds the result of a layer that has no other input than constants."""

    def __init__(self, layer: nn.Module, *shape: int) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("constant", torch.randn(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layer(self.constant)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (_OfConstants(nn.Linear(6, 8), 3, 6), (3, 8)),
        (_OfConstants(nn.Conv2d(3, 8, 3), 1, 3, 6, 7), (2, 8, 4, 5)),
    ],
    ids=["linear", "convolution"],
)
def test_a_float_layer_of_constants_is_one(module: nn.Module, shape: tuple[int, ...]) -> None:
    found, result, wanted = rewritten(module, *shape)
    assert found == ["aten.add.Tensor"]
    torch.testing.assert_close(result, wanted)


def test_our_partition_computes_a_bad_layer_in_float(caplog: pytest.LogCaptureFixture) -> None:
    weight = QuantizedWeight()
    weight.zeros[0] = 2
    with caplog.at_level(logging.WARNING, logger="executorch_vulkan"):
        found, result, wanted = rewritten(Layer(weight=weight), 4, 8)
    assert "aten.addmm.default" in found and not any("per_channel" in name for name in found)
    assert_within_a_step(result, wanted, OUT.scale)
    [message] = [r.message for r in caplog.records if r.name.startswith("executorch_vulkan")]
    assert "1 of 1 quantized layers run on Vulkan in float32" in message
    assert "weight zero points are not all zero" in message


class _Tied(nn.Module):
    """Two layers that share a weight, a bias and scales, and are quantized apart."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = QuantizedWeight(6, 6)
        self.bias = nn.Parameter(torch.linspace(-1, 1, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = Grid().round_trip(x)
        x = OUT.round_trip(nn.functional.linear(x, self.weight(), self.bias))
        x = Grid(0.2).round_trip(nn.functional.linear(x, self.weight(), self.bias))
        return x + self.bias


def test_shared_constants() -> None:
    module = _Tied()
    program = edge_program(module, 5, 6)
    graph_module = rewrite(program)
    first, second = (
        node
        for node in graph_module.graph.nodes
        if node.op == "call_function" and node.target is custom_ops.Q8TA_LINEAR
    )
    # weights, sums, scales and bias are one node each.
    for index in (3, 4, 5, 8):
        assert first.args[index] is second.args[index]
    # The bias that the last add reads must not have been padded in place.
    x = torch.randn(5, 6)
    assert_within_a_step(run(graph_module, program, x), module(x), 0.2)


def test_constants_are_padded_to_4() -> None:
    layer = Layer(weight=QuantizedWeight(6, 7))
    program = edge_program(layer, 5, 7)
    node = next(
        node
        for node in rewrite(program).graph.nodes
        if node.op == "call_function" and node.target is custom_ops.Q8TA_LINEAR
    )
    weights, sums, scales, bias = (node.args[i].name for i in (3, 4, 5, 8))
    assert program.state_dict[sums].dtype == torch.int32
    assert program.state_dict[sums].tolist() == [*layer.weight.weight.sum(1).tolist(), 0, 0]
    assert program.state_dict[scales].tolist() == [*layer.weight.scales.tolist(), 0, 0]
    assert program.state_dict[bias].tolist() == [*layer.bias.tolist(), 0, 0]
    assert node.args[3].meta["val"].shape == (6, 7), weights


sizes = st.integers(1, 12)
grids = st.builds(Grid, st.floats(1e-3, 10), st.integers(-128, 127))


@settings(max_examples=200, deadline=None)
@given(sizes, sizes, sizes, grids, grids, st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_reference_equals_numpy(
    m: int, k: int, n: int, x_grid: Grid, grid: Grid, relu: bool, with_bias: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (m, k), dtype=np.int8)
    w = rng.integers(-128, 128, (n, k), dtype=np.int8)
    scales = rng.uniform(1e-4, 1e-2, n).astype(np.float32)
    bias = rng.normal(size=n).astype(np.float32) if with_bias else None
    f = reference.linear(x, w, scales, bias, x_grid.scale, x_grid.zero_point)
    head = (torch.from_numpy(x), x_grid.scale, x_grid.zero_point, torch.from_numpy(w))
    head += (torch.empty(0), torch.from_numpy(scales))
    bias_tensor = None if bias is None else torch.from_numpy(bias)
    np.testing.assert_array_equal(custom_ops.linear_q8ta_q8csw(*head, bias_tensor).numpy(), f)

    low, high = sorted(rng.integers(-128, 128, 2).tolist())
    wanted = reference.q8ta_linear(f, relu, grid.scale, grid.zero_point, low, high)
    activation = "relu" if relu else "none"
    got = custom_ops.q8ta_linear(
        *head, grid.scale, grid.zero_point, bias_tensor, activation, 0.0, 0.0, low, high
    )
    np.testing.assert_array_equal(got.numpy(), wanted)


@settings(max_examples=200, deadline=None)
@given(
    grids,
    st.floats(-50, 50, allow_subnormal=False),
    st.floats(-50, 50, allow_subnormal=False),
    st.integers(0, 2**32 - 1),
)
def test_a_clamp_is_a_clamp_of_the_integers(grid: Grid, low: float, high: float, seed: int) -> None:
    """What the epilogue rule rests on, with and without a pair on the same grid before it."""
    f = torch.randn(500, generator=torch.Generator().manual_seed(seed)) * 60 * grid.scale
    folded = torch.clamp(
        grid.quantize(f),
        custom_ops.quantize_value(low, *grid.args[:4]),
        custom_ops.quantize_value(high, *grid.args[:4]),
    )
    assert torch.equal(grid.quantize(torch.clamp(f, low, high)), folded)
    assert torch.equal(grid.quantize(torch.clamp(grid.round_trip(f), low, high)), folded)
