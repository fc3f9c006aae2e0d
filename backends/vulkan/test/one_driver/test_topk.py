"""The places of the largest and smallest elements against PyTorch's stable sort, exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, force_row, run_chain, run_op

OP = "et_vk.topk_places.default"

Call = tuple[list[Any], np.ndarray]


def call(x: np.ndarray, k: int, dim: int, largest: bool) -> Call:
    order = torch.sort(torch.from_numpy(x), dim=dim, descending=largest, stable=True).indices
    wanted = order.narrow(dim, 0, k).numpy().astype(np.int32)
    return [x, k, dim, largest], np.ascontiguousarray(wanted)


def check(calls: list[Call]) -> None:
    """All in one program."""
    outputs = [Output(np.int32, wanted.shape) for _, wanted in calls]
    rows = [(OP, arguments, y) for (arguments, _), y in zip(calls, outputs, strict=True)]
    for (arguments, wanted), y in zip(calls, run_chain(rows, outputs)[0], strict=True):
        assert_same_bytes(y, wanted, f"{arguments[0].shape}, {arguments[1:]}")


def numbers(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    """With many that are equal."""
    return np.random.default_rng(seed).integers(-20, 20, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("largest", [True, False])
def test_every_dimension(largest: bool, dtype: Any) -> None:
    calls = []
    for shape in ((1,), (7,), (3, 5), (2, 3, 70), (70, 2, 3), (2, 300, 3), (1, 2, 3, 1, 2, 3)):
        x = numbers(shape, dtype)
        for dim, size in enumerate(shape):
            calls += [call(x, k, dim, largest) for k in {1, (size + 1) // 2, size}]
    check(calls)


@pytest.mark.parametrize("largest", [True, False])
def test_special_values(largest: bool) -> None:
    nan, inf = np.nan, np.inf
    rows = (
        [0.0, -0.0, 0.0],
        [1.0, nan, 2.0, nan],
        [inf, -inf, nan, -inf, inf],
        [nan],
        [3e38, -1e-30],
    )
    check([call(np.array(row, np.float32), len(row), 0, largest) for row in rows])
    limits = np.array([5, -(1 << 31), (1 << 31) - 1, -1], np.int32)
    check([call(limits, 4, 0, largest)])


@each_row("arg_extreme")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    size = row.workgroup_size
    lengths = (1, 2, size - 1, size, size + 1, 3 * size + 5)
    check([call(numbers((3, n), np.float32, n), min(n, 40), 1, n % 2 == 0) for n in lengths])


def test_more_places_than_one_dispatch_finds() -> None:
    """All of them are the elements of one thread."""
    x = np.zeros((2, 20000), np.float32)
    x[:, ::32] = np.random.default_rng(0).random((2, 625), np.float32) + 1
    check([call(x, 600, 1, True)])


def test_smaller_than_planned_and_errors() -> None:
    x = numbers((3, 9), np.float32)
    arguments, wanted = call(x, 4, 1, True)
    y = run_op(OP, [Dynamic(x, (7, 20)), *arguments[1:]], Output(np.int32, (7, 4)))
    assert_same_bytes(y, wanted, "dynamic")
    y_out = Output(np.int32, (3, 4))
    for given, message in (
        ([x, 4, 2, True], "dim 2 is outside a tensor of rank 2"),
        ([x > 0, 4, 1, True], "got bool to int32"),
        ([x, 0, 1, True], "k must be at least 1, got 0"),
        ([x[:, :3].copy(), 4, 1, True], "too few places in a dimension of size 3"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(OP, given, y_out)
