"""Attention that reads or gives int8, against PyTorch in float64: a step at most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from linear_fixture import OpError
from op_fixture import Dynamic, Output, each_row, force_row, run_op

ATTENTION = "et_vk.q8ta_attention.default"
INF = float("inf")
GRIDS = ((0.011, 7), (0.009, -30), (0.04, 12))  # of q, k and v
FLOAT = (None, 0)
TYPES = ("int8 to int8", "int8 to float32", "float32 to int8")
Grid = tuple[Any, ...]


def bytes_of(shape: Sequence[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, tuple(shape), np.int8)


def real(x: np.ndarray, grid: Grid) -> np.ndarray:
    scale, zero_point = grid
    return (x.astype(np.float64) - zero_point) * np.float64(np.float32(scale))


def reference(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None, **kwargs: Any
) -> np.ndarray:
    own_mask = mask if mask is None or mask.dtype == np.bool_ else mask.astype(np.float64)
    wanted: np.ndarray = torch.nn.functional.scaled_dot_product_attention(
        *(torch.from_numpy(one) for one in (q, k, v)),
        attn_mask=None if own_mask is None else torch.from_numpy(own_mask),
        enable_gqa=k.shape[1] != q.shape[1],
        **kwargs,
    ).numpy()
    return wanted


def check_result(y: np.ndarray, wanted: np.ndarray, grid: Grid, what: str) -> None:
    scale, zero_point, low, high = grid
    if scale is None:
        error = np.abs(y - wanted)
        assert (error <= 1e-5 * np.abs(wanted).max(initial=1e-30)).all(), what
        return
    expected = np.clip(np.round(wanted / scale) + zero_point, low, high)
    steps = np.abs(y.astype(np.float64) - expected)
    assert steps.max(initial=0) <= 1, what
    assert np.count_nonzero(steps) <= max(1, steps.size // 100), what


def check(
    sizes: tuple[int, int, int, int],
    mask: np.ndarray | None = None,
    kind: str = "none",
    keep: np.ndarray | None = None,
    heads: tuple[int, int] = (3, 3),
    is_causal: bool = False,
    types: Sequence[str] = TYPES,
) -> None:
    """For sizes rows, positions, vectors of q and k, and of v.

    Args:
        keep: the mask as PyTorch's op takes it, if that is not `mask`.
        types: some of TYPES, each of which is a pipeline of its own.
    """
    m, n, size, v_size = sizes
    shapes = ((2, heads[0], m, size), (2, heads[1], n, size), (2, heads[1], n, v_size))
    operands = [bytes_of(shape, seed) for seed, shape in enumerate(shapes)]
    reals = [real(x, grid) for x, grid in zip(operands, GRIDS, strict=True)]
    wanted = reference(*reals, mask if keep is None else keep, is_causal=is_causal)
    dims = [[0, 1, 2, 3]] * 4
    scale = float(np.abs(wanted).max()) / 100 or 1.0
    how = [mask, kind, 1 / math.sqrt(size), -INF, is_causal, True, *dims]
    as_int8 = [one for pair in zip(operands, GRIDS, strict=True) for one in (pair[0], *pair[1])]
    as_float = [one for x in reals for one in (x.astype(np.float32), *FLOAT)]
    calls = (
        (TYPES[0], as_int8, (scale, -9, -128, 127)),
        (TYPES[0], as_int8, (scale, 100, -90, 111)),
        (TYPES[1], as_int8, (None, 0, -128, 127)),
        (TYPES[2], as_float, (scale, 3, -128, 127)),
    )
    for own, given, y_grid in calls:
        if own in types:
            y = run_op(ATTENTION, [*given, *how, *y_grid], output(wanted.shape, y_grid))
            check_result(y, wanted, y_grid, f"{sizes}, {kind}, {own}, {y_grid}")


def output(shape: Sequence[int], grid: Grid) -> Output:
    return Output(np.float32 if grid[0] is None else np.int8, tuple(shape))


@each_row("attention", "q8ta_attention")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around the edges of a tile, in whole groups and elements, and in vectors of a matrix tile."""
    force_row(monkeypatch, row)
    vectors = [(8, 12), (5, 7)]
    if row.path == "coopmat":
        vectors += [(row.tile_k, row.tile_k), (row.tile_k - 4, row.tile_k // 2 + 1)]
    rows = sorted({1, row.tile_m, row.tile_m + 1, 2 * row.tile_m + 3})
    sizes = [(m, row.tile_n + 1) for m in rows]
    sizes += [(row.tile_m + 1, n) for n in (1, row.tile_n - 1, row.tile_n, 2 * row.tile_n + 3)]
    for m, n in sizes:
        for size, v_size in vectors:
            check((m, n, size, v_size))


@each_row("attention", "q8ta_attention")
def test_masks(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    m, n = row.tile_m + 2, row.tile_n + 3
    keep = np.random.default_rng(4).random((m, n)) < 0.6
    keep[0] = False  # a row without a score: zeros
    forms: list[dict[str, Any]] = [
        {"mask": keep, "kind": "fill_false"},
        {"mask": ~keep, "kind": "fill_true", "keep": keep},
        {"mask": np.where(keep, 0.3, -INF).astype(np.float32), "kind": "add"},
        {"is_causal": True},
    ]
    # Each two of form, size and types; all, where a row is for some of the types only.
    for i, form in enumerate(forms):
        for j, size in enumerate((8, 5, 16)):
            types = TYPES if row.op.name == "q8ta_attention" else [TYPES[(i + j) % len(TYPES)]]
            check((m, n, size, size), **form, types=types)


@each_row("attention", "q8ta_attention")
@pytest.mark.parametrize(("value", "zero_point"), [(127, -128), (-128, 127)])
def test_sums_are_exact(
    row: Any, value: int, zero_point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest vectors of the largest distances: scores of 16 million units, 255 apart."""
    force_row(monkeypatch, row)
    q = np.full((1, 1, 2, row.tile_k), value, np.int8)
    k = q.copy()
    k[0, 0, 1, 0] += 1 if value < 0 else -1
    v = np.array([[[[100], [0]]]], np.int8)
    scale = 2.0**-4
    how = [None, "none", 1.0, 0.0, False, True, *[[0, 1, 2, 3]] * 4]
    given = [q, scale, zero_point, k, scale, zero_point, v, 1.0, 0]
    y = run_op(ATTENTION, [*given, *how, None, 0, -128, 127], Output(np.float32, (1, 1, 2, 1)))
    weight = 1 / (1 + math.exp(-255 * scale * scale))
    np.testing.assert_allclose(y.ravel(), [100 * weight] * 2, rtol=1e-5)


@each_row("q8ta_attention")
def test_not_a_number(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask with NaN or +infinity makes its rows NaN, which is 0 in int8, and no other ones."""
    force_row(monkeypatch, row)
    m, n = row.tile_m, row.tile_n + 1
    q, k, v = (bytes_of((1, 1, rows, 8), seed) for seed, rows in enumerate((m, n, n)))
    reals = [real(x, grid) for x, grid in zip((q, k, v), GRIDS, strict=True)]
    mask = np.zeros((m, n), np.float32)
    wanted = reference(*reals, mask)
    mask[1, 2], mask[2, 1] = np.nan, INF
    given = [one for x, grid in zip((q, k, v), GRIDS, strict=True) for one in (x, *grid)]
    how = [mask, "add", 1 / math.sqrt(8), 0.0, False, True, *[[0, 1, 2, 3]] * 4]
    grid = (0.02, 4, -128, 127)
    y = run_op(ATTENTION, [*given, *how, *grid], Output(np.int8, wanted.shape))
    assert (y[0, 0, 1:3] == 0).all()
    others = np.delete(y, (1, 2), axis=2), np.delete(wanted, (1, 2), axis=2)
    check_result(*others, grid, "rows of numbers")


@pytest.mark.parametrize("vectors", [(64, 64), (256, 256), (3, 255), (1, 1)], ids=str)
def test_head_sizes(vectors: tuple[int, int]) -> None:
    check((3, 9, *vectors))


def test_heads_in_groups() -> None:
    for groups in (1, 2, 6):
        check((5, 7, 8, 4), heads=(6, groups))


@pytest.mark.parametrize("size", [8, 5])
def test_layouts(size: int) -> None:
    """Heads behind rows, as projections give them."""
    swapped = [0, 2, 1, 3]
    shapes = ((2, 5, 3, size), (2, 7, 3, size), (2, 7, 3, size))
    operands = [bytes_of(shape, seed) for seed, shape in enumerate(shapes)]
    reals = [
        real(x, grid).transpose(swapped).copy() for x, grid in zip(operands, GRIDS, strict=True)
    ]
    wanted = reference(*reals).transpose(swapped)
    given = [one for pair in zip(operands, GRIDS, strict=True) for one in (pair[0], *pair[1])]
    how = [None, "none", 1 / math.sqrt(size), 0.0, False, True, *[swapped] * 4]
    grid = (0.02, 4, -128, 127)
    y = run_op(ATTENTION, [*given, *how, *grid], Output(np.int8, wanted.shape))
    check_result(y, wanted, grid, "rows, heads")


def test_dynamic_sizes_and_empty() -> None:
    shapes = ((2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 8))
    operands = [bytes_of(shape, seed) for seed, shape in enumerate(shapes)]
    reals = [real(x, grid) for x, grid in zip(operands, GRIDS, strict=True)]
    how = [None, "none", 1 / math.sqrt(8), 0.0, False, True, *[[0, 1, 2, 3]] * 4]
    grid = (0.02, 4, -128, 127)
    bounds = (4, 3, 11, 8)
    given = [
        one for x, own in zip(operands, GRIDS, strict=True) for one in (Dynamic(x, bounds), *own)
    ]
    y = run_op(ATTENTION, [*given, *how, *grid], Output(np.int8, bounds))
    check_result(y, reference(*reals), grid, "dynamic")
    for at in (1, 2):  # no positions: zeros
        given[3 * at] = Dynamic(np.zeros((2, 3, 0, 8), np.int8), bounds)
    y = run_op(ATTENTION, [*given, *how, *grid], Output(np.int8, bounds))
    assert y.shape == (2, 3, 5, 8) and (y == 4).all()


def refused(**changes: Any) -> list[Any]:
    """Arguments of a call that is right but for these."""
    q, k, v = (bytes_of((1, 2, 3, 4), seed) for seed in range(3))
    own = {"q": q, "q_scale": 0.1, "q_zero": 0, "k": k, "k_scale": 0.1, "k_zero": 0}
    own |= {"v": v, "v_scale": 0.1, "v_zero": 0, "mask": None, "kind": "none", "scale": 0.5}
    own |= {"fill": 0.0, "causal": False, "zeros": True}
    own |= {f"{name}_dims": [0, 1, 2, 3] for name in "qkvy"}
    own |= {"y_scale": 0.1, "y_zero": 0, "low": -128, "high": 127}
    return list((own | changes).values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q_scale": None, "k_scale": None, "v_scale": None}, "q, k, v must be float32, got int8"),
        ({"k_scale": None}, "q, k and v all have a scale, or none has"),
        ({"y_scale": None}, "the result must be float32, got int8"),
        ({"v_scale": 0.0}, "scale"),
        ({"k_zero": 128}, "zero point 128 is not within int8"),
        ({"low": 5, "high": 4}, "range 5 to 4 is not"),
    ],
    ids=str,
)
def test_refusals(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OpError, match=message):
        run_op(ATTENTION, refused(**changes), Output(np.int8, (1, 2, 3, 4)))
