"""The code of masks and positions of transformers: whole on Vulkan, of dynamic sizes, and exact."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim

from programs import load
from whole_models import Function, exact, lowered, pte_of

LEAST = torch.finfo(torch.float32).min


class Extended(nn.Module):
    """Of BERT: 0 where a token is, the least float where none is."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        extended = (1.0 - mask[:, None, None, :].to(torch.float32)) * LEAST
        types = torch.zeros_like(ids)
        return [extended, types, ids * mask]


class Expanded(nn.Module):
    """The same as newer libraries write it, expanded to queries and filled."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        batch, length = mask.shape
        expanded = mask[:, None, None, :].expand(batch, 1, length, length).to(torch.float32)
        inverted = torch.tensor(1.0) - expanded
        return [inverted.masked_fill(inverted.to(torch.bool), LEAST), ids * mask]


class Causal(nn.Module):
    """Of GPT-2 and Llama: a triangle from positions, and the padding."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        length = ids.shape[1]
        positions = torch.arange(length)
        triangle = positions[:, None] >= positions[None, :]
        allowed = triangle[None, None] & mask[:, None, None, :].to(torch.bool)
        additive = torch.where(allowed, 0.0, LEAST)
        return [allowed, additive, positions[None].expand(ids.shape[0], -1), ids * mask]


class Triangle(nn.Module):
    """The same from a full matrix and triu."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        length = ids.shape[1]
        above = torch.triu(torch.full((length, length), LEAST), diagonal=1)
        padding = (mask == 0)[:, None, None, :]
        return [above, above[None, None].masked_fill(padding, LEAST), ids * mask]


class Windowed(nn.Module):
    """A sliding window of three tokens."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        at = torch.arange(ids.shape[1])
        distance = at[:, None] - at[None, :]
        window = (distance >= 0).logical_and(distance < 3)
        return [window, distance.clamp(-2, 2) + 2, ids * mask]


class Bool(nn.Module):
    """Of ViTs and encoders that take a bool mask, with ones where all is seen."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        ones = torch.ones(ids.shape, dtype=torch.bool)
        return [ones & mask.bool(), torch.full_like(ids, 7), torch.where(mask.bool(), ids, 1)]


def sample(batch: int, length: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(0, 30, (batch, length), generator=generator)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    return [ids, (torch.arange(length)[None] < lengths).to(torch.int64)]


@pytest.mark.parametrize(
    "kind", [Extended, Expanded, Causal, Triangle, Windowed, Bool], ids=lambda kind: kind.__name__
)
def test_masks(kind: type[nn.Module]) -> None:
    batch, length = Dim("batch", max=4), Dim("length", max=16)
    sizes = {0: batch, 1: length}
    sets = [sample(2, 6), sample(4, 16), sample(1, 3)]
    exact(kind(), *sets, dynamic_shapes={"ids": sizes, "mask": sizes})
    if kind in (Extended, Expanded, Bool):  # of the others, static sizes leave constants
        exact(kind(), sample(2, 6))


def test_masks_that_read_a_size_alone() -> None:
    """A delegate that would read no tensor is none; a size may be the first that one reads."""

    def model(ids: torch.Tensor, x: torch.Tensor) -> list[torch.Tensor]:
        at = torch.arange(ids.shape[1])
        return [at[:, None] >= at[None, :]]

    length = {1: Dim("length", max=16)}
    inputs = [sample(2, 6)[0], torch.ones(2, 6)]
    method = load(pte := pte_of(lowered(Function(model), inputs, ((length, length),))))
    [triangle] = method.execute([sample(2, 9)[0], torch.ones(2, 9)])
    assert torch.equal(triangle, torch.ones(9, 9).tril().bool())

    def masked(ids: torch.Tensor, x: torch.Tensor) -> list[torch.Tensor]:
        at = torch.arange(ids.shape[1]) + torch.arange(2)[0]
        return [torch.where(x[None] > 0, at + 1, 0)]

    sizes = ({1: Dim("length", max=16)}, {0: Dim("length", max=16)})
    method = load(pte := pte_of(lowered(Function(masked), [inputs[0], torch.ones(6)], (sizes,))))
    [result] = method.execute([sample(2, 9)[0], torch.ones(9)])
    assert torch.equal(result, torch.arange(1, 10)[None])
    del pte
