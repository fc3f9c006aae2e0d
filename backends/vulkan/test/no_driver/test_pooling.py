"""Poolings in int8 and in float: what each becomes, that it is right, and why some stay outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_float_refusals import reasons
from test_int8_steps import IN, OUT, On, check, plan

MAX, AVG, ADAPTIVE_MAX, ADAPTIVE_AVG = (
    f"et_vk.q8ta_{name}_pool2d.default" for name in ("max", "avg", "adaptive_max", "adaptive_avg")
)
TO_2D, FROM_2D = "aten.unsqueeze_copy.default", "aten.squeeze_copy.dims"


@pytest.mark.parametrize(
    ("pool", "shape", "ops"),
    [
        (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 3, 9, 8), [MAX]),
        (lambda x: F.max_pool2d(x, 2, 3, 1, 2, True), (3, 9, 8), [MAX]),
        (lambda x: F.max_pool1d(x, 3, 2, 1), (2, 3, 9), [TO_2D, MAX, FROM_2D]),
        (lambda x: F.relu(F.avg_pool2d(x, (3, 2), 1, 1, True, False)), (2, 3, 9, 8), [AVG]),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=3), (2, 3, 9, 8), [AVG]),
        (lambda x: F.adaptive_avg_pool2d(x.transpose(2, 3), (4, 3)), (2, 3, 9, 8),
         ["aten.permute_copy.default", ADAPTIVE_AVG]),
        (lambda x: F.adaptive_avg_pool1d(x, 4), (2, 3, 9), [TO_2D, ADAPTIVE_AVG, FROM_2D]),
    ],
)  # fmt: skip
def test_int8(pool: Callable[..., Any], shape: tuple[int, ...], ops: list[str]) -> None:
    check(On(lambda x: OUT.round_trip(pool(x))), *shape, ops=ops)


def test_one_op_for_each_grid() -> None:
    def two(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = F.max_pool2d(x, 2)
        return IN.round_trip(y), OUT.round_trip(y)

    check(On(two), 2, 3, 8, 8, ops=[MAX, MAX])


def test_read_in_float_is_none() -> None:
    found = plan(On(lambda x: F.max_pool2d(x, 2)), 2, 3, 8, 8)
    assert [one.reason for one in found.rejections] == [
        "its result is read in float by output; quantize it"
    ]


INDICES = "the indices are not on Vulkan"


@pytest.mark.parametrize(
    ("function", "op", "problem"),
    [
        (lambda x: F.max_pool2d(x, 2, return_indices=True), "max_pool2d_with_indices", INDICES),
        (lambda x: F.avg_pool2d(x, 100), "avg_pool2d", "up to 100 x 100 elements; the limit is"),
        (lambda x: F.avg_pool2d(x.double(), 2), "avg_pool2d", "it computes in torch.float64"),
        (lambda x: F.max_pool2d(x.long(), 2).float(), "max_pool2d_with_indices", "is int64"),
        (
            lambda x: F.max_pool3d(x, 2, return_indices=True),
            *("max_pool3d_with_indices", "has no kernel here"),
        ),
    ],
)
def test_refusals(function: Callable[..., Any], op: str, problem: str) -> None:
    x = torch.zeros(1, 2, 104, 104) if "100" in problem else torch.zeros(1, 2, 6, 6)
    found = reasons(function, x, f"{op}.default")
    assert len(found) == 1 and problem in found[0]


def test_results_of_a_pool_that_the_user_keeps_off_stay_with_it() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(F.max_pool2d(torch.exp(x), 2))

    blocked = {"operator_blocklist": [torch.ops.aten.max_pool2d_with_indices.default]}
    found = reasons(function, torch.zeros(1, 2, 8, 8), "max_pool2d_with_indices.default", **blocked)
    assert found == ["aten.max_pool2d_with_indices.default is in operator_blocklist"]
