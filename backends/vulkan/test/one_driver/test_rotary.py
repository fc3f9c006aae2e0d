"""Rotary embeddings as the stock partitioner fuses them, ops of two results, against float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from executorch.backends.vulkan.partitioner.vulkan_partitioner import (
    VulkanPartitioner as StockPartitioner,
)
from executorch.backends.vulkan.patterns.rope import RotaryEmbeddingPattern
from executorch.backends.vulkan.patterns.rope_hf import HfRotaryEmbeddingPattern
from executorch.exir import to_edge_transform_and_lower

from executorch_vulkan.program import read_delegates
from float_ops import assert_right
from linear_fixture import OpError
from op_fixture import Dynamic, Output, Sym, each_row, force_row, run_chain
from programs import run

PAIRS, HALVES = "et_vk.apply_rotary_emb.default", "et_vk.apply_rotary_emb_hf.default"


def drawn(shape: Sequence[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-3, 3, shape).astype(np.float32)


def in_pairs(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """As complex numbers, whose parts are neighbours."""
    x, cos, sin = (one.astype(np.float64) for one in (x, cos, sin))
    angles = cos + 1j * sin
    angles = angles[None, :, None] if cos.ndim == 2 else angles[None]
    turned = (x[..., ::2] + 1j * x[..., 1::2]) * angles
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


def in_halves(x: np.ndarray, cos: np.ndarray, sin: np.ndarray, start: int) -> np.ndarray:
    width = cos.shape[-1]
    cos, sin = (one[start : start + x.shape[1], None].astype(np.float64) for one in (cos, sin))
    first, second = np.split(x[..., :width].astype(np.float64), 2, -1)
    turned = x[..., :width] * cos + np.concatenate([-second, first], -1) * sin
    return np.concatenate([turned, x[..., width:]], -1)


def check(op: str, q: Any, k: Any, cos: Any, sin: Any, *start: Any) -> None:
    arrays = [one.array if isinstance(one, Dynamic) else one for one in (q, k, cos, sin)]
    outputs = [
        Output(np.float32, one.bounds if isinstance(one, Dynamic) else one.shape) for one in (q, k)
    ]
    results, _ = run_chain([(op, [q, k, cos, sin, *start], outputs)], outputs)
    number = [one.value if isinstance(one, Sym) else one for one in start]
    for x, y in zip(arrays[:2], results, strict=True):
        wanted = in_halves(x, *arrays[2:], *number) if start else in_pairs(x, *arrays[2:])
        largest = np.abs(wanted).max(-1, keepdims=True, initial=1e-30)
        assert_right(y, wanted, [], op, np.broadcast_to(largest, wanted.shape))


SHAPES = ((1, 1, 4, 2, 32), (2, 5, 3, 1, 6), (3, 7, 1, 4, 2), (1, 33, 8, 8, 64))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pairs(shape: tuple[int, ...]) -> None:
    batch, positions, heads, key_heads, width = shape
    q = drawn((batch, positions, heads, width), 0)
    k = drawn((batch, positions, key_heads, width), 1)
    check(PAIRS, q, k, drawn((positions, width // 2), 2), drawn((positions, width // 2), 3))
    angles = [drawn((positions, heads, width // 2), seed) for seed in (2, 3)]
    check(PAIRS, q, q[:, ::-1].copy(), *angles)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_halves(shape: tuple[int, ...]) -> None:
    batch, positions, heads, key_heads, width = shape
    q = drawn((batch, positions, heads, width), 0)
    k = drawn((batch, positions, key_heads, width), 1)
    for rotated in {width, width // 4 * 2 or width}:
        angles = [drawn((positions + 3, rotated), seed) for seed in (2, 3)]
        for start in (0, 2, Sym(3)):
            check(HALVES, q, k, *angles, start)


def test_sizes_below_the_bounds_and_none() -> None:
    q, k = (Dynamic(drawn((2, 3, h, 8), h), (2, 9, h, 8)) for h in (4, 2))
    angles = [Dynamic(drawn((3, 4), seed), (9, 4)) for seed in (2, 3)]
    check(PAIRS, q, k, *angles)
    none = Dynamic(np.zeros((2, 0, 4, 8), np.float32), (2, 9, 4, 8))
    angles = [Dynamic(np.zeros((0, 4), np.float32), (9, 4))] * 2
    check(PAIRS, none, none, *angles)


@each_row("rotary")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for positions in (1, 3, row.tile_n // 24, row.tile_n // 24 + 1, 2 * row.tile_n // 24 + 3):
        q, k = drawn((1, positions, 3, 8), 0), drawn((1, positions, 1, 8), 1)
        check(PAIRS, q, k, drawn((positions, 4), 2), drawn((positions, 4), 3))
        check(HALVES, q, k, drawn((positions, 6), 2), drawn((positions, 6), 3), 0)


def test_wrong_arguments() -> None:
    q, k = drawn((1, 5, 3, 8), 0), drawn((1, 5, 2, 8), 1)
    cos = drawn((5, 4), 2)
    one, two = Output(np.float32, q.shape), Output(np.float32, k.shape)
    both: Any = [one, two]
    for op, arguments, results, message in (
        (PAIRS, [q, k, cos, cos], [one], "expected 2 results, got 1"),
        (PAIRS, [q, k, cos, cos], one, "a list of tensors that are not constants"),
        (PAIRS, [q, k, cos, cos], [one, one], "which is already written"),
        (PAIRS, [q, k, cos, cos[:4]], both, "sines of"),
        (PAIRS, [q, k, cos[:4], cos[:4]], both, "are not those of"),
        (PAIRS, [q, k, cos[:, :3], cos[:, :3]], both, "are not those of"),
        (PAIRS, [q[0], k, cos, cos], both, r"must be \[batch, positions, heads, width\]"),
        (PAIRS, [q.astype(np.int32), k, cos, cos], both, "expected float32, got int32"),
        (HALVES, [q, k, cos, cos, 1], both, "from position 1 on"),
        (HALVES, [q, k, cos, cos, -1], both, "from position -1 on"),
        (HALVES, [q, k, cos[:, :3], cos[:, :3], 0], both, "are not those of"),
    ):
        with pytest.raises(OpError, match=message):
            run_chain([(op, arguments, results)], [one])


class Rotary(torch.nn.Module):
    """Queries and keys of one layer, turned as Llama does it."""

    def __init__(self, pattern: torch.nn.Module, columns: int) -> None:
        super().__init__()
        self.pattern = pattern
        angles = torch.outer(torch.arange(6.0), 0.5 ** torch.arange(float(columns)))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, ...]:
        q, k = self.pattern(q, k, self.cos, self.sin)
        return q * 2, k


@pytest.mark.parametrize(
    ("pattern", "columns", "op"),
    [(RotaryEmbeddingPattern(), 4, PAIRS), (HfRotaryEmbeddingPattern(), 8, HALVES)],
    ids=["pairs", "halves"],
)
def test_a_stock_blob_runs_here(pattern: torch.nn.Module, columns: int, op: str) -> None:
    module = Rotary(pattern, columns).eval()
    inputs = [torch.randn(1, 6, heads, 8) for heads in (4, 2)]
    exported = torch.export.export(module, tuple(inputs))
    program = to_edge_transform_and_lower(exported, partitioner=[StockPartitioner()])
    [delegate] = read_delegates(program)
    assert op in delegate.op_names
    for y, wanted in zip(
        run(bytes(program.to_executorch().buffer), inputs), module(*inputs), strict=True
    ):
        torch.testing.assert_close(y, wanted, rtol=0, atol=1e-5)
