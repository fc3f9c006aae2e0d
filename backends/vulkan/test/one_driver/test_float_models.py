"""Models of float32 ops: whole on Vulkan, and within 1e-5 of the largest magnitude of each row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from every_other import every_other
from executorch_vulkan.program import read_delegates
from executorch_vulkan.runtime.graph.ops.glsl.elementwise import (
    BINARY,
    FLOAT32,
    REDUCTIONS,
    UNARY,
    Binary,
    Reduction,
    Unary,
)
from on_cpu import on_cpu
from programs import run
from quantized_graphs import Grid
from whole_models import (
    RELATIVE,
    Between,
    Function,
    check,
    check_close,
    drawn,
    lowered,
    pte_of,
    whole,
)

# Arguments of ops that must be given some.
PARAMETERS: dict[str, tuple[Any, ...]] = {
    "threshold.default": (0.1, 20.0),
    "clamp.default": (-0.5, 1.5),
}
KEYWORDS: dict[str, dict[str, Any]] = {"round.decimals": {"decimals": 2}}
SHAPES = ((), (5,), (3, 7), (2, 1, 5), (2, 1, 3, 5), (1, 2, 3, 1, 5), (2, 1, 2, 3, 1, 3))


def op_of(row: Unary | Binary | Reduction) -> Any:
    packet, _, overload = row.aten.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


@cache
def unary_rows() -> dict[tuple[float, float], list[Unary]]:
    """By domain: those of float32."""
    found = defaultdict(list)
    for row in UNARY:
        if FLOAT32 in row.operands:
            found[row.domain].append(row)
    return found


def call(row: Unary | Binary, *arguments: Any) -> torch.Tensor:
    given = (*arguments, *PARAMETERS.get(row.aten, ()))
    return op_of(row)(*given, **dict(row.keywords), **KEYWORDS.get(row.aten, {}))


def unary_model() -> tuple[nn.Module, list[str]]:
    """A model of an input for each domain that gives the result of each row."""
    groups = unary_rows()

    def function(*inputs: torch.Tensor) -> list[torch.Tensor]:
        pairs = zip(inputs, groups.values(), strict=True)
        return [call(row, x) for x, rows in pairs for row in rows]

    return Function(function), [row.aten for rows in groups.values() for row in rows]


# Functions are lowered and computed the same at any rank. The default run has the least, the most
# and one of four dimensions; --all has all.
def each_rank(shapes: Sequence[tuple[int, ...]], names: str = "shape") -> pytest.MarkDecorator:
    few = (shapes[0], shapes[len(shapes) // 2], shapes[-1])
    params = [
        pytest.param(
            *(shape if "," in names else (shape,)),
            id=str(shape),
            marks=[] if shape in few else [pytest.mark.all],
        )
        for shape in shapes
    ]
    return pytest.mark.parametrize(names, params)


@each_rank(SHAPES)
def test_every_function_of_one_tensor(shape: tuple[int, ...]) -> None:
    module, names = unary_model()
    inputs = [drawn(shape, *domain) for domain in unary_rows()]
    check(module, inputs, names=names)


def test_functions_of_special_values() -> None:
    module, names = unary_model()
    values = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 2.5]
    check(module, [torch.tensor(values)] * len(unary_rows()), names=names)


PAIRS = (
    ((), ()),
    ((3, 7), ()),
    ((7,), (2, 1, 7)),
    ((2, 3, 5), (3, 1)),
    ((4, 1, 3), (1, 5, 1)),
    ((2, 1, 2, 1, 3), (1, 4, 1, 2, 3)),
    ((2, 1, 2, 3, 1, 3), (2, 2, 1, 3, 2, 1)),
)


def binary_rows(scalar: str) -> list[Binary]:
    return [row for row in BINARY if row.scalar == scalar and FLOAT32 in row.operands]


@each_rank(PAIRS, "left, right")
def test_every_function_of_two_tensors(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rows = binary_rows("")

    def function(a: torch.Tensor, b: torch.Tensor) -> list[torch.Tensor]:
        return [
            op_of(row)(a, b, **dict(row.keywords), **({"alpha": 2.5} if row.alpha else {}))
            for row in rows
        ]

    # Of one sign, so that powers are numbers, and never whole multiples of each other.
    inputs = [drawn(left, 0.3, 3.0), drawn(right, 0.3, 3.0, seed=1)]
    check(Function(function), inputs, names=[row.aten for row in rows])


def test_functions_of_special_pairs() -> None:
    rows = [row for row in binary_rows("") if row.aten.split(".")[0] not in ("pow", "atan2")]

    def function(a: torch.Tensor, b: torch.Tensor) -> list[torch.Tensor]:
        return [call(row, a, b) for row in rows]

    values = torch.tensor([math.nan, math.inf, -math.inf, 0.0, 1.0, -1.5, 3.0])
    check(
        Function(function),
        [values.reshape(-1, 1).clone(), values],
        names=[row.aten for row in rows],
    )


@pytest.mark.parametrize("number", [2, 0.75, -3], ids=str)
def test_every_function_of_a_tensor_and_a_number(number: Any) -> None:
    rows = [*binary_rows("b"), *binary_rows("a")]

    def function(x: torch.Tensor) -> list[torch.Tensor]:
        pairs = {"a": (abs(number), x), "b": (x, number)}
        return [call(row, *pairs[row.scalar]) for row in rows]

    check(Function(function), [drawn((3, 7), 0.3, 3.0)], names=[row.aten for row in rows])


def test_numbers_on_either_side() -> None:
    def function(x: torch.Tensor) -> list[torch.Tensor]:
        return [x + 1, 1 - x, 2 / x, x / 3, x // 2, 2**x, x % 1.5, x > 1, x <= 1, x * 0.1 - 7]

    for shape in ((), (4, 5)):
        check(Function(function), [drawn(shape, 0.3, 3.0)])


@every_other("shape, keepdim", SHAPES[1:], [False, True])
def test_every_reduction(shape: tuple[int, ...], keepdim: bool) -> None:
    rank = len(shape)
    several = ([], [0], [-1], list(range(rank)), list(range(0, rank, 2)))
    calls: list[tuple[Reduction, tuple[Any, ...]]] = []
    for row in REDUCTIONS:
        if row.aten.endswith(".dim_int"):
            calls += [(row, (dim, keepdim)) for dim in (0, -1)]
        elif "dim" in row.arguments:
            calls += [(row, (dims, keepdim)) for dims in several]
        elif not keepdim:
            calls.append((row, ()))

    def function(x: torch.Tensor) -> list[torch.Tensor]:
        return [op_of(row)(x, *arguments) for row, arguments in calls]

    check(Function(function), [drawn(shape)], names=[row.aten for row, _ in calls])


def test_where_masks_and_logic() -> None:
    def function(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        inside = (x > -1) & (y <= 2) | ~mask
        return [
            torch.where(inside, x, y),
            torch.where(mask, x, -1e9),
            x.masked_fill(inside ^ mask, 3.0),
            inside.unsqueeze(0).transpose(0, 1),
            torch.logical_not(x),
        ]

    mask = torch.tensor([[True, False, True]])
    check(Function(function), [drawn((4, 3)), drawn((4, 1), seed=1), mask])


def test_constants_of_any_dtype() -> None:
    def function(x: torch.Tensor, *constants: torch.Tensor) -> list[torch.Tensor]:
        row, column, integers, double, mask = constants
        return [
            x + row,
            torch.maximum(x, column.t()[:, :4]),
            torch.remainder(x, row.exp()),
            x * integers,
            x * double,
            (row + 1) * x,
            torch.ones(3, 4) - x,
            torch.arange(4) * x,
            torch.where(mask, x, row),
        ]

    constants = {
        "row": drawn((4,), 0.5, 2.0, seed=1),
        "column": drawn((6, 1), seed=2),
        "integers": torch.arange(-2, 2),
        "double": torch.tensor(0.1, dtype=torch.float64),
        "mask": torch.tensor([True, False, True, True]),
    }
    check(Function(function, **constants), [drawn((3, 4))])


def test_results_that_are_one_value() -> None:
    """Clones and dropouts are gone from the delegate, which gives as many results all the same."""

    def function(x: torch.Tensor) -> list[torch.Tensor]:
        y = torch.tanh(x)
        return [y, y.clone(), F.dropout(y, 0.5, False), y.exp()]

    check(Function(function), [drawn((3, 4))])


def test_a_constant_that_the_cpu_reads_too() -> None:
    def function(x: torch.Tensor, weight: torch.Tensor) -> list[torch.Tensor]:
        doubled = weight * 2
        return [x * doubled, on_cpu(x + doubled), doubled]

    module = Function(function, weight=drawn((4,), seed=1))
    x = drawn((3, 4))
    results = run(pte_of(lowered(module, [x])), [x])
    for actual, wanted in zip(results, module(x.double()), strict=True):
        check_close(actual, wanted.double())


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


def rotary(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cos.unsqueeze(1) + turned * sin.unsqueeze(1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.gelu(x.reshape(3, 1, 8)),
        lambda x: F.gelu(x.reshape(1, 3, 1, 8), approximate="tanh"),
        lambda x: torch.relu(x.reshape(3, 1, 1, 8)).reshape(-1),
        lambda x: x.t().reshape(2, -1).abs().reshape(8, 3).exp(),
        lambda x: rms_norm(x, x[0].abs()),
        lambda x: rotary(x.reshape(1, 3, 4, 2), *x[:2].reshape(2, 1, 4, 2)),
        lambda x: (x - x.amax(-1, keepdim=True)).exp() / x.exp().sum(-1, keepdim=True),
        lambda x: torch.cat([part.sigmoid() for part in x.chunk(2, -1)], 0),
        lambda x: torch.logsumexp(x, 1) + F.softplus(x).mean(1) * F.logsigmoid(x).sum(1),
        lambda x: torch.stack([F.selu(x), F.celu(x), F.mish(x), F.hardshrink(x)]),
    ],
    ids=["gelu", "gelu_tanh", "relu", "views", "rms", "rotary", "softmax", "chunk", "lse", "stack"],
)
def test_chains(function: Callable[..., Any]) -> None:
    check(Function(function), [drawn((3, 8))])


def test_dynamic_sizes() -> None:
    def function(x: torch.Tensor, row: torch.Tensor) -> list[torch.Tensor]:
        lifted = x.unsqueeze(1)
        return [
            F.gelu(lifted, approximate="tanh"),
            torch.relu(lifted) + row,
            rms_norm(x, row),
            x.sum(0),
            x.amax(1) - x.mean(),
            (x > row).unsqueeze(0),
            torch.where(x > 0, x, row).reshape(-1),
        ]

    rows, columns = Dim("rows", min=1, max=33), Dim("columns", min=1, max=70)
    shapes = ((3, 8), (33, 70), (1, 1), (17, 5), (2, 64))
    sets = [[drawn((m, n)), drawn((n,), seed=1)] for m, n in shapes]
    check(Function(function), *sets, dynamic_shapes=(({0: rows, 1: columns}, {0: columns}),))


IN, MIDDLE, OUT = Grid(0.0517), Grid(0.031, 11), Grid(0.0973, -7)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / (1 + x.abs().sum(-1, keepdim=True)),
        lambda x: (x - x.amax(-1, keepdim=True)).exp(),
        lambda x: rms_norm(x, x.mean(0)),
        lambda x: torch.where(x > x.mean(), x, -x).reshape(2, -1, 8).transpose(0, 1),
    ],
    ids=["div", "exp", "rms", "where"],
)
def test_between_int8_layers(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    module, x = Between(function), drawn((6, 8))
    program = whole(lowered(module, [x]))
    [delegate] = read_delegates(program)
    assert sum("linear" in name for name in delegate.op_names) == 2
    [actual] = run(pte_of(program), [x])
    wanted = module(x)
    # A rounding that falls to the other side moves one int8 value by a step.
    differs = (actual - wanted).abs() > RELATIVE * wanted.abs().max()
    assert float(differs.float().mean()) <= 0.01
