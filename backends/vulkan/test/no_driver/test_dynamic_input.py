"""Activations that are quantized at run time: what is matched, what is refused and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.custom_ops import REFERENCES, linear_dq8ca_q8csw
from executorch_vulkan.patterns.quantized_linear import match_quantized_linear
from executorch_vulkan.patterns.rules.dynamic_input import DynamicInput, RowGrids
from executorch_vulkan.patterns.rules.mac import MacMatch
from executorch_vulkan.patterns.rules.mac_moves import Moves
from executorch_vulkan.patterns.vocabulary.constants import Constants
from executorch_vulkan.patterns.vocabulary.rejection import Rejection
from executorch_vulkan.patterns.vocabulary.step import Step
from executorch_vulkan.program import read_delegates
from on_cpu import on_cpu
from quantized_graphs import Grid, QuantizedWeight, edge_program, linears

OUT = Grid(0.1, -7)
DYNAMIC, ROUNDED = "et_vk.linear_dq8ca_q8csw.default", "et_vk.round_rows.default"
EPS = 2.0**-12
_ops = torch.ops.quantized_decomposed

Rounding = Callable[[torch.Tensor], torch.Tensor]


def per_tensor(
    low: int = -128, high: int = 127, dtype: torch.dtype = torch.int8, choose: Any = None
) -> Rounding:
    def rounded(x: torch.Tensor) -> torch.Tensor:
        scale, zero_point = (choose or _ops.choose_qparams.tensor)(x, low, high, EPS, dtype)
        q = _ops.quantize_per_tensor(x, scale, zero_point, low, high, dtype)
        return _ops.dequantize_per_tensor(q, scale, zero_point, low, high, dtype)

    return rounded


def per_token(x: torch.Tensor) -> torch.Tensor:
    scale, zero_point = _ops.choose_qparams_per_token_asymmetric(x, torch.int8)
    q = _ops.quantize_per_token(x, scale, zero_point, -128, 127, torch.int8)
    return _ops.dequantize_per_token(q, scale, zero_point, -128, 127, torch.int8, torch.float32)


class Layer(nn.Module):
    """What `rounded` and `before` make of x, times a quantized weight of [6, 8]."""

    def __init__(
        self,
        rounded: Rounding,
        before: Rounding = lambda x: x,
        after: Rounding = lambda y: y,
        weight: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.weight = weight or QuantizedWeight()
        self.rounded, self.before, self.after = rounded, before, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(nn.functional.linear(self.before(self.rounded(x)), self.weight()))


def find(module: nn.Module, *shape: int, **kw: Any) -> Step | Rejection:
    program = edge_program(module, *shape, **kw)
    return match_quantized_linear(linears(program)[0], Constants(program))


def match(module: nn.Module, *shape: int, **kw: Any) -> MacMatch:
    found = find(module, *shape, **kw)
    assert isinstance(found, Step), found
    assert isinstance(found.match, MacMatch) and isinstance(found.match.x, DynamicInput)
    return found.match


@pytest.mark.parametrize(
    ("rounded", "grids"),
    [
        (per_tensor(), RowGrids("per_tensor", "affine", -128, 127, EPS)),
        (per_tensor(-127), RowGrids("per_tensor", "affine", -127, 127, EPS)),
        (per_tensor(0, 255, torch.uint8), RowGrids("per_tensor", "affine", -128, 127, EPS)),
        (per_tensor(0, 127, torch.uint8), RowGrids("per_tensor", "affine", -128, -1, EPS)),
        (
            per_tensor(choose=_ops.choose_qparams_symmetric.tensor),
            RowGrids("per_tensor", "symmetric", -128, 127, EPS),
        ),
        (per_token, RowGrids("per_row", "xnnpack", -128, 127, 2.0**-23)),
    ],
)
@pytest.mark.parametrize("shape", [(4, 8), (8,), (2, 3, 8), (2, 1, 3, 8)])
def test_matched(rounded: Rounding, grids: RowGrids, shape: tuple[int, ...]) -> None:
    found = match(Layer(rounded), *shape)
    assert isinstance(found.x, DynamicInput) and found.x.grids == grids
    assert found.moves == Moves(float_output=found.moves.float_output)
    assert found.x.node.op == "placeholder"


def test_an_int8_result_is_quantized_behind_the_layer() -> None:
    found = match(Layer(per_token, after=lambda y: OUT.round_trip(torch.relu(y))), 4, 8)
    assert found.epilogue is None and found.tail.activation.name == "clamp"  # type: ignore[union-attr]


def test_dynamic_sizes() -> None:
    dims = ({0: torch.export.Dim("a", max=9), 1: torch.export.Dim("b", max=9)},)
    assert not match(Layer(per_token), 2, 3, 8, dynamic_shapes=dims).moves.before


@pytest.mark.parametrize(
    ("before", "k"), [(lambda x: x.reshape(3, 8), 8), (lambda x: x.reshape(4, 6).t(), 4)]
)
def test_moves_of_a_whole_tensor_are_redone_in_float(before: Rounding, k: int) -> None:
    layer = Layer(per_tensor(), before, weight=QuantizedWeight(6, k))
    assert match(layer, 6, 4).moves.before


REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "symmetric_uint8": (
        lambda: Layer(per_tensor(0, 255, torch.uint8, _ops.choose_qparams_symmetric.tensor)),
        (4, 8),
        "its range is 0 to 255",
    ),
    "uint8_on_grids_of_int8": (
        lambda: Layer(_per_token_of_uint8),
        (4, 8),
        "it is quantized to 0, 255, torch.uint8, and its scale is for -128, 127, torch.int8",
    ),
    "wide": (lambda: Layer(per_tensor(-300, 300, torch.int16)), (4, 8), "its range is -300 to 300"),
    "moved_rows": (
        lambda: Layer(per_token, lambda x: x.reshape(3, 8)),
        (6, 4),
        "changes its rows; move that before the quantize",
    ),
    "transposed_rows": (
        lambda: Layer(per_token, lambda x: x.t()),
        (8, 4),
        "changes its rows; move that before the quantize",
    ),
    "part_of_a_tensor": (
        lambda: Layer(per_tensor(), lambda x: x[1:]),
        (4, 8),
        "changes the tensor; move that before the quantize",
    ),
    "scale_of_others": (
        lambda: Layer(lambda x: _of_others(x)),
        (4, 8),
        "its scale is not that of the values that it quantizes",
    ),
    "two_choices": (
        lambda: Layer(lambda x: _of_two(x)),
        (4, 8),
        "its scale and zero point are not those that one op has chosen",
    ),
    "other_bounds": (
        lambda: Layer(lambda x: _clamped(x)),
        (4, 8),
        "it is quantized to -100, 100, torch.int8, and its scale is for -128, 127",
    ),
}


def _of_others(x: torch.Tensor) -> torch.Tensor:
    scale, zero_point = _ops.choose_qparams.tensor(x + 1.0, -128, 127, EPS, torch.int8)
    q = _ops.quantize_per_tensor(x, scale, zero_point, -128, 127, torch.int8)
    return _ops.dequantize_per_tensor(q, scale, zero_point, -128, 127, torch.int8)


def _per_token_of_uint8(x: torch.Tensor) -> torch.Tensor:
    scale, zero_point = _ops.choose_qparams_per_token_asymmetric(x, torch.int8)
    q = _ops.quantize_per_token(x, scale, zero_point, 0, 255, torch.uint8)
    return _ops.dequantize_per_token(q, scale, zero_point, 0, 255, torch.uint8, torch.float32)


def _of_two(x: torch.Tensor) -> torch.Tensor:
    scale, _ = _ops.choose_qparams.tensor(x, -128, 127, EPS, torch.int8)
    _, zero_point = _ops.choose_qparams.tensor(x + 1.0, -128, 127, EPS, torch.int8)
    q = _ops.quantize_per_tensor(x, scale, zero_point, -128, 127, torch.int8)
    return _ops.dequantize_per_tensor(q, scale, zero_point, -128, 127, torch.int8)


def _clamped(x: torch.Tensor) -> torch.Tensor:
    scale, zero_point = _ops.choose_qparams.tensor(x, -128, 127, EPS, torch.int8)
    q = _ops.quantize_per_tensor(x, scale, zero_point, -100, 100, torch.int8)
    return _ops.dequantize_per_tensor(q, scale, zero_point, -100, 100, torch.int8)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, shape, reason = REFUSED[name]
    found = find(build(), *shape)
    assert isinstance(found, Rejection) and reason in found.reason


class Read(Layer):
    """What a layer reads, read by another op as well."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rounded(x)
        return nn.functional.linear(x, self.weight()).sum() + on_cpu(x).sum()


