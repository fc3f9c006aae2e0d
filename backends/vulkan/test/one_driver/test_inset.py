"""constant_pad_nd, slice_scatter, copy, flip and repeat against NumPy, byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linear_fixture import OpError, assert_same_bytes
from moved_elements import DTYPES, Call, check, numbers
from op_fixture import Dynamic, Output, Sym, each_row, edges, force_row, run_chain, run_op

PAD, SCATTER = "aten.constant_pad_nd.default", "aten.slice_scatter.default"
COPY, FLIP, REPEAT = "aten.copy.default", "aten.flip.default", "aten.repeat.default"
TO_LAST, FROM_LAST = "test.to_channels_last", "test.from_channels_last"


def padded(x: np.ndarray, pads: list[int], value: float) -> np.ndarray:
    """As PyTorch numbers pads: the last dimension first."""
    given = list(zip(pads[::2], pads[1::2], strict=True))
    pairs = [(0, 0)] * (x.ndim - len(given)) + given[::-1]
    widths = np.array([(max(a, 0), max(b, 0)) for a, b in pairs], np.int64).reshape(-1, 2)
    widened = np.pad(x, widths, constant_values=x.dtype.type(value)) if pairs else x
    kept = (
        slice(max(-a, 0), size - max(-b, 0))
        for (a, b), size in zip(pairs, widened.shape, strict=True)
    )
    return widened[tuple(kept)]


def pad(x: np.ndarray, pads: list[int], value: float) -> Call:
    return PAD, [x, pads, value], padded(x, pads, value)


def slice_scatter(x: np.ndarray, dim: int, start: Any, end: Any, step: int) -> Call:
    y = x.copy()
    at = (slice(None),) * (dim % x.ndim) + (slice(start, end, step),)
    src = numbers(y[at].shape, x.dtype, 5)
    y[at] = src
    return SCATTER, [x, src, dim, start, end, step], y


@pytest.mark.parametrize("dtype", DTYPES)
def test_ops(dtype: Any) -> None:
    x = numbers((2, 3, 5, 7), dtype)
    value = 1 if dtype in (np.bool_, np.uint8) else -3
    calls = [
        *(
            pad(x, pads, value)
            for pads in (
                *([1, 2], [0, 0, 1, 2], [1, 2, -1, 3], [-2, -3, -1, -1, 0, 0, 1, 0]),
                *([0, 0, 0, 0, 2, 1], [], [4, -7], [1, 1, 1, 1, 1, 1, 1, 1]),
            )
        ),
        pad(x[0, 0, 0], [3, 1], value),
        pad(x[0, 0, 0], [-3, 1], value),
        pad(numbers((), dtype), [], value),
        pad(numbers((2, 1, 2, 1, 2, 3), dtype), [1, 0] * 6, value),
        pad(numbers((2, 1, 2, 1, 2, 1, 3, 2), dtype), [0, 0, 1, 2, 0, 0, 1, 0], value),
        slice_scatter(x, 0, 1, 2, 1),
        slice_scatter(x, 1, None, None, 1),
        slice_scatter(x, 2, -4, 100, 2),
        slice_scatter(x, -1, 2, 7, 3),
        (COPY, [x, x[0, 0], False], np.broadcast_to(x[0, 0], x.shape)),
        (COPY, [x, x[:, :1, :, :1].copy(), None], np.broadcast_to(x[:, :1, :, :1], x.shape)),
        *((FLIP, [x, list(dims)], np.flip(x, dims)) for dims in ((), (0,), (3,), (1, -1), (2, 3))),
        (FLIP, [x, [0, 1, 2, 3]], np.flip(x)),
        (REPEAT, [x, [1, 1, 1, 2]], np.tile(x, (1, 1, 1, 2))),
        (REPEAT, [x, [2, 1, 3, 1]], np.tile(x, (2, 1, 3, 1))),
        (REPEAT, [x[0, 0, 0], [2, 3, 4]], np.tile(x[0, 0, 0], (2, 3, 4))),
        (REPEAT, [numbers((), dtype), [3]], np.tile(numbers((), dtype), 3)),
    ]
    check(*calls)


def test_values_of_float32() -> None:
    x = np.array([[np.nan, np.inf], [-np.inf, -0.0]], np.float32)
    check(*(pad(x, [1, 0, 0, 1], value) for value in (1.1, np.inf, -np.inf, np.nan, -0.0)))


@each_row("inset_bytes", "inset_words", "inset_groups")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    unit = row.op.name.split("_")[-1]
    dtype, columns = {"bytes": (np.int8, 3), "words": (np.float32, 3), "groups": (np.float32, 8)}[
        unit
    ]
    for count in edges(row.tile_n // columns + 1):
        x = numbers((count, columns), dtype)
        check(pad(x, [0, 0, 1, 2], 7), slice_scatter(x, 0, count // 2, count, 2))


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
@pytest.mark.parametrize("channels", [3, 8, 32])
def test_channels_last(dtype: Any, channels: int) -> None:
    x = numbers((2, channels, 4, 5), dtype)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    for op, args, wanted in (
        (PAD, [[1, 2, 0, -1], 3], padded(x, [1, 2, 0, -1], 3)),
        (PAD, [[0, 0, 1, 1, 4, 0], 3], padded(x, [0, 0, 1, 1, 4, 0], 3)),
        (FLIP, [[3, 1]], np.flip(x, (3, 1))),
        (REPEAT, [[1, 2, 1, 3]], np.tile(x, (1, 2, 1, 3))),
        ("aten.index_select.default", [2, np.array([3, 0, 0], np.int32)], x[:, :, [3, 0, 0]]),
        ("aten.index.Tensor", [[None, np.array([1, -1], np.int32)]], x[:, [1, -1]]),
    ):
        between = Output(dtype, x.shape)
        given, y = Output(dtype, wanted.shape), Output(dtype, np.moveaxis(wanted, 1, -1).shape)
        [actual], _ = run_chain(
            [(TO_LAST, [last], between), (op, [between, *args], given), (FROM_LAST, [given], y)],
            [y],
        )
        assert_same_bytes(actual, np.ascontiguousarray(np.moveaxis(wanted, 1, -1)), op)


def test_sizes_below_the_bounds_and_none() -> None:
    x = numbers((3, 4), np.int8)
    y = run_op(PAD, [Dynamic(x, (5, 9)), [1, 2], 4], Output(np.int8, (5, 12)))
    assert_same_bytes(y, padded(x, [1, 2], 4), "dynamic")
    y = run_op(PAD, [Dynamic(x[:0], (5, 4)), [0, 0, 1, 2], 4], Output(np.int8, (8, 4)))
    assert_same_bytes(y, np.full((3, 4), 4, np.int8), "an empty x")
    y = run_op(PAD, [x, [Sym(2), -1], 4], Output(np.int8, (3, 9)))
    assert_same_bytes(y, padded(x, [2, -1], 4), "symbolic")
    for op, args in ((FLIP, [[0]]), (REPEAT, [[2, 1]])):
        y = run_op(op, [Dynamic(x[:0], (5, 4)), *args], Output(np.int8, (10, 4)))
        assert y.shape == (0, 4)


def test_wrong_arguments() -> None:
    x = numbers((3, 4), np.float32)
    y = Output(np.float32, (6, 8))
    for op, arguments, message in [
        (PAD, [x, [1, 2, 3], 0.0], "3 numbers for a tensor of shape"),
        (PAD, [x, [1] * 6, 0.0], "6 numbers for a tensor of shape"),
        (PAD, [x, [-3, -2], 0.0], "dim 1 of size 4 is padded by -3 and -2"),
        (PAD, [x.astype(np.int32), [1, 1], 0.0], "got int32 to float32"),
        (SCATTER, [x, x, 0, 1, 3, 1], r"src must have shape \[2, 4\], got \[3, 4\]"),
        (SCATTER, [x, x, 0, 0, 3, 0], "step 0 must be positive"),
        (SCATTER, [x, x, 2, 0, 3, 1], "dim 2 is outside a tensor of rank 2"),
        (COPY, [x, x[:2], False], "size 2 of dim 0 cannot become 3"),
        (FLIP, [x, [0, -2]], "dim -2 is listed twice"),
        (FLIP, [x, [2]], "dim 2 is outside a tensor of rank 2"),
        (REPEAT, [x, [2]], r"\[3, 4\] cannot be repeated \[2\] times"),
        (REPEAT, [x, [2, -1]], "cannot be repeated"),
        (REPEAT, [x, [2**62, 2**62]], "cannot be repeated"),
    ]:
        with pytest.raises(OpError, match=message):
            run_op(op, arguments, y)
    eight = numbers((1, 2, 2, 2, 2, 2, 2, 2), np.int8)
    with pytest.raises(OpError, match="8 dimensions that cannot be merged, the limit is 6"):
        run_op(PAD, [eight, [1] * 16, 0], Output(np.int8, (3, *[4] * 7)))
