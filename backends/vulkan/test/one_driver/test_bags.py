"""Embeddings of bags, and one-hot rows: one delegate, and what PyTorch gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner
from programs import run
from whole_models import Function, check, drawn, exact, lowered, pte_of, whole

ROWS = 11
MODES = ["sum", "mean", "max"]


def bags(*shape: int, seed: int = 0) -> torch.Tensor:
    """Indices; where they are a matrix, its first row is of zeros."""
    indices = torch.randint(ROWS, shape, generator=torch.Generator().manual_seed(seed))
    if len(shape) == 2:
        indices[0] = 0
    return indices


@pytest.mark.parametrize("padding", [None, 0, 3])
@pytest.mark.parametrize("mode", MODES)
def test_rows_of_a_matrix(mode: str, padding: int | None) -> None:
    """Of dynamic batches, and a bag that is all padding."""
    module = nn.EmbeddingBag(ROWS, 6, mode=mode, padding_idx=padding)
    module.weight.data[0] = -1.0  # PyTorch starts the padding's row with zeros
    sets = [[bags(count, 5, seed=count)] for count in (3, 7, 1)]
    check(module, *sets, dynamic_shapes=({0: Dim("batch", max=8)},))


@pytest.mark.parametrize("includes_last", [False, True])
@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize("mode", MODES)
def test_offsets(mode: str, padding: int | None, includes_last: bool) -> None:
    """Bags of several lengths, empty ones too, by offsets that are inputs."""
    module = nn.EmbeddingBag(
        ROWS, 6, mode=mode, padding_idx=padding, include_last_offset=includes_last
    )
    last = [12] if includes_last else []
    sets = [
        [bags(12, seed=seed), torch.tensor([*starts, *last])]
        for seed, starts in enumerate(([0, 2, 2, 7], [0, 0, 0, 12], [0, 1, 5, 11]))
    ]
    check(module, *sets)


@pytest.mark.parametrize("mode", MODES)
def test_indices_behind_the_last_offset(mode: str) -> None:
    module = nn.EmbeddingBag(ROWS, 6, mode=mode, include_last_offset=True)
    inputs = [bags(9), torch.tensor([0, 2, 2, 5])]
    [actual] = run(pte_of(whole(lowered(module, inputs))), inputs)
    wanted = module(*inputs)  # in float64, PyTorch has other sums
    assert torch.allclose(actual, wanted, rtol=1e-5, atol=1e-6)


def test_weights_of_samples() -> None:
    module = nn.EmbeddingBag(ROWS, 6, mode="sum", padding_idx=3)

    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = module

        def forward(self, indices: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
            return self.bag(indices, per_sample_weights=weights)

    check(Weighted(), [bags(4, 5), drawn((4, 5))], [bags(4, 5, seed=1), drawn((4, 5), seed=1)])


def test_validity_is_checked() -> None:
    """In ExecuTorch's default configuration."""
    program = torch.export.export(nn.EmbeddingBag(ROWS, 6).eval(), (bags(4, 5),))
    whole(to_edge_transform_and_lower(program, partitioner=[VulkanPartitioner()]))


def test_one_hot() -> None:
    """Without the assertions of PyTorch's decomposition, which no delegate has."""
    module = Function(lambda i: [F.one_hot(i, ROWS), F.one_hot(i % 5, 5).float().sum(1)])
    batch = Dim("batch", max=8)
    exact(module, [bags(3, 5)], [bags(7, 5, seed=1)], dynamic_shapes=(({0: batch},),))
