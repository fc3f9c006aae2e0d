"""Pads, indices and writes of whole models: one delegate each, and PyTorch's results to the bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.export import Dim

from whole_models import Together, drawn

X = drawn((2, 3, 8, 9))
AT = torch.tensor([[0, 1], [2, 1]])
PAIR = torch.tensor([2, 0])


def assigned(*at: Any) -> Callable[..., torch.Tensor]:
    """x[at] = values, with "?" where an index of the model's inputs goes."""

    def write(x: torch.Tensor, values: Any, *indices: torch.Tensor) -> torch.Tensor:
        left = list(indices)
        y = x * 2
        y[tuple(left.pop(0) if one == "?" else one for one in at)] = values
        return y

    return write


ALL = slice(None)
CASES: dict[str, tuple[Callable[..., Any], tuple[torch.Tensor, ...]]] = {
    "pad": (lambda x: F.pad(x * 2, (1, 2, -1, 3), value=1.5), (X,)),
    "crop": (lambda x: F.pad(x * 2, (-1, -2, -1, 0)), (X,)),
    "reflect": (lambda x: F.pad(x * 2, (1, 2, 2, 3), mode="reflect"), (X,)),
    "reflect 1-D": (lambda x: F.pad(x * 2, (8, 2), mode="reflect"), (X[0],)),
    "replicate": (lambda x: F.pad(x * 2, (1, 2, 12, 3), mode="replicate"), (X,)),
    "replicate 3-D": (lambda x: F.pad(x * 2, (1, 2, 2, 3, 1, 1), mode="replicate"), (X[None],)),
    "circular": (lambda x: F.pad(x * 2, (1, 2, 8, 0), mode="circular"), (X,)),
    "circular 3-D": (lambda x: F.pad(x * 2, (1, 2, 2, 3, 0, 1), mode="circular"), (X[None],)),
    "flip": (lambda x: (x * 2).flip(1, 3), (X,)),
    "rot90": (lambda x: torch.rot90(x * 2, 1, (2, 3)), (X,)),
    "roll": (lambda x: (x * 2).roll((1, -2), (1, 3)), (X,)),
    "roll all": (lambda x: (x * 2).roll(5), (X,)),
    "repeat": (lambda x: (x * 2).repeat(2, 1, 2, 1, 3), (X,)),
    "tile": (lambda x: (x * 2).tile(2, 2), (X,)),
    "repeat_interleave": (lambda x: (x * 2).repeat_interleave(3, 1), (X,)),
    "nearest-exact": (lambda x: F.interpolate(x * 2, (13, 5), mode="nearest-exact"), (X,)),
    "adaptive max": (lambda x: F.adaptive_max_pool2d(x * 2, (3, 4)), (X,)),
    "neighbours": (lambda x, i: (x * 2)[:, i, i], (X, AT)),
    "apart": (lambda x, i: (x * 2)[:, i, :, i], (X, AT)),
    "negative": (lambda x, i: (x * 2)[:, i - 2, i - 1], (X, AT)),
    "broadcast": (lambda x, i: (x * 2)[i[:, :1], i[0]], (X[0], AT)),
    "three": (lambda x, i: (x * 2)[i.clamp(max=1), :, i, i], (X, AT)),
    "constants": (lambda x: (x * 2)[:, [0, 2, 1], [1, 5, -1]], (X,)),
    "int32": (lambda x, i: (x * 2)[:, i, i], (X, AT.int())),
    "bytes": (lambda x, i: (x > 0)[:, i, i], (X, AT)),
    "put": (assigned(ALL, "?"), (X, drawn((2, 2, 8, 9)), PAIR)),
    "put a number": (lambda x, i: assigned(ALL, "?")(x, 3.0, i), (X, PAIR)),
    "put neighbours": (assigned(ALL, "?", "?"), (X, drawn((2, 2, 9)), PAIR, PAIR + 3)),
    "put apart": (assigned(ALL, "?", ALL, "?"), (X, drawn((2, 2, 8)), PAIR, PAIR + 3)),
    "put repeated": (assigned("?", "?"), (X[0], drawn((2, 9)), AT, torch.tensor([[0, 5], [2, 7]]))),
    "put by a mask": (lambda x: assigned("?")(x, 0.5, x > 0), (X,)),
    "put rows by a mask": (lambda x, y: assigned(ALL, "?")(x, y, AT[0] + AT[1] > 1),
                           (X[:, :2].contiguous(), drawn((8, 9)))),
    "index_fill": (lambda x, i: (x * 2).index_fill(1, i, 2.0), (X, PAIR)),
    "index_copy": (lambda x, i, y: (x * 2).index_copy(1, i, y), (X, PAIR, drawn((2, 2, 8, 9)))),
    "assign a slice": (assigned(ALL, slice(1, None), slice(2, 7, 2)), (X, drawn((2, 2, 3, 9)))),
    "assign a number": (lambda x: assigned(ALL, slice(0, 2))(x, 3.0), (X,)),
    "assign one": (assigned(ALL, 1), (X, drawn((2, 8, 9)))),
    "slice_scatter": (lambda x, y: (x * 2).slice_scatter(y, 2, 1, 7, 2), (X, drawn((2, 3, 3, 9)))),
    "select_scatter": (lambda x, y: (x * 2).select_scatter(y, 2, 1), (X, drawn((2, 3, 9)))),
    "scatter": (
        lambda x, i, y: (x * 2).scatter(1, i, y),
        (X, PAIR[None, :, None, None].repeat(2, 1, 4, 4), drawn((2, 2, 5, 4))),
    ),
    "scatter a number": (lambda x, i: (x * 2).scatter(2, i, 1.0),
                         (X, AT[None, None].repeat(1, 2, 1, 1))),
}  # fmt: skip


