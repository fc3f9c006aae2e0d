"""The quantized_linear rule: what it matches, what it refuses and why."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from executorch_vulkan.patterns.quantized_linear import match_quantized_linear
from executorch_vulkan.patterns.rules.activations import NO_ACTIVATION
from executorch_vulkan.patterns.rules.mac import MacMatch
from executorch_vulkan.patterns.rules.mac_moves import Moves
from executorch_vulkan.patterns.vocabulary.constants import Constants
from executorch_vulkan.patterns.vocabulary.rejection import Rejection
from executorch_vulkan.patterns.vocabulary.step import Step
from quantized_graphs import Grid, Layer, QuantizedWeight, edge_program, linears

OUT = Grid(0.1, -7)
_ops = torch.ops.quantized_decomposed


def find(module: nn.Module, *shape: int, with_values: bool = True, **kw: Any) -> Any:
    """Match the module's first linear."""
    program = edge_program(module, *shape, **kw)
    constants = Constants(program) if with_values else None
    return match_quantized_linear(linears(program)[0], constants)


def match(module: nn.Module, *shape: int, **kw: Any) -> MacMatch:
    found = find(module, *shape, **kw)
    assert isinstance(found, Step), found
    assert isinstance(found.match, MacMatch)
    return found.match


class PerTensorWeight(QuantizedWeight):
    def __init__(self, zero_point: int = 0) -> None:
        super().__init__()
        self.zero_point = zero_point

    def forward(self) -> torch.Tensor:
        return _ops.dequantize_per_tensor(self.weight, 0.01, self.zero_point, -127, 127, torch.int8)


