"""Attention in float32 against float64: each kernel around its tile edges, masks, layouts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from linear_fixture import OpError
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_op

ATTENTION, SDPA = "et_vk.attention.default", "et_vk.sdpa.default"
INF, NAN = float("inf"), float("nan")
ORDER = [0, 1, 2, 3]


def drawn(shape: Sequence[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 3, shape).astype(np.float32)


def reference(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None = None,
    scale: float | None = None,
    is_causal: bool = False,
) -> np.ndarray:
    """PyTorch's own op, in float64, with heads in groups where k has fewer."""
    tensors = (torch.from_numpy(one.astype(np.float64)) for one in (q, k, v))
    if mask is not None:
        mask = np.atleast_2d(mask if mask.dtype == np.bool_ else mask.astype(np.float64))
    wanted: np.ndarray = torch.nn.functional.scaled_dot_product_attention(
        *tensors,
        attn_mask=None if mask is None else torch.from_numpy(mask),
        is_causal=is_causal,
        scale=scale,
        enable_gqa=q.ndim > 2 and k.shape[-3] != q.shape[-3],
    ).numpy()
    return wanted


def run(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    kind: str = "none",
    scale: float | None = None,
    fill: float = -INF,
    is_causal: bool = False,
    zero_rows: bool = True,
    dims: Sequence[Sequence[int]] | None = None,
    shape: Sequence[int] | None = None,
) -> np.ndarray:
    rank = q.ndim
    dims = dims or [list(range(one.ndim)) for one in (q, k, v, q)]
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    shape = shape or (*q.shape[: rank - 1], v.shape[-1])
    arguments = [q, k, v, mask, kind, scale, fill, is_causal, zero_rows, *map(list, dims)]
    return run_op(ATTENTION, arguments, Output(np.float32, tuple(shape)))


def assert_close(y: np.ndarray, wanted: np.ndarray, what: str) -> None:
    assert y.shape == wanted.shape, what
    assert np.array_equal(np.isnan(y), np.isnan(wanted)), what
    largest = np.abs(np.nan_to_num(wanted)).max(-1, keepdims=True)
    error = np.abs(np.nan_to_num(y.astype(np.float64) - wanted))
    assert (error <= 1e-5 * largest).all(), f"{what}: {error.max()} of {largest.max()}"


