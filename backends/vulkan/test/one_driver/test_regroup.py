"""Shuffles of channels and pixels: the op in every order against NumPy, and whole models."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from executorch.exir import to_edge_transform_and_lower
from torch import nn

import reference
from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from linear_fixture import OpError, assert_same_bytes
from model_cases import ModelCase, export_quantized
from op_fixture import Dynamic, Output, run_chain, run_op
from programs import run

OP = "et_vk.regroup.default"
# Shape, counts, pieces, dims, groups.
Case = tuple[tuple[int, ...], list[int], list[int], list[int], list[int]]
CASES: dict[str, Case] = {
    "pixel shuffle": (
        (2, 12, 3, 5),
        [1, 3, 1, 1],
        [-1, -1, 2, 2, -1, -1],
        [0, 1, 4, 2, 5, 3],
        [1, 1, 2, 2],
    ),
    "wide pixel shuffle": (
        (1, 48, 4, 4),
        [1, 3, 1, 1],
        [-1, -1, 2, 2, -1, -1],
        [0, 1, 4, 2, 5, 3],
        [1, 1, 2, 2],
    ),
    "pixel unshuffle": (
        (2, 4, 6, 9),
        [1, 1, 2, 2],
        [-1, -1, -1, 3, -1, 3],
        [0, 1, 3, 5, 2, 4],
        [1, 3, 1, 1],
    ),
    "channel shuffle": (
        (2, 12, 3, 3),
        [1, 2, 1, 1],
        [-1, 3, -1, -1, -1],
        [0, 2, 1, 3, 4],
        [1, 2, 1, 1],
    ),
    "of a signal": ((3, 8, 7), [1, 2, 1], [-1, 2, 4, -1], [0, 2, 1, 3], [1, 2, 1]),
    "to another rank": ((2, 6, 4), [1, 1, 2], [-1, -1, 2, 2], [0, 2, 1, 3], [1, 1, 1, 1]),
}


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, shape, dtype=np.int8)


def expected(x: np.ndarray, case: Case) -> np.ndarray:
    _, counts, pieces, dims, groups = case
    split = iter(pieces)
    sizes: list[int] = []
    for size, count in zip(x.shape, counts, strict=True):
        own = [next(split) for _ in range(count)]
        rest = int(np.prod([piece for piece in own if piece != -1]))
        sizes += [size // rest if piece == -1 else piece for piece in own]
    moved = x.reshape(sizes).transpose(dims)
    ends = [0, *itertools.accumulate(groups)]
    joined = [int(np.prod(moved.shape[a:b])) for a, b in itertools.pairwise(ends)]
    return np.ascontiguousarray(moved.reshape(joined))


@pytest.mark.parametrize("name", CASES)
def test_every_order(name: str) -> None:
    shape, *rest = case = CASES[name]
    for x in (numbers(shape), numbers(shape).astype(np.float32)):
        wanted = expected(x, case)
        y = Output(x.dtype, wanted.shape)
        assert_same_bytes(run_op(OP, [x, *rest], y), wanted, name)
        start, middle = Output(x.dtype, shape), Output(x.dtype, wanted.shape)
        stored = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        last = np.ascontiguousarray(np.moveaxis(wanted, 1, -1))
        end = Output(x.dtype, last.shape)
        calls = [
            ("test.to_channels_last", [stored], start),
            (OP, [start, *rest], middle),
            ("test.from_channels_last", [middle], end),
        ]
        [result], kernels = run_chain(calls, [end])
        assert len(kernels) == 1
        assert_same_bytes(result, last, f"{name}, channels-last")


def test_smaller_than_planned() -> None:
    _, *rest = case = CASES["pixel shuffle"]
    x = numbers((1, 8, 2, 3))
    y = run_op(OP, [Dynamic(x, (2, 12, 3, 5)), *rest], Output(np.int8, (2, 3, 6, 10)))
    assert_same_bytes(y, expected(x, case), "smaller")


def test_wrong_arguments() -> None:
    x, y = numbers((2, 6)), Output(np.int8, (6, 2))
    for rest, message in (
        (([1, 2], [-1, 2, 2], [2, 1, 0], [2, 1]), "a dimension of 6 is not made of pieces"),
        (([1, 2], [-1, 2, 3], [2, 1, 1], [2, 1]), "do not name each of 3 pieces once"),
        (([1, 1], [-1, 2, 3], [2, 1, 0], [2, 1]), "not all of 3 pieces in 2 dimensions"),
        (([1, 2], [-1, 0, -1], [2, 1, 0], [2, 1]), "a piece of 0"),
        (([1, 2], [-1, 2, 3], [2, 1, 0], [2, 2]), "not the pieces of each dimension"),
    ):
        with pytest.raises(OpError, match=message):
            run_op(OP, [x, *rest], y)


@pytest.mark.parametrize("grid", [(0.05, 3), (0.031, -7)], ids=["same grid", "another grid"])
def test_pixel_shuffle_of_stock_programs(grid: tuple[float, int]) -> None:
    """Which has the inverse of the output's scale."""
    scale, zero_point = grid
    for shape, factor in (((2, 12, 3, 5), 2), ((1, 18, 4, 4), 3), ((8, 2, 2), 2)):
        x = numbers(shape)
        shuffled = F.pixel_shuffle(torch.from_numpy(x), factor).numpy()
        y = run_op("aten.pixel_shuffle.default", [x, factor], Output(np.int8, shuffled.shape))
        assert_same_bytes(y, shuffled, "pixel_shuffle")
        inverse = np.float32(1 / scale)
        arguments = [x, 0.05, 3, float(inverse), zero_point, factor]
        y = run_op("et_vk.q8ta_pixel_shuffle.default", arguments, Output(np.int8, shuffled.shape))
        f = reference.dequantize(shuffled, 0.05, 3)
        wanted = np.clip(np.rint(f * inverse) + zero_point, -128, 127).astype(np.int8)
        assert_same_bytes(y, wanted, "q8ta_pixel_shuffle")


class Shuffled(nn.Module):
    """Convolutions with `function` between them."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], channels: int) -> None:
        super().__init__()
        self.function = function
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(channels, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.function(torch.relu(self.first(x))))


MODELS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], int, bool]] = {
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), 4, True),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 3), 144, False),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 4), 16, False),
}


@pytest.mark.parametrize("name", MODELS)
def test_between_convolutions(name: str) -> None:
    """One op of int8."""
    function, channels, is_dynamic = MODELS[name]
    dims = ({0: torch.export.Dim("batch", min=1, max=4)},) if is_dynamic else None
    case = ModelCase(
        name, lambda: Shuffled(function, channels), ((2, 3, 6, 6),), (), dynamic_shapes=dims
    )
    module, exported = export_quantized(case)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    [delegate] = read_delegates(program)
    ops = [op.name.split(".")[1] for op in delegate.chain if "prepack" not in op.name]
    assert [op for op in ops if "quantize_per" not in op and "conv2d" not in op] == ["regroup"]
    pte = bytes(program.to_executorch().buffer)
    for batch in (2, 1) if is_dynamic else (2,):
        [x] = case.inputs(((batch, 3, 6, 6),), seed=4)
        wanted = module(x)
        [y] = run(pte, (x,))
        step = float(wanted.unique().diff().min())
        assert int(((y - wanted) / step).abs().round().max()) <= 1
