"""Pads, indices and reversals between int8 tensors: in int8, and as eager mode has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_float_refusals import reasons
from test_int8_steps import CAT, IN, OTHER, OUT, TABLE, On, OnTwo, check, int8_ops

from rewriting import rewritten

PAD, FLIP, REPEAT = (f"aten.{name}.default" for name in ("constant_pad_nd", "flip", "repeat"))
INDEX, SELECT = "aten.index.Tensor", "aten.index_select.default"
PERMUTE, VIEW = "aten.permute_copy.default", "aten.view_copy.default"
SHAPE = (2, 3, 6, 5)


def on_one_grid(function: Callable[..., Any]) -> On:
    return On(lambda x: IN.round_trip(function(x)))


def check_exact(module: Any, ops: list[str]) -> None:
    found, result, wanted = rewritten(module, *SHAPE)
    assert int8_ops(found) == ops
    assert torch.equal(result, wanted)


@pytest.mark.parametrize(
    ("function", "ops"),
    [
        (lambda x: F.pad(x, (1, 2, -1, 3)), [PAD]),
        (lambda x: F.pad(x, (1, 2), value=10 * IN.scale), [PAD]),
        (lambda x: F.pad(x, (2, 1, 1, 3), mode="reflect"), [INDEX, INDEX]),
        (lambda x: F.pad(x, (2, 1, 0, 0), mode="replicate"), [INDEX, INDEX]),
        (lambda x: x.flip(1, 2), [FLIP]),
        (lambda x: x.roll(2, 3), [SELECT]),
        (lambda x: x.repeat(1, 2, 1, 1), [REPEAT]),
        (lambda x: x[:, [2, 0]], [INDEX]),
        (lambda x: x.index_select(1, torch.tensor([2, 0])), [SELECT]),
    ],
)  # fmt: skip
def test_moves_alone(function: Any, ops: list[str]) -> None:
    check_exact(on_one_grid(function), ops)


def test_several_indices_become_one() -> None:
    module = on_one_grid(lambda x: x[:, [2, 0, 1], :, [4, 0, 1]])
    check_exact(module, [PERMUTE, VIEW, INDEX])


@pytest.mark.parametrize("value", [0.7, -0.3, 1e9, -float("inf")])
def test_a_pad_of_another_number_is_quantized_behind_it(value: float) -> None:
    check(
        On(lambda x: OUT.round_trip(F.pad(x, (1, 2, 1, 0), value=value))), *SHAPE, ops=[TABLE, PAD]
    )
    module = On(lambda x: OUT.round_trip(F.relu(F.pad(torch.tanh(x), (1, 1), value=value))))
    check(module, *SHAPE, ops=[TABLE, PAD])


def test_functions_and_pads_commute() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return OUT.round_trip(torch.relu(F.pad(torch.relu(x + 1), (1, 1, 2, 0))))

    check(On(function), *SHAPE, ops=[PAD, TABLE])


def test_pads_of_several_grids() -> None:
    def function(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return OUT.round_trip(torch.cat([F.pad(x, (1, 1)), F.pad(y, (0, 2))], 1))

    check(OnTwo(function), *SHAPE, ops=[PAD, TABLE, PAD, TABLE, CAT])


def test_several_quantizes() -> None:
    def function(x: torch.Tensor) -> Any:
        y = F.pad(x, (1, 1), value=0.7)
        return OUT.round_trip(y), OTHER.round_trip(y)

    check(On(function), *SHAPE, ops=[TABLE, PAD, TABLE, PAD], step=OTHER.scale)


def test_nan_stays_in_float() -> None:
    found, _, _ = rewritten(On(lambda x: F.pad(x, (1, 1), value=float("nan"))), *SHAPE)
    assert int8_ops(found) == [PAD]


@pytest.mark.parametrize(
    ("function", "op", "problem"),
    [
        (lambda x: x[x > 0], "index.Tensor", "is bool; index by int32 or int64"),
        (lambda x: x[(None,) * 5].index_add(5, torch.tensor([0, 0]), x[(None,) * 5]),
         "index_put.default", "it adds up in 7 dimensions, and 6 at most are summed here"),
        (lambda x: x.repeat(4096, 1).index_add(0, torch.arange(65536) % 9, x.repeat(32768, 1)),
         "index_put.default", "would look at 1.61e+09 places of the index in all"),
        (lambda x: x.masked_scatter(x > 0, x), "masked_scatter.default", "has no kernel here"),
        (lambda x: F.pad(x[None, None, None, :, None, None, :, None], [1] * 16),
         "constant_pad_nd.default", "it pads 8 dimensions apart, more than 6; pad in two steps"),
        (lambda x: F.pad(x.long(), (1, 1), value=2**40),
         "constant_pad_nd.default", "value is 1099511627776"),
        (lambda x: x[:, None, None].repeat(2, 2, 2, 2).repeat(2, 2, 2, 2, 2, 2),
         "repeat.default", "its repeats take 10 nested loops, and 8 run here"),
    ],
)  # fmt: skip
def test_refusals(function: Any, op: str, problem: str) -> None:
    found = reasons(function, torch.rand(2, 3), op)
    assert any(problem in reason for reason in found), found
