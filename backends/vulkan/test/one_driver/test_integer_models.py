"""Models of integers and bools: whole on Vulkan, int64 in and out, exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from programs import load
from whole_models import Function, check, drawn, exact, lowered, pte_of, whole

ROWS = {0: Dim("rows", max=6)}


class Embeddings(nn.Module):
    """Tokens and positions, as transformers add them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens = nn.Embedding(30, 8, padding_idx=0)
        self.positions = nn.Embedding(16, 8)
        self.register_buffer("ids", torch.arange(16)[None])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x: torch.Tensor = self.tokens(ids) + self.positions(self.ids[:, : ids.shape[1]])
        return x


def token_ids(*shape: int) -> torch.Tensor:
    return torch.randint(0, 30, shape, generator=torch.Generator().manual_seed(0))


def test_embeddings_of_dynamic_sequences() -> None:
    model = Embeddings().eval()
    sizes = {0: Dim("batch", max=3), 1: Dim("length", max=16)}
    method = load(pte := pte_of(whole(lowered(model, [token_ids(2, 7)], (sizes,)))))
    for shape in ((2, 7), (3, 16), (1, 2)):
        ids = token_ids(*shape)
        [y] = method.execute([ids])
        assert torch.equal(y, model(ids))
    del pte


def moves(x: torch.Tensor) -> list[torch.Tensor]:
    return [
        x.reshape(-1, 2),
        x.transpose(0, 1),
        x[:, 1:3],
        x[:, 0],
        x.unsqueeze(1).expand(-1, 2, -1),
        torch.cat([x, x], 1),
        x.clone(),
    ]


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.uint8, torch.bool], ids=lambda d: str(d)[6:]
)
def test_moves(dtype: torch.dtype) -> None:
    def model(x: torch.Tensor) -> list[torch.Tensor]:
        # Conversions are work, so that the moves beside them are worth a delegate.
        return moves(x.to(torch.float32).to(dtype))

    x = torch.randint(0, 3, (4, 6), generator=torch.Generator().manual_seed(1)).to(dtype)
    module = Function(model)
    [*results] = load(pte := pte_of(whole(lowered(module, [x])))).execute([x])
    for actual, wanted in zip(results, module(x), strict=True):
        assert actual.dtype == wanted.dtype
        assert torch.equal(actual, wanted)
    del pte


def test_picks() -> None:
    def model(x: torch.Tensor, at: torch.Tensor) -> list[torch.Tensor]:
        rows = at[:, None].expand(-1, 3)
        return [
            x[at],
            x[:, at],
            x.index_select(1, at.to(torch.int32)),
            x.gather(0, rows),
            F.embedding(at, x),
            at[at],
        ]

    x, at = drawn((5, 6)), torch.tensor([3, 0, 2, 2])
    module = Function(model)
    results = load(pte := pte_of(whole(lowered(module, [x, at])))).execute([x, at])
    for actual, wanted in zip(results, module(x, at), strict=True):
        assert torch.equal(actual, wanted)
    del pte


def test_int64_beyond_int32() -> None:
    module = Function(lambda x: x.to(torch.float32))
    method = load(pte := pte_of(whole(lowered(module, [torch.arange(5)]))))
    limits = torch.tensor([-(2**31), 2**31 - 1, 0, 1, -1])
    [y] = method.execute([limits])
    assert torch.equal(y, limits.to(torch.float32))
    for value in (2**31, -(2**31) - 1):
        with pytest.raises(RuntimeError, match="0x12"):
            method.execute([torch.tensor([0, value, 0, 0, 0])])
    [y] = method.execute([torch.arange(5)])
    assert torch.equal(y, torch.arange(5.0))
    del pte


def test_a_constant_beyond_int32_stays_outside() -> None:
    large = torch.tensor([2**40, 1, 2])

    def model(x: torch.Tensor, large: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat([x, large]).to(torch.float32), x * 0.5

    module = Function(model, large=large)
    program = lowered(module, [torch.arange(3)])
    with pytest.raises(AssertionError):
        whole(program)
    x = torch.tensor([5, 6, 7])
    results = load(pte := pte_of(program)).execute([x])
    for actual, wanted in zip(results, module(x), strict=True):
        assert torch.equal(actual, wanted)
    del pte


def test_casts_between_floats_and_masks() -> None:
    def model(x: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        additive = (1.0 - mask[:, None, None, :].to(torch.float32)) * -10000.0
        return [additive, x * mask.to(torch.bool).to(torch.float32)]

    sizes = {0: Dim("batch", max=4), 1: Dim("length", max=9)}
    masks = [torch.ones(2, 5, dtype=torch.int64), torch.tensor([[1, 1, 0]])]
    check(
        Function(model),
        *((drawn(mask.shape), mask) for mask in masks),
        dynamic_shapes=((sizes, sizes),),
    )


def test_arithmetic_of_integers() -> None:
    def model(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        mask = (x > 2) & (y != 1) | (x == y).logical_not()
        return [
            x + y * 3 - 1,
            x // 4,
            x % 3,
            torch.div(x, y.abs() + 1, rounding_mode="trunc"),
            x.clamp(0, 9),
            torch.maximum(x, -y),
            x & 3,
            ~x,
            mask,
            ~mask,
            x.masked_fill(mask, -100),
            torch.where(mask, x, y),
            torch.where(mask, x > y, mask),
            x.sign().to(torch.int32),
            (x / 2).to(torch.int64),
        ]

    generator = torch.Generator().manual_seed(2)
    sizes = {0: Dim("rows", max=6), 1: Dim("columns", max=9)}
    sets = [
        [torch.randint(-20, 20, shape, generator=generator) for _ in range(2)]
        for shape in ((3, 5), (6, 9), (1, 2))
    ]
    exact(Function(model), *sets, dynamic_shapes=((sizes, sizes),))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.bool], ids=lambda d: str(d)[6:])
def test_comparisons_with_numbers(dtype: torch.dtype) -> None:
    def model(x: torch.Tensor) -> list[torch.Tensor]:
        return [x == 1, x != 0, x < 1, x.le(0), x > 0, x.ge(True), torch.logical_xor(x, x)]

    exact(Function(model), [torch.randint(0, 2, (3, 7)).to(dtype)])


def test_places_of_extremes() -> None:
    def model(x: torch.Tensor, ids: torch.Tensor) -> list[torch.Tensor]:
        best = x.argmax(-1)
        return [best, x.argmin(0, keepdim=True), ids.argmax(1), x.argmax(), ids[:, best]]

    sizes = {0: Dim("rows", max=6)}
    sets = [[drawn((rows, 6), seed=rows), token_ids(rows, 6)] for rows in (6, 4)]
    exact(Function(model), *sets, dynamic_shapes=((sizes, sizes),))