class TestMatches:
    def test_addmm(self) -> None:
        found = match(Layer(), 4, 8)
        assert found.weight.shape == (6, 8)
        assert (found.x.params.scale, found.x.params.zero_point) == (0.05, 3)
        assert found.bias is not None and found.epilogue is not None
        assert found.epilogue.activation == NO_ACTIVATION and found.epilogue.fits_stock_schema

    def test_without_values_it_is_the_same(self) -> None:
        assert isinstance(find(Layer(), 4, 8, with_values=False), Step)

    def test_mm(self) -> None:
        found = match(Layer(linear=lambda x, w, b: x @ w.t()), 4, 8)
        assert found.bias is None

    def test_per_tensor_weight(self) -> None:
        assert match(Layer(weight=PerTensorWeight()), 4, 8).weight.constant.scales == 0.01

    def test_weight_stored_by_inputs(self) -> None:
        layer = Layer(
            weight=StoredTransposed(8, 6),
            linear=lambda x, w, b: torch.addmm(b, x, w),
            bias=torch.zeros(6),
        )
        found = match(layer, 4, 8)
        assert found.weight.shape == (6, 8) and found.weight.constant.axis == 1
        found = match(Layer(weight=PerTensorWeight(), linear=lambda x, w, b: x @ w), 4, 6)
        assert found.weight.shape == (8, 6)

    @pytest.mark.parametrize("shape", [(1, 6), (1, 1), (1,)])
    def test_bias_of_one_row(self, shape: tuple[int, ...]) -> None:
        linear = lambda x, w, b: torch.addmm(b, x, w.t())  # noqa: E731
        assert match(Layer(linear=linear, bias=torch.zeros(shape)), 4, 8).bias is not None

    @pytest.mark.parametrize("shape", [(8,), (1, 8), (2, 3, 8), (2, 1, 3, 8)])
    def test_any_leading_shape(self, shape: tuple[int, ...]) -> None:
        found = match(Layer(), *shape)
        assert found.moves == Moves()
        assert found.x.node.meta["val"].shape == shape

    def test_dynamic_leading_shape(self) -> None:
        dims = ({0: torch.export.Dim("a", max=9), 1: torch.export.Dim("b", max=9)},)
        assert match(Layer(), 2, 3, 8, dynamic_shapes=dims).moves == Moves()

    def test_a_view_that_mixes_the_last_dimension_is_redone_in_int8(self) -> None:
        found = match(Layer(before=lambda x: x.reshape(3, 8)), 6, 4)
        assert len(found.moves.before) == 1 and not found.moves.behind

    def test_a_view_of_the_result_is_redone_in_int8(self) -> None:
        found = match(Layer(after=lambda y: OUT.round_trip(y.reshape(2, 12))), 4, 8)
        assert not found.moves.before and len(found.moves.behind) == 1

    def test_relu(self) -> None:
        epilogue = match(Layer(after=lambda y: OUT.round_trip(torch.relu(y))), 4, 8).epilogue
        assert epilogue is not None
        assert epilogue.is_relu and epilogue.fits_stock_schema
        assert (epilogue.quant_min, epilogue.quant_max) == (-7, 127)

    @pytest.mark.parametrize(
        ("clamp", "bounds"),
        [
            (lambda y: torch.clamp(y, -1, 2), (-17, 13)),
            (lambda y: torch.clamp(y, min=-1), (-17, 127)),
            (lambda y: torch.clamp(y, max=2), (-128, 13)),
            (lambda y: torch.clamp(torch.relu(y), max=2), (-7, 13)),
            (lambda y: torch.clamp(torch.clamp(y, max=2), min=3), (23, 23)),
            (nn.Hardtanh(-1, 2), (-17, 13)),
            (nn.ReLU6(), (-7, 53)),
        ],
    )
    def test_clamps(self, clamp: Any, bounds: tuple[int, int]) -> None:
        epilogue = match(Layer(after=lambda y: OUT.round_trip(clamp(y))), 4, 8).epilogue
        assert epilogue is not None
        assert (epilogue.quant_min, epilogue.quant_max) == bounds
        assert epilogue.activation == NO_ACTIVATION

    def test_clamp_behind_a_pair_on_the_same_grid(self) -> None:
        after = lambda y: OUT.round_trip(nn.functional.hardtanh(OUT.round_trip(y), -1, 2))  # noqa: E731
        found = match(Layer(after=after), 4, 8)
        assert found.epilogue is not None
        assert (found.epilogue.quant_min, found.epilogue.quant_max) == (-17, 13)
        assert len(found.outputs) == 1

    def test_clamp_behind_a_pair_on_another_grid_stays(self) -> None:
        after = lambda y: Grid(0.2).round_trip(torch.relu(OUT.round_trip(y)))  # noqa: E731
        epilogue = match(Layer(after=after), 4, 8).epilogue
        assert epilogue is not None and epilogue.params.scale == OUT.scale
        assert (epilogue.quant_min, epilogue.quant_max) == (-128, 127)

    def test_clamp_behind_a_pair_with_another_reader_stays(self) -> None:
        def after(y: torch.Tensor) -> Any:
            y = OUT.round_trip(y)
            return y, OUT.round_trip(torch.relu(y))

        epilogue = match(Layer(after=after), 4, 8).epilogue
        assert epilogue is not None and epilogue.quant_min == -128

    def test_equal_quantizes_are_all_replaced(self) -> None:
        found = match(Layer(after=lambda y: (OUT.round_trip(y), OUT.round_trip(y))), 4, 8)
        assert found.epilogue is not None and len(found.epilogue.quantizes) == 2

    def test_narrow_output_range(self) -> None:
        epilogue = match(Layer(after=Grid(0.1, 0, -127, 127).round_trip), 4, 8).epilogue
        assert epilogue is not None and not epilogue.fits_stock_schema

    @pytest.mark.parametrize(
        "after",
        [
            lambda y: y,
            lambda y: (OUT.round_trip(y), y),
            lambda y: (OUT.round_trip(y), Grid(0.2).round_trip(y)),
            lambda y: (OUT.round_trip(y), OUT.round_trip(torch.relu(y))),
            lambda y: OUT.round_trip(torch.sin(y)),
        ],
        ids=["none", "float_reader", "two_grids", "two_paths", "other_op"],
    )
    def test_float_output(self, after: Any) -> None:
        found = match(Layer(after=after), 4, 8)
        assert found.epilogue is None and found.moves.float_output is found.op

    def test_float_output_behind_the_view_that_restores_the_shape(self) -> None:
        found = match(Layer(after=lambda y: y), 2, 3, 8)
        assert found.epilogue is None and not found.moves.before
        assert found.moves.float_output is not found.op

    def test_float64_scales(self) -> None:
        weight = QuantizedWeight()
        weight.scales = weight.scales.double()
        match(Layer(weight=weight), 4, 8)

    @pytest.mark.parametrize(("k", "fill"), [(65_536, 127), (65_540, 60)])
    def test_large_k_that_cannot_overflow(self, k: int, fill: int) -> None:
        weight = QuantizedWeight(2, k)
        weight.weight.fill_(fill)
        match(Layer(weight=weight), 1, k)


class StoredTransposed(QuantizedWeight):
    """Weight [k, n], one scale for each n, read by mm without a transpose."""

    def __init__(self, k: int, n: int) -> None:
        super().__init__(k, n)
        self.scales, self.zeros = torch.full((n,), 0.01), torch.zeros(n, dtype=torch.int64)

    def forward(self) -> torch.Tensor:
        return _ops.dequantize_per_channel(
            self.weight, self.scales, self.zeros, 1, -127, 127, torch.int8
        )


class AlongColumns(QuantizedWeight):
    def __init__(self) -> None:
        super().__init__(8, 8)

    def forward(self) -> torch.Tensor:
        return _ops.dequantize_per_channel(
            self.weight, self.scales, self.zeros, 1, -127, 127, torch.int8
        )


class PerGroup(QuantizedWeight):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("group_scales", torch.full((6, 2), 0.01))
        self.register_buffer("group_zeros", torch.zeros(6, 2, dtype=torch.int32))

    def forward(self) -> torch.Tensor:
        return torch.ops.torchao.dequantize_affine(
            self.weight, [1, 4], self.group_scales, self.group_zeros, torch.int8, -128, 127
        )


def with_zero_points() -> nn.Module:
    weight = QuantizedWeight()
    weight.zeros[2] = 1
    return Layer(weight=weight)