def taking(function: Callable[..., Any], places: list[int], *inputs: torch.Tensor) -> Any:
    return function(*(inputs[place] for place in places))


@cache
def all_cases() -> Together:
    inputs: list[torch.Tensor] = []
    calls = {}
    for name, (function, own) in CASES.items():
        calls[name] = partial(taking, function, list(range(len(inputs), len(inputs) + len(own))))
        inputs += (one.clone() for one in own)
    return Together(calls, inputs)


@pytest.mark.parametrize("name", CASES)
def test_is_whole_and_exact(name: str) -> None:
    all_cases().exact(name)


DYNAMIC: dict[str, Callable[..., list[torch.Tensor]]] = {
    "pads": lambda x, i: [F.pad(x * 2, (1, 2)), F.pad(x * 2, (0, 0, 1, 2, -1, 0), value=3.0)],
    "moves": lambda x, i: [(x * 2).flip(0, 2), (x * 2).repeat(2, 1, 3), (x * 2).roll(1, 2)],
    "picks": lambda x, i: [(x * 2)[:, i, i], (x * 2)[i], F.pad(x * 2, (2, 1), mode="replicate")],
    "puts": lambda x, i: [torch.index_put(x * 2, [i], x[i]), assigned(ALL, slice(1, 3))(x, 0.0)],
}


@cache
def dynamic() -> Together:
    batch, picks = Dim("batch", min=3, max=6), Dim("picks", min=1, max=9)
    sets = [[drawn((n, 4, 5), seed=n), torch.arange(k) % 3] for n, k in ((3, 4), (6, 9), (5, 1))]
    return Together(DYNAMIC, *sets, dynamic_shapes=(({0: batch}, {0: picks}),))


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic_sizes(name: str) -> None:
    dynamic().exact(name)


SEVERAL: dict[str, Callable[..., list[torch.Tensor]]] = {
    "neighbours": lambda x, i, j: [(x * 2)[i, j], (x * 2)[i - 3, j - 2]],
    "apart": lambda x, i, j: [(x * 2)[:, i % 2, j], (x * 2)[i, :, j]],
    "broadcast": lambda x, i, j: [(x * 2)[i[:, None], j]],
    "mask": lambda x, i, j: [
        (x > 0)[torch.arange(x.shape[0])[:, None, None], 1, j] | (x[..., :1] > 1)
    ],
    "put": lambda x, i, j: [assigned("?", ALL, "?")(x, x[0, :, :1].T, i, j)],
    "sum": lambda x, i, j: [(x * 0).index_put([i, i * 0, j], x[0, 0, 0].round(), True)],
}


@cache
def several() -> Together:
    batch, last = Dim("batch", min=3, max=6), Dim("last", min=2, max=9)
    places = [torch.tensor([2, 0, 1, 2]), torch.tensor([1, 0, 1, 0])]
    sets = [[drawn((n, 4, k), seed=n), *places] for n, k in ((3, 5), (6, 9), (4, 2))]
    return Together(SEVERAL, *sets, dynamic_shapes=(({0: batch, 2: last}, {}, {}),))


@pytest.mark.parametrize("name", SEVERAL)
def test_several_indices_of_dynamic_sizes(name: str) -> None:
    """Of the last dimension too, so that the one index is computed of a size."""
    several().exact(name)


SUMS: dict[str, Callable[..., torch.Tensor]] = {
    "index_add": lambda x, i, v: x.index_add(0, i, v),
    "index_add_of_columns": lambda x, i, v: x.index_add(1, i[:3], v[:4, :3], alpha=2),
    "index_put": lambda x, i, v: x.index_put((i,), v, accumulate=True),
    "several_indices": lambda x, i, v: x.index_put((i, i.flip(0) - 1), v[:, 0], accumulate=True),
    "repeated": lambda x, i, v: x.index_put((i,), v[0], accumulate=True),
    "in_place": lambda x, i, v: x.clone().index_put_((i,), v, accumulate=True),
    "scatter_add": lambda x, i, v: x.scatter_add(0, i[:, None].expand(-1, 5), v),
    "part": lambda x, i, v: x.scatter_add(1, i[:3, None].expand(-1, 2), v),
    "scatter_reduce": lambda x, i, v: x.scatter_reduce(0, i[:, None].expand(-1, 5), v, "sum"),
}


@cache
def sums(dtype: torch.dtype) -> Together:
    x, values = (drawn(shape, -20.0, 20.0, 3).round().to(dtype) for shape in ((4, 5), (6, 5)))
    return Together(SUMS, [x, torch.tensor([1, 3, 1, 0, 1, 3]), values])


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=["float32", "int64"])
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_writes(name: str, dtype: torch.dtype) -> None:
    """Of whole numbers, which any order adds up to the same."""
    sums(dtype).exact(name)


ADAPTIVE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "3x4": lambda x: F.adaptive_max_pool2d(x * 2, (3, 4)),
    "4x3": lambda x: F.adaptive_max_pool2d(x * 2, (4, 3)),
    "1": lambda x: F.adaptive_max_pool2d(x * 2, 1),
    "8x20": lambda x: F.adaptive_max_pool2d(x * 2, (None, 20)),
    "4": lambda x: F.adaptive_max_pool1d(x[0] * 2, 4),
}


@cache
def adaptive() -> Together:
    return Together(ADAPTIVE, [X], validity=True)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_max_pooling_is_no_core_operator(name: str) -> None:
    """So ExecuTorch refuses it, in its default configuration, where it is kept."""
    adaptive().exact(name)
