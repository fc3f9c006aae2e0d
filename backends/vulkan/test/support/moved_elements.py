"""Calls of ops that move elements, all in one program, compared byte by byte with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from linear_fixture import assert_same_bytes
from op_fixture import Output, run_chain

DTYPES = (np.float32, np.int32, np.int8, np.uint8, np.bool_)

# Op, arguments, expected result.
Call = tuple[str, list[Any], np.ndarray]


def numbers(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(dtype)


def check(*calls: Call) -> None:
    """All calls in one program."""
    outputs = [Output(expected.dtype, expected.shape) for _, _, expected in calls]
    results, _ = run_chain(
        [(op, args, y) for (op, args, _), y in zip(calls, outputs, strict=True)], outputs
    )
    for (op, args, expected), actual in zip(calls, results, strict=True):
        text = f"{op} {args[1:]}"
        assert_same_bytes(actual, np.ascontiguousarray(expected).reshape(expected.shape), text)
