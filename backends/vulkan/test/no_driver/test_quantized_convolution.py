"""The quantized_convolution rule: what it makes, what it refuses and why, and its references."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import reference
from blob_interpreter import run_lowered
from executorch_vulkan import VulkanPartitioner, custom_ops
from executorch_vulkan.patterns.quantized_convolution import match_quantized_convolution
from executorch_vulkan.patterns.rules.dynamic_input import RowGrids
from executorch_vulkan.patterns.steps import match_steps
from executorch_vulkan.patterns.vocabulary.constants import Constants
from executorch_vulkan.patterns.vocabulary.edge_ops import CONVOLUTION
from executorch_vulkan.patterns.vocabulary.rejection import Rejection
from executorch_vulkan.patterns.vocabulary.step import Step
from executorch_vulkan.program import read_delegates
from quantized_graphs import Grid, edge_program
from rewriting import assert_within_a_step, names, rewrite, rewritten, run

IN, OUT, OTHER = Grid(0.0517), Grid(0.5973, -7), Grid(0.311, 5)
U8 = Grid(0.05, 128, 0, 255, torch.uint8)
CONV, POINTWISE, DEPTHWISE, TRANSPOSED = (
    f"et_vk.q8ta_conv2d{name}.default" for name in ("", "_pw", "_dw", "_transposed")
)
BOUNDED, RESIDUAL = "et_vk.q8ta_conv2d.bounded", "et_vk.q8ta_conv2d.residual"
FLOAT_OUT, DYNAMIC = "et_vk.conv2d_q8ta_q8csw.int8", "et_vk.conv2d_dq8ca_q8csw.default"
VIEW, PERMUTE, TABLE = (
    "aten.view_copy.default",
    "aten.permute_copy.default",
    "et_vk.q8ta_table.default",
)
_ops = torch.ops.quantized_decomposed


class Weight(nn.Module):
    """Constant int8 weight with one scale for each index of `axis`, or one; calling dequantizes."""

    def __init__(self, *shape: int, axis: int | None = 0, zero_point: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.randint(-127, 128, shape, generator=generator, dtype=torch.int8)
        self.register_buffer("weight", weight)
        n = 1 if axis is None else shape[axis]
        self.register_buffer("scales", torch.rand(n, generator=generator) * 0.01 + 0.001)
        self.register_buffer("zeros", torch.full((n,), zero_point))
        self.axis, self.zero_point = axis, zero_point

    def forward(self) -> torch.Tensor:
        bounds = (-127, 127, torch.int8)
        if self.axis is None:
            return _ops.dequantize_per_tensor(self.weight, 0.003, self.zero_point, *bounds)
        return _ops.dequantize_per_channel(self.weight, self.scales, self.zeros, self.axis, *bounds)


class Conv(nn.Module):
    """quantize -> dequantize -> convolution -> `after`, with each part replaceable."""

    def __init__(
        self,
        weight: nn.Module,
        conv: Callable[..., torch.Tensor] = F.conv2d,
        after: Callable[[torch.Tensor], Any] = OUT.round_trip,
        before: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
        bias: int | torch.Tensor | None = None,
        grid: Grid = IN,
        **geometry: Any,
    ) -> None:
        super().__init__()
        self.weight, self.conv, self.geometry = weight, conv, geometry
        self.after, self.before, self.grid = after, before, grid
        bias = torch.linspace(-1, 1, bias) if isinstance(bias, int) else bias
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.before(self.grid.round_trip(x))
        return self.after(self.conv(x, self.weight(), self.bias, **self.geometry))


def int8_ops(found: list[str]) -> list[str]:
    ends = ("quantize_per_tensor", "q8ta_dequantize", "clone")
    return [name for name in found if not any(end in name for end in ends)]


def check(module: nn.Module, *shape: int, ops: list[str], step: float = OUT.scale) -> None:
    """The rewritten graph has these ops and gives what the module gives."""
    found, result, wanted = rewritten(module, *shape)
    assert int8_ops(found) == ops
    assert result.shape == wanted.shape and result.dtype == wanted.dtype
    assert_within_a_step(result, wanted, step)


def find(module: nn.Module, *shape: int, with_values: bool = True, **kw: Any) -> Any:
    program = edge_program(module, *shape, **kw)
    [node] = program.graph.find_nodes(op="call_function", target=CONVOLUTION)
    return match_quantized_convolution(node, Constants(program) if with_values else None)


def refused(module: nn.Module, *shape: int) -> Rejection:
    found = find(module, *shape)
    assert isinstance(found, Rejection), found
    return found


def call_of(module: nn.Module, op: Any, *shape: int) -> Any:
    """(the program, the only call of `op` in what becomes of it)."""
    program = edge_program(module, *shape)
    [node] = rewrite(program).graph.find_nodes(op="call_function", target=op)
    return program, node


AS_STOCK: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "plain": (Conv(Weight(8, 3, 3, 3), bias=8), (2, 3, 9, 7), CONV),
    "no_bias": (Conv(Weight(6, 5, 3, 2)), (1, 5, 9, 7), CONV),
    "stride_padding": (Conv(Weight(4, 3, 5, 3), stride=(2, 3), padding=(1, 2)), (1, 3, 9, 9), CONV),
    "dilation": (Conv(Weight(4, 3, 3, 3), dilation=(2, 1), padding="same"), (1, 3, 9, 9), CONV),
    "pointwise": (Conv(Weight(7, 6, 1, 1), bias=7), (2, 6, 5, 4), POINTWISE),
    "strided_pointwise": (Conv(Weight(7, 6, 1, 1), stride=2), (2, 6, 5, 4), CONV),
    "groups": (Conv(Weight(8, 4, 3, 3), groups=2, bias=8), (1, 8, 5, 4), CONV),
    "depthwise": (Conv(Weight(8, 1, 3, 3), groups=8, bias=8), (2, 8, 6, 5), DEPTHWISE),
    "transposed": (
        Conv(Weight(3, 5, 3, 2, axis=1), F.conv_transpose2d, stride=2, output_padding=1, bias=5),
        (2, 3, 4, 5),
        TRANSPOSED,
    ),
    "relu": (
        Conv(Weight(8, 3, 3, 3), after=lambda y: OUT.round_trip(F.relu(y))),
        (1, 3, 9, 7),
        CONV,
    ),
}
OURS: dict[str, tuple[nn.Module, tuple[int, ...], list[str]]] = {
    "per_tensor": (Conv(Weight(8, 3, 3, 3, axis=None), bias=8), (2, 3, 9, 7), [BOUNDED]),
    "conv1d": (Conv(Weight(8, 3, 5), F.conv1d, padding=2, stride=2), (2, 3, 16), [BOUNDED]),
    "depthwise_1d": (Conv(Weight(6, 1, 3), F.conv1d, groups=6), (2, 6, 9), [BOUNDED]),
    "transposed_1d": (
        Conv(Weight(4, 3, 4, axis=1), F.conv_transpose1d, stride=2, padding=1, bias=3),
        (2, 4, 7),
        [BOUNDED],
    ),
    "odd_groups": (Conv(Weight(6, 2, 3, 3), groups=3, bias=6), (1, 6, 5, 4), [BOUNDED]),
    "odd_depthwise": (Conv(Weight(6, 1, 3, 3), groups=6), (1, 6, 5, 4), [BOUNDED]),
    "multiplier": (Conv(Weight(12, 1, 3, 3), groups=6), (1, 6, 5, 4), [BOUNDED]),
    "one_channel": (Conv(Weight(1, 1, 3, 3), bias=1), (1, 1, 5, 4), [BOUNDED]),
    "transposed_groups": (
        Conv(Weight(4, 3, 3, 3, axis=1), F.conv_transpose2d, groups=2, stride=2, padding=1),
        (2, 4, 4, 5),
        [BOUNDED],
    ),
    "transposed_dilation": (
        Conv(Weight(4, 3, 3, 3, axis=1), F.conv_transpose2d, dilation=2),
        (1, 4, 4, 5),
        [BOUNDED],
    ),
    "transposed_per_tensor": (
        Conv(Weight(4, 3, 3, 3, axis=None), F.conv_transpose2d),
        (1, 4, 4, 5),
        [BOUNDED],
    ),
    "relu6": (
        Conv(Weight(8, 3, 3, 3), after=lambda y: OUT.round_trip(F.relu6(y))),
        (1, 3, 9, 7),
        [BOUNDED],
    ),
    "clamp_in_int8": (
        Conv(Weight(8, 3, 3, 3), after=lambda y: OUT.round_trip(F.relu6(OUT.round_trip(y)))),
        (1, 3, 9, 7),
        [BOUNDED],
    ),
    "narrow": (
        Conv(Weight(8, 3, 3, 3), after=Grid(0.6, 0, -127).round_trip),
        (1, 3, 9, 7),
        [BOUNDED],
    ),
    "late_bias": (
        Conv(
            Weight(8, 3, 3, 3), after=lambda y: OUT.round_trip(y + torch.arange(8.0)[:, None, None])
        ),
        (1, 3, 9, 7),
        [CONV],
    ),
    "late_bias_1d": (
        Conv(
            Weight(8, 3, 3),
            F.conv1d,
            after=lambda y: OUT.round_trip(torch.arange(8.0)[:, None] + y),
        ),
        (2, 3, 9),
        [BOUNDED],
    ),
    "unbatched": (Conv(Weight(8, 3, 3, 3)), (3, 9, 7), None),
    "channels_innermost": (
        Conv(
            Weight(8, 3, 3, 3),
            before=lambda x: x.permute(0, 3, 1, 2),
            after=lambda y: OUT.round_trip(y.permute(0, 2, 3, 1)),
        ),
        (2, 9, 7, 3),
        [PERMUTE, BOUNDED, PERMUTE],
    ),
    "flattened": (
        Conv(Weight(8, 3, 3, 3), after=lambda y: OUT.round_trip(y.flatten(1))),
        (2, 3, 9, 7),
        [BOUNDED, VIEW],
    ),
}
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "leaky_relu": lambda y: F.leaky_relu(y, 0.1),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "gelu": F.gelu,
    "elu": lambda y: F.elu(y, 0.7),
}


class TestMatches:
    @pytest.mark.parametrize("name", AS_STOCK)
    def test_as_the_stock_partitioner_writes_it(self, name: str) -> None:
        module, shape, op = AS_STOCK[name]
        check(module, *shape, ops=[op])
        step = find(module, *shape)
        assert isinstance(step, Step) and step.on_stock

    @pytest.mark.parametrize("name", OURS)
    def test_by_our_ops(self, name: str) -> None:
        module, shape, ops = OURS[name]
        check(module, *shape, ops=ops or int8_ops(rewritten(module, *shape)[0]))
        assert TABLE not in rewritten(module, *shape)[0]

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_activations(self, name: str) -> None:
        module = Conv(
            Weight(8, 3, 3, 3, axis=None),
            after=lambda y: Grid(0.04, -3).round_trip(ACTIVATIONS[name](y)),
            bias=8,
        )
        found, result, wanted = rewritten(module, 2, 3, 9, 7)
        assert int8_ops(found) == [BOUNDED]
        assert_within_a_step(result, wanted, 0.04, equal=0.99)

    @pytest.mark.parametrize("after", [lambda y: y, F.silu, lambda y: torch.softmax(y, 1)])
    def test_float_result(self, after: Any) -> None:
        found, result, wanted = rewritten(Conv(Weight(8, 3, 3, 3), after=after, bias=8), 2, 3, 9, 7)
        assert FLOAT_OUT in found and "aten.convolution.default" not in found
        torch.testing.assert_close(result, wanted, rtol=1e-5, atol=1e-5)

    def test_without_values_it_is_the_same(self) -> None:
        found = find(Conv(Weight(8, 3, 3, 3), bias=8), 2, 3, 9, 7, with_values=False)
        assert isinstance(found, Step)

    def test_an_int32_bias(self) -> None:
        class Int32Bias(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = Weight(8, 3, 3, 3)
                self.register_buffer("bias", torch.arange(-400, 400, 100, dtype=torch.int32))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                bias = _ops.dequantize_per_channel(
                    self.bias,
                    self.weight.scales * IN.scale,
                    self.weight.zeros,
                    0,
                    -(2**31),
                    2**31 - 1,
                    torch.int32,
                )
                return OUT.round_trip(F.conv2d(IN.round_trip(x), self.weight(), bias))

        check(Int32Bias(), 2, 3, 9, 7, ops=[CONV])

    @pytest.mark.parametrize("shape", [(1, 3, 9, 7), (4, 3, 16, 12)])
    def test_dynamic_sizes(self, shape: tuple[int, ...]) -> None:
        module = Conv(Weight(8, 3, 3, 3), stride=2, padding=1, bias=8)
        dims = ({0: torch.export.Dim("n", max=4)},)
        dims[0].update({i: torch.export.Dim(f"size{i}", min=3, max=16) for i in (2, 3)})
        program = edge_program(module, 2, 3, 9, 7, dynamic_shapes=dims)
        graph_module = rewrite(program)
        assert int8_ops(names(graph_module)) == [BOUNDED]
        x = torch.randn(shape)
        assert_within_a_step(run(graph_module, program, x), module(x), OUT.scale)


def test_uint8() -> None:
    """Through the partitioner, whose passes make int8 of it."""
    out = Grid(0.4, 120, 0, 255, torch.uint8)
    module = Conv(Weight(8, 3, 3, 3), after=lambda y: out.round_trip(F.relu(y)), grid=U8, padding=1)
    x = torch.rand(2, 3, 9, 7) * 12 - 6
    program = to_edge_transform_and_lower(
        torch.export.export(module.eval(), (x,)),
        partitioner=[VulkanPartitioner()],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    [delegate] = read_delegates(program)
    assert CONV in delegate.op_names and BOUNDED not in delegate.op_names
    [result] = run_lowered(program, (x,))
    assert_within_a_step(result, module(x), 0.4)


class Block(nn.Module):
    """conv(x) rounded by `between`, plus x, then `after`."""

    def __init__(
        self,
        between: Callable[[torch.Tensor], torch.Tensor] = OTHER.round_trip,
        after: Callable[[torch.Tensor], Any] = OUT.round_trip,
        combine: Callable[..., torch.Tensor] = torch.add,
    ) -> None:
        super().__init__()
        self.weight = Weight(4, 4, 3, 3)
        self.between, self.after, self.combine = between, after, combine

    def forward(self, x: torch.Tensor) -> Any:
        x = IN.round_trip(x)
        return self.after(self.combine(self.between(F.conv2d(x, self.weight(), padding=1)), x))


class TestResiduals:
    @pytest.mark.parametrize(
        "between",
        [OTHER.round_trip, lambda y: y, F.relu, lambda y: OTHER.round_trip(F.silu(y))],
        ids=["rounded", "float", "relu", "silu_rounded"],
    )
    def test_folds(self, between: Any) -> None:
        after = lambda y: OUT.round_trip(F.relu(y))  # noqa: E731
        check(Block(between, after), 3, 4, 9, 8, ops=[RESIDUAL])

    def test_a_shortcut_with_a_convolution(self) -> None:
        class Down(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.main, self.short = Weight(8, 4, 3, 3), Weight(8, 4, 1, 1)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = IN.round_trip(x)
                y = OTHER.round_trip(F.conv2d(x, self.main(), stride=2, padding=1))
                z = Grid(0.2, 1).round_trip(F.conv2d(x, self.short(), stride=2))
                return OUT.round_trip(F.relu(y + z))

        check(Down(), 2, 4, 8, 8, ops=[CONV, RESIDUAL])

    def test_a_gate_of_channels_stays_two_ops(self) -> None:
        module = Block(combine=lambda y, x: y * x[:, :, :1, :1])
        program = edge_program(module, 2, 4, 9, 8)
        steps = match_steps(program.graph, Constants(program)).steps
        assert {"convolution", "arithmetic"} <= {step.family.name for step in steps}
        assert "residual" not in {step.family.name for step in steps}


class Dynamic(nn.Module):
    """A convolution behind `after` of what is rounded on a grid of its values, or of each row's;
    what it gives is rounded on OUT."""

    def __init__(
        self,
        weight: nn.Module,
        layer: Callable[..., torch.Tensor] = F.conv2d,
        per_row: bool = False,
        after: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
        **given: Any,
    ) -> None:
        super().__init__()
        self.weight, self.layer, self.per_row = weight, layer, per_row
        self.after, self.given = after, given

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bounds = (-128, 127, torch.int8)
        if self.per_row:
            grid = _ops.choose_qparams_per_token_asymmetric(x, torch.int8)
            q = _ops.quantize_per_token(x, *grid, *bounds)
            x = _ops.dequantize_per_token(q, *grid, *bounds, torch.float32)
        else:
            grid = _ops.choose_qparams(x, -128, 127, 1e-5, torch.int8)
            q = _ops.quantize_per_tensor(x, *grid, *bounds)
            x = _ops.dequantize_per_tensor(q, *grid, *bounds)
        y = self.layer(self.after(x), self.weight(), **self.given)
        return OUT.round_trip(F.relu(y))


class TestDynamic:
    """Activations whose grid is found at run time."""

    @pytest.mark.parametrize(
        ("module", "shape"),
        [
            (lambda: Dynamic(Weight(8, 3, 3, 3), padding=1), (2, 3, 9, 7)),
            (lambda: Dynamic(Weight(6, 1, 3, 3), groups=6, stride=2), (2, 6, 9, 7)),
            (lambda: Dynamic(Weight(4, 3, 5), F.conv1d, padding=2), (2, 3, 9)),
            (lambda: Dynamic(Weight(3, 8, 3, 3, axis=1), F.conv_transpose2d), (2, 3, 4, 5)),
            (lambda: Dynamic(Weight(8, 3, 1, 1), after=lambda x: x.transpose(2, 3)), (2, 3, 4, 5)),
        ],
        ids=["window", "depthwise", "one_dimension", "transposed", "moved"],
    )
    def test_becomes_one_op(self, module: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
        found = find(module(), *shape)
        assert found.match.x.grids == RowGrids("per_tensor", "affine", -128, 127, 1e-5)
        assert found.match.epilogue is None and found.match.tail.activation.name == "clamp"
        ops, result, wanted = rewritten(module(), *shape)
        assert DYNAMIC in ops and not any("convolution" in name for name in ops)
        assert result.shape == wanted.shape
        assert_within_a_step(result, wanted, OUT.scale)

    def test_a_grid_for_each_row_is_refused(self) -> None:
        found = refused(Dynamic(Weight(8, 3, 3, 3), per_row=True), *IMAGE)
        assert "input of a convolution per tensor" in found.reason

    def test_moves_that_change_the_tensor_are_refused(self) -> None:
        found = refused(Dynamic(Weight(8, 3, 3, 3), after=lambda x: x[:, :, 1:]), *IMAGE)
        assert "changes the tensor" in found.reason


class WeightFromInput(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = Grid(0.01, 0).round_trip(x[:1, :, :3, :3])
        return OUT.round_trip(F.conv2d(IN.round_trip(x), weight))


class BiasFromInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = Weight(8, 3, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = x.flatten()[:8]
        return OUT.round_trip(F.conv2d(IN.round_trip(x), self.weight(), bias))


IMAGE = (2, 3, 9, 7)
REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "conv3d": (
        lambda: Conv(Weight(4, 3, 2, 2, 2), F.conv3d),
        (1, 3, 4, 4, 4),
        "it is a convolution of 3 dimensions; here one of three runs if its sizes but the batch "
        "are fixed, and to_edge_transform_and_lower lowers it",
    ),
    "zero_points": (lambda: Conv(Weight(8, 3, 3, 3, zero_point=1)), IMAGE, "zero points"),
    "axis": (
        lambda: Conv(Weight(8, 3, 3, 3, axis=1)),
        IMAGE,
        "weight is quantized along axis 1, which K = 27 is part of; quantize it along its output "
        "channels, N = 8",
    ),
    "axis_of_transposed": (
        lambda: Conv(Weight(3, 8, 3, 3), F.conv_transpose2d),
        IMAGE,
        "weight is quantized along axis 0, which K = 27 is part of",
    ),
    "weight_not_constant": (WeightFromInput, IMAGE, "weight is not a constant"),
    "bias_not_constant": (BiasFromInput, IMAGE, "bias is not a constant"),
    "activation_dtype": (
        lambda: Conv(Weight(8, 3, 3, 3), grid=U8),
        IMAGE,
        "activation dtype is torch.uint8",
    ),
    "output_dtype": (
        lambda: Conv(Weight(8, 3, 3, 3), after=U8.round_trip),
        IMAGE,
        "output quantize dtype is torch.uint8",
    ),
    "large_padding": (
        lambda: Conv(Weight(1, 1, 3), F.conv1d, padding=70_000),
        (1, 1, 4),
        "padding is [70000]; here it is at most 65535",
    ),
    "overflow": (
        lambda: Conv(Full(1, 7400, 3, 3), grid=Grid(0.05, -128)),
        (1, 7400, 3, 3),
        "weights do not rule out an int32 overflow",
    ),
}


class Full(Weight):
    """All weights are 127."""

    def __init__(self, *shape: int) -> None:
        super().__init__(*shape)
        self.weight.fill_(127)
        self.scales.fill_(1e-6)


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSED)
    def test_static(self, name: str) -> None:
        build, shape, reason = REFUSED[name]
        found = refused(build(), *shape)
        assert found.is_static and reason in found.reason

    @pytest.mark.parametrize(
        ("build", "reason"),
        [
            (lambda: nn.Conv2d(3, 8, 3), "it is not quantized; quantize its input and weight"),
            (lambda: WeightOnly(), "only the weight is quantized"),
        ],
        ids=["float", "weight_only"],
    )
    def test_not_static(self, build: Any, reason: str) -> None:
        found = refused(build(), *IMAGE)
        assert not found.is_static and reason in found.reason

    def test_channels_last_is_none(self) -> None:
        x = torch.zeros(IMAGE).contiguous(memory_format=torch.channels_last)
        assert isinstance(find(Conv(Weight(8, 3, 3, 3)), inputs=(x,)), Step)

    def test_another_node_is_an_error(self) -> None:
        program = edge_program(Conv(Weight(8, 3, 3, 3)), *IMAGE)
        with pytest.raises(ValueError, match="not a convolution"):
            match_quantized_convolution(next(iter(program.graph.nodes)))


class WeightOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = Weight(8, 3, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight())


class TestConstants:
    def test_rows_end_with_the_channels(self) -> None:
        module = Conv(Weight(6, 2, 3, 2), groups=3, bias=6)
        program, node = call_of(module, custom_ops.Q8TA_CONV2D_BOUNDED, 1, 6, 5, 4)
        weights, sums, scales, bias = (program.state_dict[node.args[i].name] for i in (3, 4, 5, 8))
        rows = module.weight.weight.permute(0, 2, 3, 1).reshape(6, 12)
        assert torch.equal(weights, rows)
        assert sums.tolist() == [*rows.sum(1).tolist(), 0, 0] and sums.dtype == torch.int32
        assert scales.tolist() == [*module.weight.scales.tolist(), 0, 0]
        assert bias.tolist() == [*module.bias.tolist(), 0, 0]
        assert node.args[9:16] == ([3, 2], [1, 1], [0, 0], [0, 0], [1, 1], False, 3)

    def test_rows_of_a_transposed_one_are_its_output_channels(self) -> None:
        module = Conv(Weight(4, 3, 3, 2, axis=1), F.conv_transpose2d, groups=2, stride=2)
        program, node = call_of(module, custom_ops.Q8TA_CONV2D_BOUNDED, 1, 4, 5, 4)
        weights, scales = (program.state_dict[node.args[i].name] for i in (3, 5))
        for group, channel in product(range(2), range(3)):
            row = module.weight.weight[2 * group : 2 * group + 2, channel].permute(1, 2, 0)
            assert torch.equal(weights[3 * group + channel], row.flatten())
        assert scales.tolist()[:6] == module.weight.scales.tolist() * 2
        assert node.args[9:16] == ([3, 2], [2, 2], [0, 0], [0, 0], [1, 1], True, 2)

    def test_stock_weights_are_whole_words(self) -> None:
        module = Conv(Weight(6, 3, 3, 3))
        program, node = call_of(module, custom_ops.Q8TA_CONV2D, *IMAGE)
        weights = program.state_dict[node.args[3].name]
        assert weights.shape == (6, 28) and not weights[:, 27:].any()

    def test_stock_depthwise_weights_end_with_the_channels(self) -> None:
        module = Conv(Weight(8, 1, 3, 2), groups=8)
        program, node = call_of(module, custom_ops.Q8TA_CONV2D_DW, 1, 8, 5, 4)
        weights = program.state_dict[node.args[3].name]
        assert torch.equal(weights, module.weight.weight[:, 0].permute(1, 2, 0))


def convolution(
    x: np.ndarray,
    w: np.ndarray,
    zero_point: int,
    stride: list[int],
    padding: list[int],
    output_padding: list[int],
    dilation: list[int],
    transposed: bool,
    groups: int,
) -> np.ndarray:
    """The exact sums of x [B, IC, *sizes] and w [OC, *kernel, IC / groups]: one product for each
    pixel of x, tap and pixel of the result that it adds to."""
    oc, *kernel, ic = w.shape
    sizes = x.shape[2:]
    out = [
        (s - 1) * st - 2 * p + d * (k - 1) + op + 1
        if transposed
        else (s + 2 * p - d * (k - 1) - 1) // st + 1
        for s, k, st, p, op, d in zip(
            sizes, kernel, stride, padding, output_padding, dilation, strict=True
        )
    ]
    acc = np.zeros((x.shape[0], oc, *out), np.int64)
    for at in product(*map(range, out if not transposed else sizes)):
        for tap in product(*map(range, kernel)):
            other = [
                a * st - p + t * d
                for a, st, p, t, d in zip(at, stride, padding, tap, dilation, strict=True)
            ]
            limits = sizes if not transposed else out
            if any(not 0 <= o < limit for o, limit in zip(other, limits, strict=True)):
                continue
            from_x, to_y = (tuple(other), at) if not transposed else (at, tuple(other))
            pixel = x[(slice(None), slice(None), *from_x)].astype(np.int64) - zero_point
            for group in range(groups):
                channels = slice(group * oc // groups, (group + 1) * oc // groups)
                part = pixel[:, group * ic : (group + 1) * ic] @ w[(channels, *tap)].T.astype(
                    np.int64
                )
                acc[(slice(None), channels, *to_y)] += part
    return acc


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_reference_equals_numpy(data: st.DataObject) -> None:
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rank, groups, transposed = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.booleans())
    ic, per_group = draw(st.integers(1, 4)), draw(st.integers(1, 4))

    def each(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))

    kernel, stride, dilation, padding = each(1, 3), each(1, 3), each(1, 2), each(0, 2)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    sizes = [size + span for size, span in zip(each(0, 5), spans, strict=True)]
    padding = [min(p, span - 1) for p, span in zip(padding, spans, strict=True)]
    output_padding = [
        draw(st.integers(0, max(s, d) - 1)) if transposed else 0
        for s, d in zip(stride, dilation, strict=True)
    ]
    oc = per_group * groups
    x = rng.integers(-128, 128, (2, ic * groups, *sizes), dtype=np.int8)
    w = rng.integers(-128, 128, (oc, *kernel, ic), dtype=np.int8)
    zero_point = draw(st.integers(-128, 127))
    scales = rng.uniform(1e-4, 1e-2, oc).astype(np.float32)
    bias = rng.normal(size=oc).astype(np.float32)
    acc = convolution(
        x, w, zero_point, stride, padding, output_padding, dilation, transposed, groups
    )
    of_channel = (-1, *[1] * rank)
    f = acc.astype(np.float32) * (np.float32(0.05) * scales).reshape(of_channel)
    f = f + bias.reshape(of_channel)
    head = (torch.from_numpy(x), 0.05, zero_point, torch.from_numpy(w.reshape(oc, -1)))
    head += (torch.empty(0), torch.from_numpy(scales))
    layer = (torch.from_numpy(bias), kernel, stride, padding, output_padding, dilation)
    layer += (transposed, groups, "none", 0.0, 0.0)
    got = custom_ops.conv2d_q8ta_q8csw(*head, *layer)
    np.testing.assert_array_equal(got.numpy(), f)
    wanted = reference.quantize(f, 0.3, 5, -100, 90)
    np.testing.assert_array_equal(
        custom_ops.q8ta_conv2d(*head, 0.3, 5, *layer, -100, 90).numpy(), wanted
    )
    meta = custom_ops.Q8TA_CONV2D_BOUNDED(
        *(one.to("meta") if isinstance(one, torch.Tensor) else one for one in head),
        *(0.3, 5, layer[0].to("meta"), *layer[1:], -100, 90),
    )
    assert meta.shape == wanted.shape
