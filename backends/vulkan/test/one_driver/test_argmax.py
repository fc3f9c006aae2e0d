"""argmax and argmin against PyTorch, exact: the first of equal elements, NaN before all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, force_row, run_chain, run_op

OPS = {"aten.argmax.default": torch.argmax, "aten.argmin.default": torch.argmin}
INF, NAN = np.inf, np.nan

Call = tuple[str, list[Any], np.ndarray]


def call(op: str, x: np.ndarray, dim: int | None, keepdim: bool = False) -> Call:
    wanted = OPS[op](torch.from_numpy(np.ascontiguousarray(x)).reshape(x.shape), dim, keepdim)
    return op, [x, dim, keepdim], wanted.numpy().astype(np.int32)


def check(calls: list[Call]) -> None:
    """All calls in one program."""
    outputs = [Output(np.int32, expected.shape) for _, _, expected in calls]
    results, _ = run_chain(
        [(op, args, y) for (op, args, _), y in zip(calls, outputs, strict=True)], outputs
    )
    for (op, arguments, expected), y in zip(calls, results, strict=True):
        assert_same_bytes(y, expected, f"{op} of {arguments[0].shape} over {arguments[1]}")


def numbers(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    """With many that are equal."""
    return np.random.default_rng(seed).integers(-20, 20, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("op", OPS)
def test_args(op: str, dtype: Any) -> None:
    calls = []
    for shape in ((1,), (7,), (3, 5), (2, 3, 70), (70, 2, 3), (2, 300, 3), (1, 2, 3, 1, 2, 3)):
        x = numbers(shape, dtype)
        for dim in range(len(shape)):
            calls += [call(op, x, dim), call(op, x, dim - len(shape), True)]
        calls.append(call(op, x, None))
    calls += [call(op, numbers((), dtype), dim) for dim in (None, 0, -1)]
    check(calls)


@pytest.mark.parametrize("op", OPS)
def test_special_values(op: str) -> None:
    rows = [
        [0.0, -0.0, 0.0],
        [-0.0, 0.0, -1e-20],
        [1.0, NAN, 2.0, NAN],
        [INF, -INF, INF, -INF],
        [-INF, -INF],
        [NAN],
        [3e38, -3e38, 1e-30, -1e-30],
    ]
    check([call(op, np.array(row, np.float32), 0) for row in rows])
    limits = np.array([5, -(1 << 31), (1 << 31) - 1, -1], np.int32)
    check([call(op, limits, 0)])


@each_row("arg_extreme")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    size = row.workgroup_size
    lengths = (1, 2, size - 1, size, size + 1, 3 * size + 5)
    check([call(op, numbers((3, n), np.float32, n), 1) for op in OPS for n in lengths])


def test_smaller_than_planned_and_errors() -> None:
    x = numbers((3, 9), np.float32)
    op = "aten.argmax.default"
    y = run_op(op, [Dynamic(x, (7, 20)), 1, False], Output(np.int32, (7,)))
    assert_same_bytes(y, x.argmax(1).astype(np.int32), "dynamic")
    for arguments, output, message in (
        ([x, 2, False], Output(np.int32, (3,)), "dim 2 is outside a tensor of rank 2"),
        ([x > 0, 1, False], Output(np.int32, (3,)), "got bool to int32"),
        ([x, 1, False], Output(np.float32, (3,)), "got float32 to float32"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(op, arguments, output)
    with pytest.raises(OpError, match="there is no place in a dimension of size 0"):
        run_op(op, [np.zeros((3, 0), np.float32), 1, False], Output(np.int32, (3,)))
