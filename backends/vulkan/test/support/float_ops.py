"""The rows of the table of float ops, what PyTorch gives for them in float64, and the contract: a
result is within 1e-5 of it. What a denormal result is wrong by does not count, for devices may
flush it to zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from linear_fixture import glsl_module

TABLE = glsl_module("elementwise")
RELATIVE_ERROR = 1e-5
LEAST_NORMAL = float(np.finfo(np.float32).tiny)


def name_of(row: Any) -> str:
    """For test ids: rows of one op differ in their keywords."""
    return "-".join([row.aten, *(str(value) for _, value in getattr(row, "keywords", ()))])


def aten(row: Any) -> Any:
    """The row's op in PyTorch."""
    op, overload = row.aten.split(".")
    return getattr(getattr(torch.ops.aten, op), overload)


def result_dtype(row: Any) -> Any:
    return np.bool_ if getattr(row, "result", "float32") == "bool" else np.float32


def wide(operand: Any) -> Any:
    """An operand for PyTorch: float32 arrays as float64, whose values are the same, and numbers as
    float32 has them."""
    if isinstance(operand, float):
        return float(np.float32(operand))
    if not isinstance(operand, np.ndarray):
        return operand
    return torch.from_numpy(operand.astype(np.float64) if operand.dtype == np.float32 else operand)


def expected(row: Any, operands: Sequence[Any], **named: Any) -> np.ndarray:
    """What PyTorch gives, in float64 or bool."""
    keywords = dict(getattr(row, "keywords", ()))
    with np.errstate(all="ignore"):
        result: np.ndarray = aten(row)(*map(wide, operands), **named, **keywords).numpy()
    return result


def is_right(actual: np.ndarray, wanted: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """By element. `scale`: magnitudes beside which a result that cancels may be wrong."""
    if wanted.dtype == np.bool_:
        return np.asarray(actual == wanted)
    with np.errstate(all="ignore"):
        magnitude = np.abs(wanted) if scale is None else np.maximum(np.abs(wanted), scale)
        limit = RELATIVE_ERROR * magnitude + LEAST_NORMAL
        close = np.abs(actual.astype(np.float64) - wanted) <= limit
        same = (actual == wanted.astype(np.float32)) | (np.isnan(actual) & np.isnan(wanted))
    return np.asarray(close & np.isfinite(actual) | same)


def assert_right(
    actual: np.ndarray,
    wanted: np.ndarray,
    operands: Sequence[Any],
    what: str,
    scale: np.ndarray | None = None,
) -> None:
    assert actual.shape == wanted.shape, f"{what}: {actual.shape}, expected {wanted.shape}"
    assert_all(is_right(actual, wanted, scale), actual, wanted, operands, what)


def assert_all(
    right: np.ndarray, actual: np.ndarray, wanted: np.ndarray, operands: Sequence[Any], what: str
) -> None:
    """Prints the first element that is not right, with the operands that made it."""
    if right.all():
        return
    at = tuple(np.argwhere(~right)[0])
    made_of = []
    for operand in operands:
        same_shape = isinstance(operand, np.ndarray) and operand.ndim <= wanted.ndim
        try:
            made_of.append(np.broadcast_to(operand, wanted.shape)[at] if same_shape else operand)
        except ValueError:
            made_of.append(f"{operand.shape}")
    raise AssertionError(
        f"{what}: {int((~right).sum())} of {right.size} are wrong; {made_of} at {at} gives "
        f"{actual[at]!r}, expected {wanted[at]!r}"
    )
