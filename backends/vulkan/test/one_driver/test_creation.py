"""full, zeros, ones and arange against NumPy, byte by byte, of sizes that come in, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Output, Sym, each_row, edges, force_row, run_chain, run_op

FULL = "aten.full.default"
ARANGE = "aten.arange.start_step"
NOTHING = [None] * 4  # dtype, layout, device, pin_memory
DTYPES = (np.float32, np.int32, np.int8, np.uint8, np.bool_)

Call = tuple[str, list[Any], np.ndarray]


def check(calls: list[Call]) -> None:
    """All calls in one program."""
    outputs = [Output(expected.dtype, expected.shape) for _, _, expected in calls]
    results, _ = run_chain(
        [(op, args, y) for (op, args, _), y in zip(calls, outputs, strict=True)], outputs
    )
    for (op, arguments, expected), y in zip(calls, results, strict=True):
        assert_same_bytes(y, expected, f"{op} of {arguments}")


def full(shape: tuple[int, ...], value: Any, dtype: Any) -> Call:
    return FULL, [list(shape), value, *NOTHING], np.full(shape, value).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fills(dtype: Any) -> None:
    calls = []
    for shape in ((), (1,), (3,), (4,), (2, 3, 5), (7, 1, 2, 9)):
        values = [0, 1, 3, True, 2.75]
        values += {np.float32: [-np.inf, np.nan, -0.5], np.int32: [-(1 << 31)]}.get(dtype, [])
        calls += [full(shape, value, dtype) for value in values]
        x = np.ones(shape, np.int8)
        like = [*NOTHING, None]
        calls += [
            ("aten.zeros.default", [list(shape), *NOTHING], np.zeros(shape, dtype)),
            ("aten.ones.default", [list(shape), *NOTHING], np.ones(shape, dtype)),
            ("aten.zeros_like.default", [x, *like], np.zeros(shape, dtype)),
            ("aten.ones_like.default", [x, *like], np.ones(shape, dtype)),
            ("aten.full_like.default", [x, 5, *like], np.full(shape, 5).astype(dtype)),
        ]
    check(calls)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_ranges(dtype: Any) -> None:
    ranges = [(0, 5, 1), (0, 0, 1), (3, 17, 4), (3, 19, 4), (10, -3, -3), (-5, 1000, 7), (2, 3, 99)]
    check(
        [
            (ARANGE, [*one, *NOTHING], np.arange(*one, dtype=dtype))
            for one in ranges
            if one != (0, 0, 1)
        ]
    )
    y = run_op(ARANGE, [0, 0, 1, *NOTHING], Output(dtype, (4,)))
    assert y.shape == (0,)


def test_sizes_that_come_in() -> None:
    y = run_op(FULL, [[2, Sym(3)], 4, *NOTHING], Output(np.int32, (2, 9)))
    assert_same_bytes(y, np.full((2, 3), 4, np.int32), "full")
    y = run_op(ARANGE, [0, Sym(5), 1, *NOTHING], Output(np.int32, (9,)))
    assert_same_bytes(y, np.arange(5, dtype=np.int32), "arange")


@each_row("progression")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for size in edges(row.tile_n):
        check(
            [
                full((size,), 7, np.int8),
                full((size,), 7, np.float32),
                (ARANGE, [1, size + 1, 1, *NOTHING], np.arange(1, size + 1, dtype=np.float32)),
            ]
        )


def test_wrong_arguments() -> None:
    y = Output(np.int32, (4,))
    for op, arguments, message in (
        (FULL, [[4], np.inf, *NOTHING], "fill_value is inf, and with integers"),
        (FULL, [[-4], 1, *NOTHING], r"shape \[-4\]"),
        (FULL, [[4], None, *NOTHING], r"\(fill_value\) must be a number"),
        (ARANGE, [0, 4, 0, *NOTHING], "no steps of 0 lead from 0 to 4"),
        (ARANGE, [0, -4, 1, *NOTHING], "no steps of 1 lead from 0 to -4"),
        (ARANGE, [0, 1 << 40, 1, *NOTHING], "1099511627776 is beyond 32 bits"),
        (ARANGE, [0, 5, 1, *NOTHING], "over its bound|would have shape"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(op, arguments, y)
    with pytest.raises(OpError, match="expected float32 or int32, got bool"):
        run_op(ARANGE, [0, 4, 1, *NOTHING], Output(np.bool_, (4,)))