def with_uint8_weight() -> nn.Module:
    class Weight(QuantizedWeight):
        def forward(self) -> torch.Tensor:
            return _ops.dequantize_per_channel(
                self.weight, self.scales, self.zeros, 0, 0, 255, torch.uint8
            )

    weight = Weight()
    weight.weight = weight.weight.to(torch.uint8)
    return Layer(weight=weight)


def with_large_k() -> nn.Module:
    weight = QuantizedWeight(2, 70_000)
    weight.weight.fill_(127)
    return Layer(weight=weight, x_grid=Grid(0.05, -128))


class BatchedWeight(nn.Module):
    def __init__(self, batch: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(batch, 8, 6, dtype=torch.int8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = _ops.dequantize_per_tensor(self.weight, 0.01, 0, -127, 127, torch.int8)
        return OUT.round_trip(torch.bmm(Grid().round_trip(x), weight))


class BiasFromInput(nn.Module):
    """The bias is computed from the activation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = QuantizedWeight()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.linear(Grid().round_trip(x), self.weight(), x.sum(0)[:6])
        return OUT.round_trip(y)


class WeightFromInput(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = Grid().round_trip(x)
        return OUT.round_trip(nn.functional.linear(x, Grid(0.01, 0).round_trip(x)))


class WeightOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = QuantizedWeight()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight())


U8 = Grid(0.05, 128, 0, 255, torch.uint8)
REFUSED: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "zero_points": (with_zero_points, (4, 8), "weight zero points are not all zero"),
    "per_tensor_zero_point": (
        lambda: Layer(weight=PerTensorWeight(1)),
        (4, 8),
        "weight zero points are not all zero",
    ),
    "weight_dtype": (with_uint8_weight, (4, 8), "weight dtype is torch.uint8"),
    "axis": (lambda: Layer(weight=AlongColumns()), (4, 8), "weight is quantized along axis 1"),
    "per_group": (lambda: Layer(weight=PerGroup()), (4, 8), "weight is quantized per group"),
    "axis_of_stored_k_n": (
        lambda: Layer(weight=QuantizedWeight(8, 6), linear=lambda x, w, b: x @ w),
        (4, 8),
        "weight is quantized along axis 0, which K = 8 is part of",
    ),
    "permuted_by_nothing": (
        lambda: Layer(weight=PerTensorWeight(), linear=lambda x, w, b: x @ w.permute(0, 1)),
        (4, 6),
        "weight is permuted by [0, 1]",
    ),
    "weight_not_constant": (WeightFromInput, (4, 8), "weight is not a constant"),
    "activation_dtype": (lambda: Layer(x_grid=U8), (4, 8), "activation dtype is torch.uint8"),
    "activation_scale": (
        lambda: Layer(x_grid=Grid(1e-40)),
        (4, 8),
        "is not a positive normal float32",
    ),
    "output_dtype": (
        lambda: Layer(after=U8.round_trip),
        (4, 8),
        "output quantize dtype is torch.uint8",
    ),
    "output_range": (
        lambda: Layer(after=Grid(0.1, 0, -200, 200, torch.int16).round_trip),
        (4, 8),
        "output quantize dtype is torch.int16",
    ),
    "large_k": (with_large_k, (1, 70_000), "K = 70000 is above 65536"),
    "bias_not_constant": (BiasFromInput, (4, 8), "bias is not a constant"),
    "bias_shape": (
        lambda: Layer(linear=lambda x, w, b: torch.addmm(b, x, w.t()), bias=torch.zeros(4, 6)),
        (4, 8),
        "bias has the shape [4, 6]; give it one value for each of 6 channels",
    ),
    "addmm_alpha": (
        lambda: Layer(linear=lambda x, w, b: torch.addmm(b, x, w.t(), alpha=2)),
        (4, 8),
        "addmm with alpha = 2",
    ),
    "bmm": (lambda: BatchedWeight(2), (2, 3, 8), "bmm of batch 2"),
    "bmm_of_one": (lambda: BatchedWeight(1), (1, 3, 8), "only a 2-D weight"),
}
# Left to the stock rules.
NOT_STATIC: dict[str, tuple[Any, str]] = {
    "weight_only": (WeightOnly, "only the weight is quantized"),
    "float": (lambda: nn.Linear(8, 6), "it is not quantized"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, shape, reason = REFUSED[name]
    found = find(build(), *shape)
    assert isinstance(found, Rejection) and found.is_static
    assert reason in found.reason


def test_another_order_of_dimensions_is_taken() -> None:
    assert isinstance(find(Layer(), inputs=(torch.zeros(8, 4).t(),)), Step)


@pytest.mark.parametrize("name", NOT_STATIC)
def test_left_to_the_stock_rules(name: str) -> None:
    build, reason = NOT_STATIC[name]
    found = find(build(), 4, 8)
    assert isinstance(found, Rejection) and not found.is_static
    assert reason in found.reason


def test_a_node_that_is_no_linear_is_an_error() -> None:
    program = edge_program(Layer(), 4, 8)
    with pytest.raises(ValueError, match="not a linear"):
        match_quantized_linear(next(iter(program.graph.nodes)))
