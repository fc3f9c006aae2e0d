"""Models of integers and bools: whole on Vulkan, int64 in and out, exact."""

from __future__ import annotations

from typing import Any

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


@pytest.mark.parametrize("extreme", [torch.max, torch.min])
def test_extremes_of_a_dimension(extreme: Any) -> None:
    """Values and where they are: the first of equal ones, NaN before all."""

    def model(x: torch.Tensor, ids: torch.Tensor) -> list[torch.Tensor]:
        values, places = extreme(x, 1)
        kept, kept_places = extreme(ids, 0, keepdim=True)
        last, last_places = extreme(ids, -1)
        alone = extreme(x, 0)[0]
        return [values, places, kept, kept_places, last, last_places, alone, extreme(x, 1)[1]]

    def inputs(rows: int) -> list[torch.Tensor]:
        x = drawn((rows, 6), seed=rows).round()
        x[0] = torch.tensor([1.0, torch.inf, -torch.inf, torch.inf, -torch.inf, 0.0])
        x[1, 2] = x[1, 4] = torch.nan
        return [x, token_ids(rows, 6) // 8]

    sizes = {0: Dim("rows", max=6)}
    exact(Function(model), inputs(6), inputs(4), dynamic_shapes=((sizes, sizes),), equal_nan=True)


def test_cumulative_sums() -> None:
    def model(ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        positions = ids.ne(1).int().cumsum(1).type_as(ids) * ids.ne(1).long() + 1
        return [positions, mask.cumsum(-1), ids.int().cumsum(0), mask.cumsum(0, dtype=torch.int32)]

    sizes = {0: Dim("rows", max=6), 1: Dim("length", max=9)}
    shapes = ((6, 9), (4, 5))
    sets = [[token_ids(*shape) // 8, token_ids(*shape) > 9] for shape in shapes]
    exact(Function(model), *sets, dynamic_shapes=((sizes, sizes),))


def test_operands_that_pytorch_converts() -> None:
    def model(x: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        return [
            *(ids > 0.5, ids == x, mask < x, ids == mask, mask >= 0.5, mask < ids),
            *(ids.sqrt(), ids.int().sqrt(), mask.float().sqrt(), ids.clamp(0.5, 2.5), ids / 2),
            *(mask + ids, mask * x, ids.int() + ids, torch.where(mask, ids, x), ids * 0.5),
            *(ids.any(1), ids.int().all(0), mask.any(), torch.logical_and(ids, x)),
            *(mask.cumsum(1, dtype=torch.float32), ids.sum(1, dtype=torch.float32)),
        ]

    x = drawn((4, 6), seed=1).round()
    exact(Function(model), [x, token_ids(4, 6) // 8, token_ids(4, 6) > 9])


def test_largest_elements_and_orders() -> None:
    def model(x: torch.Tensor, ids: torch.Tensor) -> list[torch.Tensor]:
        values, places = x.topk(3)
        least, least_places = ids.topk(2, 0, largest=False)
        ordered, order = ids.sort(dim=1, stable=True)
        return [values, places, least, ordered, order, x.argsort(0, descending=True), least_places]

    def inputs(seed: int) -> list[torch.Tensor]:
        orders = torch.randperm(24).view(4, 6)
        return [orders + drawn((1,), seed=seed), orders]  # no two are equal

    torch.manual_seed(0)
    exact(Function(model), inputs(0), inputs(1))


def test_sums_and_extremes() -> None:
    def model(ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        sums = [ids.sum(), ids.sum(1), mask.sum(0), mask.sum(), ids.int().sum(-1, keepdim=True)]
        products = [ids.prod(), ids.prod(1), mask.prod(0), mask.count_nonzero(1)]
        extremes = [ids.amax(1), ids.amin(), ids.max(), ids.int().min(), ids.aminmax(dim=0)[0]]
        return [*sums, *products, *extremes]

    sizes = {0: Dim("rows", max=6), 1: Dim("length", max=9)}
    sets = [[token_ids(*shape) // 8, token_ids(*shape) > 9] for shape in ((6, 9), (4, 5))]
    exact(Function(model), *sets, dynamic_shapes=((sizes, sizes),))