def delegated(module: nn.Module, *shape: int, later: Any = None) -> list[str]:
    """The ops of all delegates of ours."""
    exported = torch.export.export(module.eval(), (torch.ones(shape),))
    partitioners = [VulkanPartitioner(), *([] if later is None else [later])]
    config = EdgeCompileConfig(_check_ir_validity=False)
    lowered = to_edge_transform_and_lower(exported, partitioner=partitioners, compile_config=config)
    return [name for one in read_delegates(lowered) for name in one.op_names]


@pytest.mark.parametrize("rounded", [per_tensor(), per_tensor(0, 255, torch.uint8), per_token])
def test_values_that_something_else_reads_in_float(rounded: Rounding) -> None:
    """The layer takes the integers, and the other op what they stand for."""
    ops = delegated(Read(rounded), 4, 8)
    assert ops.count(DYNAMIC) == ops.count(ROUNDED) == 1


def test_values_that_only_others_read() -> None:
    layer = Layer(per_token, after=lambda y: torch.sin(per_tensor()(y)))
    assert delegated(layer, 4, 8) == [DYNAMIC, ROUNDED, "aten.sin.default"]


class Groups(nn.Module):
    """A weight of [6, 8] with a scale for each half of a row, as 4-bit weights have them."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.register_buffer("integers", torch.randint(-8, 8, (12, 4), generator=generator))
        self.register_buffer("scales", torch.rand(12, 1, generator=generator))

    def forward(self) -> torch.Tensor:
        return (self.integers.to(torch.int8) * self.scales).reshape(6, 8)


def test_layers_of_other_weights_are_float_layers_of_rounded_values() -> None:
    assert delegated(Layer(per_token, weight=Groups()), 4, 8) == [ROUNDED, "aten.linear.default"]


def test_another_backend_finds_what_is_quantized_for_it() -> None:
    layer = Layer(per_token, lambda x: torch.sin(x), weight=Groups())
    assert ROUNDED not in delegated(layer, 4, 8, later=XnnpackPartitioner())


@pytest.mark.parametrize("rounded", [per_tensor(), per_token])
def test_reference_is_what_the_graph_computes(rounded: Rounding) -> None:
    assert linear_dq8ca_q8csw in REFERENCES.values()
    layer = Layer(rounded)
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    found = match(layer, 5, 8)
    assert isinstance(found.x, DynamicInput)
    weight = layer.weight
    sums = weight.weight.sum(1, dtype=torch.int32)
    head = (x, *found.x.arguments, weight.weight, sums, weight.scales, None)
    actual = linear_dq8ca_q8csw(*head, "none", 0.0, 0.0)  # type: ignore[arg-type]
    torch.testing.assert_close(actual, layer(x), rtol=1e-6, atol=1e-6)
