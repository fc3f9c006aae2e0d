"""q8ta_table against NumPy, byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Constant, Dynamic, Output, each_row, edges, force_row, run_op

OP = "et_vk.q8ta_table.default"
SHAPES = ((1,), (2,), (3,), (7,), (8,), (15,), (16,), (33,), (3, 5, 7), (257,), (100_003,))


def random_table(rng: np.random.Generator, dtype: type) -> np.ndarray:
    if dtype == np.int8:
        return rng.integers(-128, 128, 256, dtype=np.int8)
    return rng.normal(0, 10, 256).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(len(shape))
    x = rng.integers(-128, 128, shape, dtype=np.int8)
    table = random_table(rng, dtype)
    y = run_op(OP, [x, Constant(table)], Output(dtype, shape))
    assert_same_bytes(y, table[x.astype(int) + 128], OP)


@each_row("q8ta_table", "q8ta_table_float")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    dtype = np.float32 if "float" in row.name else np.int8
    for count in (*edges(row.tile_n), 0):
        rng = np.random.default_rng(count)
        x = rng.integers(-128, 128, count, dtype=np.int8)
        table = random_table(rng, dtype)
        y = run_op(OP, [x, Constant(table)], Output(dtype, (count,)))
        assert_same_bytes(y, table[x.astype(int) + 128], f"{OP} of {count}")
    x = np.arange(-128, 128, dtype=np.int8)
    y = run_op(OP, [x, Constant(table)], Output(dtype, (256,)))
    assert_same_bytes(y, table, OP)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_every_entry(dtype: type) -> None:
    x = np.arange(-128, 128, dtype=np.int8)
    table = random_table(np.random.default_rng(1), dtype)
    assert_same_bytes(run_op(OP, [x, Constant(table)], Output(dtype, (256,))), table, OP)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_fewer_elements_than_planned(dtype: type) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(-128, 128, (3, 7), dtype=np.int8)
    table = random_table(rng, dtype)
    y = run_op(OP, [Dynamic(x, (30, 7)), Constant(table)], Output(dtype, (30, 7)))
    assert_same_bytes(y, table[x.astype(int) + 128], OP)


def test_wrong_tables() -> None:
    x = np.zeros(4, np.int8)
    output = Output(np.int8, (4,))
    with pytest.raises(OpError, match=r"the table must be int8 \[256\], got float32 \[256\]"):
        run_op(OP, [x, Constant(np.zeros(256, np.float32))], output)
    with pytest.raises(OpError, match=r"got int8 \[255\]"):
        run_op(OP, [x, Constant(np.zeros(255, np.int8))], output)
    with pytest.raises(OpError, match="must be a constant"):
        run_op(OP, [x, np.zeros(256, np.int8)], output)
    with pytest.raises(OpError, match="x must be int8 or uint8, got float32"):
        run_op(OP, [np.zeros(4, np.float32), Constant(np.zeros(256, np.int8))], output)
