"""Models of float32 matrix products and attention: whole on Vulkan, within the contract."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from torch import nn
from torch.export import Dim

from executorch_vulkan.program import read_delegates
from programs import load
from whole_models import Function, check, check_close, drawn, lowered, pte_of, whole

sdpa = F.scaled_dot_product_attention


def op_counts(program: EdgeProgramManager) -> Counter[str]:
    return Counter(call.name for one in read_delegates(program) for call in one.chain)


# ---- Products.


class Products(nn.Module):
    """Every form in which exports leave products."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Linear(8, 6), nn.Linear(6, 4, bias=False)

    def forward(self, x: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> list[torch.Tensor]:
        w = self.one.weight
        return [
            self.two(F.relu(self.one(x))),
            self.one(x[0, 0]),
            torch.matmul(q, k.transpose(-2, -1)),
            torch.matmul(x, w.t()),
            torch.matmul(q, w.t()),
            torch.mm(x[0], w.t().contiguous()),
            torch.mm(x[0], q[0, 0].t()),
            torch.addmm(x[0, :, :6], x[0], w.t()),
            torch.addmm(self.one.bias, x[0], k[0, 0, :, :6], beta=0.5, alpha=2.0),
            torch.baddbmm(q[0], q[0], k[0].transpose(1, 2) @ k[0], beta=0.5),
            torch.einsum("bhqd,bhkd->bqhk", q, k),
            x[0, 0] @ w.t(),
            w @ x[0, 0],
        ]


def test_every_form_of_a_product() -> None:
    check(Products(), [drawn((2, 5, 8)), drawn((2, 3, 8, 8)), drawn((2, 3, 8, 8))])


def test_dynamic_sizes() -> None:
    rows, batch = Dim("rows", max=9), Dim("batch", max=3)

    def function(x: torch.Tensor, w: torch.Tensor) -> list[torch.Tensor]:
        return [x @ w, x @ x.transpose(1, 2), F.linear(x, w.t())]

    sets = [
        [drawn((b, r, 6), 0.5), drawn((6, 5), 0.5, seed=1)] for b, r in ((2, 7), (3, 9), (1, 1))
    ]
    check(Function(function), *sets, dynamic_shapes=(({0: batch, 1: rows}, None),))


class Transposed(nn.Module):
    """Layers whose input is not contiguous, as behind attention."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(16, 24)
        self.w = nn.Parameter(drawn((16, 8)))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        y = x.transpose(1, 2)
        return [self.layer(y), torch.matmul(y, self.w), torch.matmul(y, self.layer.weight.t())]


def test_a_weight_is_not_repeated_for_a_batch() -> None:
    module, x = Transposed(), drawn((6, 16, 5))
    elements = sum(parameter.numel() for parameter in module.parameters())
    for dims in (None, ({0: Dim("batch", max=9), 2: Dim("rows", max=7)},)):
        program = lowered(module, [x], dims)
        assert not {"aten.bmm.default", "aten.expand_copy.default"} & set(op_counts(program))
        [delegate] = read_delegates(program)
        # The layer's weight is there for both that read it, in the form that each has it.
        most = elements + module.layer.weight.numel()
        assert sum(map(len, delegate.constants())) <= 4 * most
    sets = [[drawn((n, 16, m))] for n, m in ((6, 5), (9, 1), (1, 7))]
    check(module, *sets, dynamic_shapes=({0: Dim("batch", max=9), 2: Dim("rows", max=7)},))


def test_weights_that_alone_are_quantized() -> None:
    weight = torch.randint(-127, 128, (6, 8), dtype=torch.int8)
    scales, zeros = torch.rand(6) * 0.01 + 0.01, torch.zeros(6, dtype=torch.int64)

    def function(x: torch.Tensor, w: torch.Tensor, s: torch.Tensor, z: torch.Tensor) -> Any:
        dequantize = torch.ops.quantized_decomposed.dequantize_per_channel
        return F.linear(x, dequantize(w, s, z, 0, -127, 127, torch.int8))

    module = Function(function, w=weight, s=scales, z=zeros)
    x = drawn((3, 8))
    program = whole(lowered(module, [x]))
    assert op_counts(program)["aten.linear.default"] == 1
    [y] = load(pte := pte_of(program)).execute([x])
    check_close(y, F.linear(x.double(), (weight * scales[:, None]).double()))
    del pte


# ---- Attention.

MASK = torch.rand((5, 7), generator=torch.Generator().manual_seed(1)) > 0.4
MASK[0] = False


def by_hand(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), -1) @ v


def filled(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    scores = (q @ k.transpose(-2, -1) * 0.25).masked_fill(mask, -1e9)
    return torch.softmax(scores, -1) @ v


def heads(x: torch.Tensor, count: int = 4) -> torch.Tensor:
    return x.view(*x.shape[:2], count, -1).transpose(1, 2)


def merged(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(2)


FORMS: dict[str, Callable[..., torch.Tensor]] = {
    "plain": lambda q, k, v, added, keep: sdpa(q, k, v),
    "bool": lambda q, k, v, added, keep: sdpa(q, k, v, keep),
    "added": lambda q, k, v, added, keep: sdpa(q, k, v, added),
    "causal": lambda q, k, v, added, keep: sdpa(q, k, v, is_causal=True),
    "scale": lambda q, k, v, added, keep: sdpa(q, k, v, scale=0.3),
    "groups": lambda q, k, v, added, keep: sdpa(q, k[:, :2], v[:, :2], enable_gqa=True),
    "one_group": lambda q, k, v, added, keep: sdpa(q, k[:, :1], v[:, :1], enable_gqa=True),
    "expanded": lambda q, k, v, added, keep: sdpa(
        q, *(x[:, :1].expand(2, 4, 7, 8) for x in (k, v))
    ),
    "by_hand": lambda q, k, v, added, keep: by_hand(q, k, v),
    "filled": lambda q, k, v, added, keep: filled(q, k, v, keep.logical_not()),
    "added_by_hand": lambda q, k, v, added, keep: (
        torch.softmax(q @ k.transpose(-2, -1) * 0.5 + added, -1) @ v
    ),
    "three": lambda q, k, v, added, keep: torch.bmm(
        torch.softmax(torch.bmm(q[0], k[0].transpose(1, 2)), -1), v[0]
    ),
    "joined": lambda q, k, v, added, keep: sdpa(
        *(torch.cat([x[..., :2, :], x[..., 2:, :] * 2], 2) for x in (q, k, v))
    ),
    "picked": lambda q, k, v, added, keep: sdpa(q, torch.where(k > 0, k, v), v),
    "merged": lambda q, k, v, added, keep: merged(
        sdpa(heads(merged(q)), heads(merged(k)), heads(merged(v)))
    ),
}


def forms(*inputs: torch.Tensor) -> list[torch.Tensor]:
    return [form(*inputs) for form in FORMS.values()]


def attention_inputs() -> list[torch.Tensor]:
    shapes = (2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 8), (2, 1, 1, 7)
    return [drawn(shape, seed=seed) for seed, shape in enumerate(shapes)] + [MASK]


def test_every_form_of_attention() -> None:
    """Each is one op, and nothing of it is left."""
    inputs = attention_inputs()
    counts = op_counts(whole(lowered(Function(forms), inputs)))
    assert counts["et_vk.attention.default"] == len(FORMS)
    others = {"aten.bmm.default", "aten._softmax.default", "aten.expand_copy.default"}
    assert not others & counts.keys(), counts
    check(Function(forms), inputs, names=list(FORMS))


class Block(nn.Module):
    """Self-attention with its projections, on sequences of any length."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        q, k, v = (heads(one) for one in self.qkv(x).chunk(3, -1))
        return x + self.out(merged(sdpa(q, k, v, mask)))


def test_attention_whose_rows_are_viewed_as_one_dimension() -> None:
    """As GPT-2 does; ExecuTorch alone refuses the view."""

    def function(*qkv: torch.Tensor) -> torch.Tensor:
        y = sdpa(*(heads(x) for x in qkv)).transpose(1, 2)
        return y.reshape(*y.shape[:2], -1).view(-1, 32) * 2

    inputs = [drawn((2, 5, 32), seed=seed) for seed in range(3)]
    exported = torch.export.export(Function(function), tuple(inputs))
    with pytest.raises(ValueError, match="Cannot view"):
        to_edge_transform_and_lower(exported)
    counts = op_counts(whole(lowered(Function(function), inputs)))
    assert counts["et_vk.attention.default"] == 1
    check(Function(function), inputs)


def test_attention_of_dynamic_sequences() -> None:
    batch, length = Dim("batch", max=3), Dim("length", min=2, max=17)
    sizes = ({0: batch, 1: length}, {0: batch, 3: length})
    sets = []
    for b, n in ((2, 6), (3, 17), (1, 2)):
        mask = torch.zeros(b, 1, 1, n)
        mask[0, :, :, -1] = -math.inf
        sets.append([drawn((b, n, 16)), mask])
    program = whole(lowered(Block().eval(), sets[0], sizes))
    counts = op_counts(program)
    assert counts["et_vk.attention.default"] == 1 and "aten.permute_copy.default" not in counts
    check(Block(), *sets, dynamic_shapes=sizes)


def test_scores_that_others_read() -> None:
    """Then attention is made of its parts."""

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> list[torch.Tensor]:
        weights = torch.softmax(q @ k.transpose(-2, -1), -1)
        return [weights, weights @ v]

    q, k, v = attention_inputs()[:3]
    program = lowered(Function(function), [q, k, v])
    assert "et_vk.attention.default" not in op_counts(program)
    results = load(pte := pte_of(program)).execute([q, k, v])
    wanted = function(*(one.double() for one in (q, k, v)))
    for actual, expected in zip(results, wanted, strict=True):
        check_close(actual, expected)
    del pte


def test_vectors_that_are_too_long() -> None:
    q, k, v = drawn((1, 1, 3, 260)), drawn((1, 1, 4, 260), seed=1), drawn((1, 1, 4, 8), seed=2)
    program = lowered(Function(by_hand), [q, k, v])
    assert "et_vk.attention.default" not in op_counts(program)