@each_row("attention", "float_attention")
def test_tile_edges(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in two pipelines: whole groups, and elements."""
    force_row(monkeypatch, row)
    rows = sorted({1, max(row.tile_m - 1, 1), row.tile_m, row.tile_m + 1, 2 * row.tile_m + 3})
    positions = (1, row.tile_n - 1, row.tile_n, row.tile_n + 1, 2 * row.tile_n + 3)
    sizes = [(m, row.tile_n + 1) for m in rows] + [(row.tile_m + 1, n) for n in positions]
    for m, n in sizes:
        for size in (8, 5):
            q, k, v = (
                drawn((2, 3, m, size), 1),
                drawn((2, 3, n, size), 2),
                drawn((2, 3, n, size), 3),
            )
            assert_close(run(q, k, v), reference(q, k, v), f"{m} rows, {n} positions of {size}")


@each_row("attention", "float_attention")
def test_head_sizes(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    most = row.tile_k
    middle = min(24, most - 4)
    for size, v_size in ((most, most), (middle, middle), (1, 1), (3, most - 1), (most, 16)):
        q, k, v = drawn((1, 2, 3, size), 1), drawn((1, 2, 9, size), 2), drawn((1, 2, 9, v_size), 3)
        q /= math.sqrt(size)
        assert_close(run(q, k, v), reference(q, k, v), f"vectors of {size} and {v_size}")


@each_row("attention", "float_attention")
def test_vectors_too_large(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    large, small = drawn((1, 2, 3, row.tile_k + 1), 1), drawn((1, 2, 3, 4), 2)
    limit = f"(room for vectors|the limit is).* {row.tile_k}"
    for q, k, v in ((large, large, small), (small, small, large)):
        with pytest.raises(OpError, match=limit):
            run(q, k, v)


@each_row("attention", "float_attention")
def test_masks(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    m, n = row.tile_m + 2, row.tile_n + 3
    q, k, v = drawn((2, 3, m, 8), 1), drawn((2, 3, n, 8), 2), drawn((2, 3, n, 8), 3)
    rng = np.random.default_rng(4)
    for shape in ((m, n), (2, 1, 1, n), (1, 3, m, 1), (n,), (2, 3, m, n)):
        added = rng.uniform(-2, 2, shape).astype(np.float32)
        assert_close(run(q, k, v, added, "add"), reference(q, k, v, added), f"added {shape}")
        keep = rng.random(shape) < 0.6
        wanted = reference(q, k, v, keep)
        assert_close(run(q, k, v, keep, "fill_false"), wanted, f"kept {shape}")
        assert_close(run(q, k, v, ~keep, "fill_true"), wanted, f"filled {shape}")
    filled = run(q, k, v, keep, "fill_false", fill=-1e9)
    assert_close(filled, reference(q, k, v, np.where(keep, 0, -1e9)), "a finite number")
    for positions in (n, m, 1):
        own_k, own_v = k[:, :, :positions].copy(), v[:, :, :positions].copy()
        wanted = reference(q, own_k, own_v, is_causal=True)
        assert_close(run(q, own_k, own_v, is_causal=True), wanted, f"causal, {positions}")


@each_row("attention", "float_attention")
def test_rows_without_a_score(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    m, n = row.tile_m + 1, 2 * row.tile_n + 1
    q, k, v = drawn((1, 2, m, 4), 1), drawn((1, 2, n, 4), 2), drawn((1, 2, n, 4), 3)
    keep = np.ones((m, n), np.bool_)
    keep[0] = False
    keep[-1, : row.tile_n + 2] = False  # a whole tile without a score comes first
    wanted = reference(q, k, v, keep)
    assert not wanted[:, :, 0].any()
    added = np.where(keep, 0, -INF).astype(np.float32)
    assert_close(run(q, k, v, keep, "fill_false"), wanted, "zeros")
    assert_close(run(q, k, v, added, "add"), wanted, "zeros of an added mask")
    wanted[:, :, 0] = NAN
    assert_close(run(q, k, v, added, "add", zero_rows=False), wanted, "NaN")


@each_row("attention", "float_attention")
def test_special_values(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    q, k, v = drawn((1, 1, 5, 4), 1), drawn((1, 1, 6, 4), 2), drawn((1, 1, 6, 4), 3)
    q[0, 0, 1, 2] = NAN
    q[0, 0, 2, :] = 0
    q[0, 0, 3, 0] = INF
    v[0, 0, 2, 1] = NAN
    v[0, 0, 3, 3] = INF
    with np.errstate(all="ignore"):
        # As a softmax between products gives it; PyTorch's fused op has 0 for a row of NaN.
        scores = torch.from_numpy(q.astype(np.float64) @ k.astype(np.float64).swapaxes(-1, -2) / 2)
        wanted = (torch.softmax(scores, -1) @ torch.from_numpy(v.astype(np.float64))).numpy()
        y = run(q, k, v)
        assert np.array_equal(np.isinf(y), np.isinf(wanted))
        assert_close(np.where(np.isinf(y), 0, y), np.where(np.isinf(wanted), 0, wanted), "special")


@each_row("float_attention")
def test_magnitudes(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far from what float16 holds: all of a tensor, and its tiles more and more."""
    force_row(monkeypatch, row)
    m, n = row.tile_m + 1, 3 * row.tile_n + 1
    q, k, v = drawn((1, 2, m, 8), 1), drawn((1, 2, n, 8), 2), drawn((1, 2, n, 8), 3)
    for size in (1e-30, 1e-6, 1e6, 1e30):
        assert_close(run(q * size, k / size, v), reference(q * size, k / size, v), f"q of {size}")
        assert_close(run(q / size, k * size, v), reference(q / size, k * size, v), f"k of {size}")
        assert_close(run(q, k, v * size), reference(q, k, v * size), f"v of {size}")
    tile = np.arange(n)[:, None] // row.tile_n
    for step in (1e-9, 1e-3, 1e3, 1e9):
        sizes = (step ** tile.astype(np.float64)).astype(np.float32)
        wanted = reference(q, k, v * sizes)
        assert_close(run(q, k, v * sizes), wanted, f"tiles of v by {step}")
        own_k = k * np.minimum(sizes, 1)
        assert_close(run(q, own_k, v), reference(q, own_k, v), f"tiles of k by {step}")


@each_row("float_attention")
def test_hidden_values(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies at positions that a mask hides, as in a cache that is not full, is of no weight."""
    force_row(monkeypatch, row)
    m, n = row.tile_m + 1, 2 * row.tile_n
    q, k, v = drawn((1, 2, m, 8), 1), drawn((1, 2, n, 8), 2), drawn((1, 2, n, 8), 3)
    for hidden in ([3], [0, n - 1], list(range(row.tile_n // 2, n))):
        keep = np.ones((m, n), np.bool_)
        keep[:, hidden] = False
        wanted = reference(q, k, v, keep)
        for size in (1e4, 1e12, 1e30):
            own_k, own_v = k.copy(), v.copy()
            own_k[:, :, hidden] *= size
            own_v[:, :, hidden] *= size
            what = f"{len(hidden)} of {size}"
            assert_close(run(q, own_k, own_v, keep, "fill_false"), wanted, what)


def test_large_scores() -> None:
    """Exponentials of none of them fit float32."""
    q, k, v = 30 * drawn((1, 2, 7, 8), 1), 30 * drawn((1, 2, 50, 8), 2), drawn((1, 2, 50, 8), 3)
    q, k = np.round(q), np.round(k)  # scores are exact
    assert_close(run(q, k, v, scale=0.5), reference(q, k, v, scale=0.5), "large scores")
    assert_close(run(q, -k, v, scale=0.5), reference(q, -k, v, scale=0.5), "far below zero")


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_heads_in_groups(groups: int) -> None:
    q, k, v = drawn((2, 6, 5, 8), 1), drawn((2, groups, 7, 8), 2), drawn((2, groups, 7, 4), 3)
    assert_close(run(q, k, v), reference(q, k, v), f"6 heads in {groups} groups")


def test_one_batch_of_k_and_v() -> None:
    q, k, v = drawn((3, 2, 5, 8), 1), drawn((1, 2, 7, 8), 2), drawn((1, 2, 7, 8), 3)
    wide = [np.repeat(one, 3, 0) for one in (k, v)]
    assert_close(run(q, k, v), reference(q, *wide), "repeated")


@pytest.mark.parametrize("rank", [2, 3])
def test_fewer_dimensions(rank: int) -> None:
    lead = (3,)[: rank - 2]
    q, k, v = drawn((*lead, 5, 8), 1), drawn((*lead, 7, 8), 2), drawn((*lead, 7, 12), 3)
    mask = drawn((5, 7), 4)
    assert_close(run(q, k, v, mask, "add"), reference(q, k, v, mask), f"rank {rank}")


@pytest.mark.parametrize("size", [8, 5])
def test_layouts(size: int) -> None:
    """Heads behind rows, as projections give them; k with its vectors as columns."""
    q, k, v = drawn((2, 3, 5, size), 1), drawn((2, 3, 7, size), 2), drawn((2, 3, 7, size), 3)
    wanted = reference(q, k, v)
    swapped = [0, 2, 1, 3]
    moved = [np.ascontiguousarray(one.transpose(swapped)) for one in (q, k, v)]
    y = run(*moved, dims=[swapped] * 4, shape=(2, 5, 3, size))
    assert_close(y, np.ascontiguousarray(wanted.transpose(swapped)), "rows, heads")
    columns = np.ascontiguousarray(k.transpose(0, 1, 3, 2))
    y = run(q, columns, v, dims=[ORDER, [0, 1, 3, 2], ORDER, ORDER])
    assert_close(y, wanted, "columns")
    y = run(q, k, v, dims=[ORDER, ORDER, ORDER, [2, 3, 0, 1]], shape=(5, size, 2, 3))
    assert_close(y.transpose(2, 3, 0, 1), wanted, "vectors of the result that are not side by side")


def test_dynamic_sizes_and_constants() -> None:
    q, k, v, mask = (
        drawn((2, 3, 5, 8), 1),
        drawn((2, 3, 7, 8), 2),
        drawn((2, 3, 7, 8), 3),
        drawn((7,), 4),
    )
    dims = [ORDER] * 4
    for operands in (
        [Dynamic(q, (4, 3, 9, 8)), Dynamic(k, (4, 3, 11, 8)), Dynamic(v, (4, 3, 11, 8))],
        [q, Constant(k), Constant(v)],
    ):
        arguments = [*operands, Dynamic(mask, (11,)) if operands[0] is not q else mask]
        arguments += ["add", 0.3, 0.0, False, False, *dims]
        y = run_op(ATTENTION, arguments, Output(np.float32, (4, 3, 9, 8)))
        assert_close(y, reference(q, k, v, mask, 0.3), "dynamic")
    for rows, positions in ((0, 7), (5, 0)):
        own = [
            Dynamic(q[:, :, :rows].copy(), (2, 3, 5, 8)),
            *(Dynamic(one[:, :, :positions].copy(), (2, 3, 7, 8)) for one in (k, v)),
        ]
        arguments = [*own, None, "none", 0.3, 0.0, False, False, *dims]
        y = run_op(ATTENTION, arguments, Output(np.float32, (2, 3, 5, 8)))
        assert np.array_equal(y, np.zeros((2, 3, rows, 8), np.float32))


def test_stock_op() -> None:
    q, k, v, mask = (
        drawn((2, 3, 5, 8), 1),
        drawn((2, 3, 7, 8), 2),
        drawn((2, 3, 7, 8), 3),
        drawn((5, 7), 4),
    )
    for own, scale in ((None, None), (mask, None), (mask, 0.7)):
        y = run_op(SDPA, [q, k, v, own, scale], Output(np.float32, (2, 3, 5, 8)))
        assert_close(y, reference(q, k, v, own, scale), "et_vk.sdpa")


BASE = (drawn((1, 2, 3, 4), 1), drawn((1, 2, 5, 4), 2), drawn((1, 2, 5, 4), 3))
WIDE = tuple(drawn((1, 1, 2, 260), seed) for seed in range(3))
REFUSED: dict[str, tuple[Any, Any, Any, dict[str, Any], str]] = {
    "vectors": (BASE[0], drawn((1, 2, 5, 8), 1), BASE[2], {}, "do not fit"),
    "groups": (BASE[0], *(drawn((1, 3, 5, 4), 1) for _ in "kv"), {}, "in groups for 3"),
    "wide": (*WIDE, {}, "the limit is 256"),
    "mask": (*BASE, {"mask": drawn((4, 5), 1), "kind": "add"}, "a mask of"),
    "mask_dtype": (*BASE, {"mask": drawn((3, 5), 1), "kind": "fill_true"}, "mask must be bool"),
    "no_mask": (*BASE, {"kind": "add"}, "both or neither"),
    "kind": (*BASE, {"mask": drawn((3, 5), 1), "kind": "mul"}, "mask_kind 'mul'"),
    "dims": (*BASE, {"dims": [ORDER, ORDER, [0, 1, 2, 2], ORDER]}, "v_dims must permute"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    q, k, v, options, reason = REFUSED[case]
    with pytest.raises(OpError, match=reason):
        run(q, k, v, **options)
