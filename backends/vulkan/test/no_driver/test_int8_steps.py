"""Tables, moves, arithmetic and residuals in int8: what each rule makes, and that it is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.exir.dialects._ops import ops as exir_ops
from torch import nn

from executorch_vulkan.patterns.steps import StepPlan, match_steps
from executorch_vulkan.patterns.vocabulary.constants import Constants
from on_cpu import on_cpu
from quantized_graphs import Grid, Layer, QuantizedWeight, edge_program
from rewriting import assert_within_a_step, names, rewrite, rewritten, run

# No scale is a simple multiple of another: sums would fall between two steps too often.
IN, OUT, OTHER = Grid(0.0517), Grid(0.0973, -7), Grid(0.311, 5)
U8 = Grid(0.05, 128, 0, 255, torch.uint8)
QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
TABLE, BINARY, MEAN = (f"et_vk.q8ta_{name}.default" for name in ("table", "binary", "mean"))
RESIDUAL = "et_vk.q8ta_linear.residual"
LINEAR = "et_vk.q8ta_linear.default"
PERMUTE, SLICE, SELECT = (
    f"aten.{name}" for name in ("permute_copy.default", "slice_copy.Tensor", "select_copy.int")
)
VIEW, CAT, EXPAND = (f"aten.{name}.default" for name in ("view_copy", "cat", "expand_copy"))


class On(nn.Module):
    """A function of the input after a round trip over a grid."""

    def __init__(self, function: Callable[..., Any], grid: Grid = IN) -> None:
        super().__init__()
        self.function, self.grid = function, grid

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self.grid.round_trip(x))


class OnTwo(nn.Module):
    """A function of two round trips of the input over different grids."""

    def __init__(self, function: Callable[..., Any], constant: torch.Tensor | None = None) -> None:
        super().__init__()
        self.function = function
        if constant is not None:
            self.register_buffer("constant", constant)

    def forward(self, x: torch.Tensor) -> Any:
        if hasattr(self, "constant"):
            return self.function(IN.round_trip(x), self.constant)
        return self.function(IN.round_trip(x), OTHER.round_trip(x))


def int8_ops(found: list[str]) -> list[str]:
    """Op names apart from the quantize and dequantize at the ends, and clones."""
    ends = ("quantize_per_tensor", "q8ta_dequantize", "clone")
    return [name for name in found if not any(end in name for end in ends)]


def check(module: nn.Module, *shape: int, ops: list[str], step: float = OUT.scale) -> None:
    """The rewritten graph has these int8 ops and gives what the module gives."""
    found, result, wanted = rewritten(module, *shape)
    assert int8_ops(found) == ops
    outputs = zip(result, wanted, strict=True) if isinstance(wanted, tuple) else [(result, wanted)]
    for actual, eager in outputs:
        assert actual.shape == eager.shape and actual.dtype == eager.dtype
        assert_within_a_step(actual, eager, step)


def plan(module: nn.Module, *shape: int) -> StepPlan:
    program = edge_program(module, *shape)
    return match_steps(program.graph, Constants(program))


def reasons(module: nn.Module, *shape: int) -> list[str]:
    return [rejection.reason for rejection in plan(module, *shape).rejections]


class TestTables:
    @pytest.mark.parametrize(
        "function",
        [
            torch.sin,
            torch.exp,
            F.gelu,
            F.mish,
            F.softplus,
            F.hardswish,
            lambda x: F.elu(x, 0.3),
            lambda x: x * torch.sigmoid(x),
            lambda x: x * F.relu6(x + 3) / 6,
            lambda x: torch.where(x > 0, x, 0.1 * x),
            lambda x: 1 - x,
            lambda x: x / 3,
            lambda x: torch.sqrt(torch.abs(x)) + torch.pow(x, 2),
            lambda x: x * x + x,
            lambda x: torch.clamp(torch.round(x), -2, 3),
        ],
    )
    def test_is_exact(self, function: Any) -> None:
        module = On(lambda x: OUT.round_trip(function(x)))
        found, result, wanted = rewritten(module, 16, 65)
        assert int8_ops(found) == [TABLE]
        assert torch.equal(result, wanted)

    def test_all_values_of_int8(self) -> None:
        module = On(lambda x: OUT.round_trip(torch.sin(x)))
        program = edge_program(module, 256)
        x = IN.dequantize(torch.arange(-128, 128, dtype=torch.int8))
        assert torch.equal(run(rewrite(program), program, x), module(x))

    def test_requantize(self) -> None:
        module = On(lambda x: OUT.round_trip(x))
        found, result, wanted = rewritten(module, 40, 9)
        assert int8_ops(found) == [TABLE] and torch.equal(result, wanted)

    def test_narrower_range_clamps(self) -> None:
        check(On(lambda x: Grid(quant_min=-5, quant_max=9).round_trip(x)), 40, 9, ops=[TABLE])

    def test_equal_parameters_need_nothing(self) -> None:
        check(On(IN.round_trip), 4, 9, ops=[])

    def test_float_result(self) -> None:
        module = On(lambda x: torch.softmax(torch.tanh(x), -1))
        found, result, wanted = rewritten(module, 4, 9)
        assert found[:2] == [QUANTIZE, TABLE] and torch.equal(result, wanted)

    def test_several_readers(self) -> None:
        def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y = F.silu(x)
            return OUT.round_trip(y), OTHER.round_trip(y), OUT.round_trip(y), on_cpu(y)

        found, result, wanted = rewritten(On(function), 4, 9)
        assert found.count(TABLE) == 3 and "aten.sigmoid.default" not in found
        assert all(map(torch.equal, result[:3], wanted[:3]))
        # Here the module has silu in one op, and the graph in two.
        torch.testing.assert_close(result[3], wanted[3])

    def test_an_inner_value_is_read_as_well(self) -> None:
        def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y = torch.sin(x)
            return OUT.round_trip(torch.exp(y)), on_cpu(y)

        found, result, wanted = rewritten(On(function), 4, 9)
        assert found.count(TABLE) == 2 and "aten.sin.default" not in found
        assert all(map(torch.equal, result, wanted))

    def test_equal_tables_are_one_constant(self) -> None:
        def function(x: torch.Tensor) -> torch.Tensor:
            return IN.round_trip(torch.sin(IN.round_trip(torch.sin(x))))

        graph_module = rewrite(edge_program(On(function), 4, 9))
        target = exir_ops.edge.et_vk.q8ta_table.default
        first, second = graph_module.graph.find_nodes(op="call_function", target=target)
        assert first.args[1] is second.args[1]

    @pytest.mark.parametrize(
        "function",
        [
            lambda x: OUT.round_trip(on_cpu(x)),
            lambda x: OUT.round_trip(x + torch.arange(9.0)),
            lambda x: OUT.round_trip(torch.dropout(x, 0.5, True)),
        ],
        ids=["not_elementwise", "a_vector", "random"],
    )
    def test_near_misses(self, function: Any) -> None:
        assert not any(step.anchor.name != "x" for step in plan(On(function), 4, 9).steps)

    def test_another_dtype_is_left(self) -> None:
        assert not plan(On(lambda x: OUT.round_trip(torch.sin(x)), U8), 4, 9).steps
        [step] = plan(On(lambda x: U8.round_trip(torch.sin(x))), 4, 9).steps
        # The quantize is not ours, so it reads a table of floats.
        assert step.outputs == (step.anchor,)


MOVES: dict[str, tuple[Callable[[torch.Tensor], Any], list[str]]] = {
    "reshape": (lambda x: x.reshape(3, -1), [VIEW]),
    "flatten": (lambda x: x.flatten(1), [VIEW]),
    "permute": (lambda x: x.permute(2, 0, 1), [PERMUTE]),
    "transpose": (lambda x: x.transpose(-1, 1), [PERMUTE]),
    "slice": (lambda x: x[:, 1:3], [SLICE]),
    "slice_step": (lambda x: x[..., -4::2], [SLICE]),
    "select": (lambda x: x[:, -1], [SELECT]),
    "squeeze": (lambda x: x[:, :1].squeeze(1), [SLICE, "aten.squeeze_copy.dims"]),
    "unsqueeze": (lambda x: x.unsqueeze(-1), ["aten.unsqueeze_copy.default"]),
    "expand": (lambda x: x.unsqueeze(1).expand(-1, 3, -1, -1), None),
    "chain": (lambda x: x.permute(0, 2, 1).reshape(4, -1)[:, 1:], [PERMUTE, VIEW, SLICE]),
    "cat": (lambda x: torch.cat([x, x[:, :2]], 1), [SLICE, CAT]),
    "clone": (lambda x: x.clone().permute(1, 0, 2).contiguous(), None),
    "chunk": (lambda x: x.chunk(2, -1)[1], [SLICE]),
    "split": (lambda x: x.split([1, 3, 1], 1)[1], [SLICE]),
    "unbind": (lambda x: x.unbind(1)[2], None),
    "stack": (lambda x: torch.stack([x, x], 1), None),
}
moves = pytest.mark.parametrize("name", MOVES)
SHAPE = (4, 5, 6)


class TestMoves:
    @moves
    def test_on_one_grid_is_the_move_itself(self, name: str) -> None:
        function, ops = MOVES[name]
        found, result, wanted = rewritten(On(lambda x: IN.round_trip(function(x))), *SHAPE)
        inner = int8_ops(found)
        assert inner == ops if ops is not None else TABLE not in inner
        assert torch.equal(result, wanted)

    @moves
    def test_onto_another_grid_is_one_table_more(self, name: str) -> None:
        function, _ = MOVES[name]
        found, result, wanted = rewritten(On(lambda x: OUT.round_trip(function(x))), *SHAPE)
        assert found.count(TABLE) == 1 and int8_ops(found)[-1] == TABLE
        assert torch.equal(result, wanted)

    def test_pairs_on_both_sides_of_each(self) -> None:
        def function(x: torch.Tensor) -> torch.Tensor:
            x = IN.round_trip(x.permute(0, 2, 1))
            x = IN.round_trip(x.reshape(4, -1))
            return IN.round_trip(x[:, 3:])

        check(On(function), *SHAPE, ops=[PERMUTE, VIEW, SLICE])

    def test_mixed_with_functions(self) -> None:
        def function(x: torch.Tensor) -> torch.Tensor:
            x = x.permute(0, 2, 1)
            x = x * torch.sigmoid(x)
            return OUT.round_trip(torch.exp(x.reshape(4, -1))[:, 3:])

        check(On(function), *SHAPE, ops=[PERMUTE, VIEW, SLICE, TABLE])

    def test_cat_of_several_grids(self) -> None:
        module = OnTwo(lambda a, b: OTHER.round_trip(torch.cat([a, b], -1)))
        check(module, *SHAPE, ops=[TABLE, CAT], step=OTHER.scale)
        module = OnTwo(lambda a, b: OUT.round_trip(torch.cat([a, b.transpose(0, 1)], -1)))
        check(module, 5, 5, 6, ops=[TABLE, TABLE, PERMUTE, CAT])

    def test_all_parts_of_a_split(self) -> None:
        def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(IN.round_trip(part) for part in x.split(2, 1))

        check(On(function), *SHAPE, ops=[SLICE] * 3)

    def test_several_readers(self) -> None:
        def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y = x.permute(0, 2, 1)
            return IN.round_trip(y), OUT.round_trip(y), y, IN.round_trip(y[1:])

        _, result, wanted = rewritten(On(function), *SHAPE)
        assert all(map(torch.equal, result, wanted))

    def test_around_a_layer(self) -> None:
        """No quantize stands between the layer and the moves on both sides."""
        module = Layer(
            before=lambda x: x.permute(1, 0, 2),
            after=lambda y: OUT.round_trip(y.permute(1, 2, 0)[1:]),
        )
        check(module, 5, 4, 8, ops=[PERMUTE, LINEAR, PERMUTE, SLICE])


class TestArithmetic:
    @pytest.mark.parametrize(
        "function",
        [
            torch.add,
            torch.sub,
            torch.mul,
            lambda a, b: torch.add(a, b, alpha=2),
            lambda a, b: torch.sub(a, b, alpha=0.5),
            lambda a, b: torch.add(a, b, alpha=-3),
            lambda a, b: F.relu(a + b),
            lambda a, b: torch.clamp(a * b, -1, 2),
            lambda a, b: a + b[:1, :1],
            lambda a, b: a[:, :, :1] * b[0],
            lambda a, b: (a - b).permute(2, 0, 1),
        ],
    )
    def test_binary(self, function: Any) -> None:
        found, result, wanted = rewritten(
            OnTwo(lambda a, b: OUT.round_trip(function(a, b))), 9, 8, 7
        )
        assert found.count(BINARY) == 1 and TABLE not in found
        assert_within_a_step(result, wanted, OUT.scale)

    def test_relu_narrows_the_range(self) -> None:
        for function in (
            lambda a, b: OUT.round_trip(F.relu(a + b)),
            lambda a, b: OUT.round_trip(F.relu(OUT.round_trip(a + b))),
        ):
            program = edge_program(OnTwo(function), 4, 8)
            target = exir_ops.edge.et_vk.q8ta_binary.default
            [node] = rewrite(program).graph.find_nodes(op="call_function", target=target)
            assert node.args[-2:] == (-7, 127)

    def test_several_quantizes(self) -> None:
        def function(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y = a + b
            return OUT.round_trip(y), OTHER.round_trip(y), OUT.round_trip(y)

        found, result, wanted = rewritten(OnTwo(function), 40, 8)
        assert found.count(BINARY) == 2
        for actual, eager, grid in zip(result, wanted, (OUT, OTHER, OUT), strict=True):
            assert_within_a_step(actual, eager, grid.scale)

    def test_a_quantized_constant(self) -> None:
        constant = OTHER.quantize(torch.randn(8, generator=torch.Generator().manual_seed(0)))
        for function in (
            lambda x, c: OUT.round_trip(x + OTHER.dequantize(c)),
            lambda x, c: OUT.round_trip(OTHER.dequantize(c) * x),
        ):
            check(OnTwo(function, constant), 40, 8, ops=[BINARY])

    def test_a_constant_of_one_element_is_a_table(self) -> None:
        constant = OTHER.quantize(torch.ones(1, 1))
        module = OnTwo(lambda x, c: OUT.round_trip(x * OTHER.dequantize(c)), constant)
        check(module, 40, 8, ops=[TABLE])

    @pytest.mark.parametrize("keepdim", [False, True])
    @pytest.mark.parametrize("dim", [(0,), (-1,), (1, 2), (0, 1, 2), None])
    def test_mean(self, dim: Any, keepdim: bool) -> None:
        module = On(lambda x: OUT.round_trip(x.mean(dim, keepdim)))
        check(module, 30, 7, 4, ops=[MEAN])

    def test_a_mean_that_could_overflow_is_refused(self) -> None:
        module = On(lambda x: OUT.round_trip(x.mean()))
        check(module, 2048, 4112, ops=[MEAN])  # 8,421,376 elements
        [reason] = reasons(module, 2048, 4113)
        assert "it sums up to 8423424 elements" in reason and "8421504" in reason

    def test_mean_of_moves(self) -> None:
        module = On(lambda x: OUT.round_trip(F.relu(x.permute(0, 2, 1)[1:].mean(-1)).t()))
        check(module, 5, 6, 7, ops=[PERMUTE, SLICE, MEAN, PERMUTE])

    @pytest.mark.parametrize(
        ("function", "reason"),
        [
            (lambda a, b: OUT.round_trip(a + torch.softmax(b, -1)), "is not int8"),
            (lambda a, b: OUT.round_trip(a + torch.sin(b)), "is computed in float"),
            (lambda a, b: OUT.round_trip(torch.cat([a, b]) + a[:1]), "on several grids"),
            (lambda a, b: a + b, "is read in float by output"),
            (lambda a, b: (lambda y: (OUT.round_trip(y), y))(a + b), "is read in float"),
            (lambda a, b: OUT.round_trip(torch.sin(a + b)), "is read in float"),
            (lambda a, b: OUT.round_trip(F.silu(a + b)), "silu behind it is computed in float"),
            (lambda a, b: U8.round_trip(a + b), "output quantize dtype is torch.uint8"),
            (lambda a, b: OUT.round_trip(torch.add(a, b, alpha=0)), "alpha is 0"),
            (lambda a, b: OUT.round_trip(a.mean(0) + 0 * b.mean(0)), "is read in float"),
        ],
    )
    def test_refused(self, function: Any, reason: str) -> None:
        found = plan(OnTwo(function), 4, 8)
        assert any(reason in rejection.reason for rejection in found.rejections), found
        assert not any(step.anchor.target is exir_ops.edge.aten.add.Tensor for step in found.steps)

    def test_a_float_constant_is_refused(self) -> None:
        module = OnTwo(lambda x, c: OUT.round_trip(x + c), torch.randn(8))
        assert reasons(module, 4, 8) == [
            "its constant operand b_constant is float; quantize it as well"
        ]


class Residual(nn.Module):
    """act(linear(x)) rounded by `between`, added to x, then `after`."""

    def __init__(
        self,
        between: Callable[[torch.Tensor], torch.Tensor] = OTHER.round_trip,
        after: Callable[[torch.Tensor], Any] = OUT.round_trip,
        combine: Callable[..., torch.Tensor] = torch.add,
        n: int = 8,
    ) -> None:
        super().__init__()
        self.weight = QuantizedWeight(n, 8)
        self.bias = nn.Parameter(torch.linspace(-1, 1, n))
        self.between, self.after, self.combine = between, after, combine

    def forward(self, x: torch.Tensor) -> Any:
        x = IN.round_trip(x)
        y = F.linear(x, self.weight(), self.bias)
        return self.after(self.combine(self.between(y), x))


class TestResiduals:
    @pytest.mark.parametrize("shape", [(40, 8), (1, 8), (8,), (5, 6, 8)])
    @pytest.mark.parametrize(
        "between",
        [
            OTHER.round_trip,
            lambda y: y,
            lambda y: OTHER.round_trip(F.relu(y)),
            lambda y: OTHER.round_trip(F.silu(y)),
            lambda y: F.gelu(y),
            lambda y: F.relu6(y),
        ],
        ids=["rounded", "float", "relu_rounded", "silu_rounded", "gelu", "relu6"],
    )
    def test_folds(self, shape: tuple[int, ...], between: Any) -> None:
        check(Residual(between), *shape, ops=[RESIDUAL])

    def test_relu_behind(self) -> None:
        module = Residual(after=lambda y: OUT.round_trip(F.relu(y)))
        check(module, 40, 8, ops=[RESIDUAL])
        target = exir_ops.edge.et_vk.q8ta_linear.residual
        graph = rewrite(edge_program(module, 4, 8)).graph
        [node] = graph.find_nodes(op="call_function", target=target)
        assert node.args[14] is True and node.args[-2:] == (-7, 127)

    def test_either_order(self) -> None:
        check(Residual(combine=lambda y, x: x + y), 40, 8, ops=[RESIDUAL])

    def test_of_two_layers_the_later_takes_the_other(self) -> None:
        class Two(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.second = QuantizedWeight(8, 8), QuantizedWeight(8, 8, seed=1)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = IN.round_trip(x)
                y = OTHER.round_trip(F.linear(x, self.first()))
                z = Grid(0.2, 1).round_trip(F.linear(x, self.second()))
                return OUT.round_trip(y + z)

        check(Two(), 40, 8, ops=[LINEAR, RESIDUAL])

    def test_a_chain_of_blocks(self) -> None:
        class Blocks(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weights = nn.ModuleList(QuantizedWeight(8, 8, seed=seed) for seed in range(3))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = OUT.round_trip(x)
                for weight in self.weights:
                    x = OUT.round_trip(x + OTHER.round_trip(F.linear(x, weight())))
                return x

        found, result, wanted = rewritten(Blocks(), 40, 8)
        assert int8_ops(found) == [RESIDUAL] * 3
        # A step off in one block may be passed on by the next.
        assert float((result != wanted).float().mean()) <= 0.005

    @pytest.mark.parametrize(
        ("module", "shape"),
        [
            (Residual(combine=torch.mul), (4, 8)),
            (Residual(combine=torch.sub), (4, 8)),
            (Residual(combine=lambda y, x: torch.add(y, x, alpha=2)), (4, 8)),
            (Residual(combine=lambda y, x: y + x[:1]), (4, 8)),
            (Residual(combine=lambda y, x: y + x[:, :1]), (4, 8)),
            (Residual(combine=lambda y, x: y.t() + x), (8, 8)),
            (Residual(combine=lambda y, x: OUT.round_trip(y + x) * y), (4, 8)),
        ],
        ids=["mul", "sub", "alpha", "broadcast_rows", "broadcast_columns", "moved", "read_twice"],
    )
    def test_near_misses_stay_two_ops(self, module: nn.Module, shape: tuple[int, ...]) -> None:
        steps = {type(step.match).__name__ for step in plan(module, *shape).steps}
        assert "ResidualMatch" not in steps and "Int8OpMatch" in steps

    def test_two_grids_behind_stay_two_ops(self) -> None:
        module = Residual(after=lambda y: (OUT.round_trip(y), OTHER.round_trip(y)))
        steps = [type(step.match).__name__ for step in plan(module, 4, 8).steps]
        assert "ResidualMatch" not in steps
        check(module, 40, 8, ops=[LINEAR, BINARY, BINARY], step=OTHER.scale)


def test_names_of_the_rules_are_known() -> None:
    """A whole block: layer, activation, mean, broadcast and residual in one plan."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Layer(weight=QuantizedWeight(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layer(x)
            gate = OTHER.round_trip(torch.sigmoid(OTHER.round_trip(y.mean(1, True))))
            return OUT.round_trip(y * gate)

    check(Block(), 5, 6, 8, ops=[LINEAR, MEAN, TABLE, BINARY])
    assert names
