"""Small transformers with random weights, each with the attention and masks of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

WIDTH, HEADS, LAYERS, VOCABULARY, LONGEST = 32, 4, 2, 50, 24


def _heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[N, L, heads * D] to [N, heads, L, D]."""
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _joined(x: torch.Tensor) -> torch.Tensor:
    """[N, heads, L, D] to [N, L, heads * D]."""
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


class Embeddings(nn.Module):
    """Tokens and their places, as BERT adds and norms them."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0)
        self.places = nn.Embedding(LONGEST, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.register_buffer("numbers", torch.arange(LONGEST)[None])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.norm(self.words(tokens) + self.places(self.numbers[:, : tokens.shape[1]]))


class FusedAttention(nn.Module):
    """q, k and v by layers of their own; PyTorch's op for the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        q, k, v = (_heads(layer(x), HEADS) for layer in (self.q, self.k, self.v))
        return self.out(_joined(F.scaled_dot_product_attention(q, k, v, attn_mask=mask)))


class WrittenAttention(FusedAttention):
    """The same by hand, a masked score being the lowest float32."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        q, k, v = (_heads(layer(x), HEADS) for layer in (self.q, self.k, self.v))
        scores = torch.matmul(q / (WIDTH // HEADS) ** 0.5, k.transpose(2, 3))
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(torch.float32).min)
        return self.out(_joined(torch.matmul(scores.softmax(-1), v)))


class PostNormLayer(nn.Module):
    def __init__(self, attention: type[FusedAttention]) -> None:
        super().__init__()
        self.attention = attention()
        self.first, self.second = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.second(F.gelu(self.first(x))))


class Bert(nn.Module):
    """tokens, mask int64 [N, L] to hidden states [N, L, WIDTH] and a pooled one [N, WIDTH]."""

    attention: type[FusedAttention] = FusedAttention

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.layers = nn.ModuleList(PostNormLayer(self.attention) for _ in range(LAYERS))
        self.pool = nn.Linear(WIDTH, WIDTH)

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.embeddings(tokens)
        allowed = (mask != 0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, allowed)
        return x, torch.tanh(self.pool(x[:, 0]))


class DistilBert(Bert):
    attention = WrittenAttention


class SentenceEncoder(Bert):
    """BERT with the mean of what is not masked, normed: [N, WIDTH]. The mask is additive."""

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        x = self.embeddings(tokens)
        kept = mask.to(torch.float32)
        added = (1.0 - kept)[:, None, None, :] * torch.finfo(torch.float32).min
        for layer in self.layers:
            x = layer(x, added)
        weights = kept[..., None]
        return F.normalize((x * weights).sum(1) / weights.sum(1).clamp(min=1e-9), dim=1)


class PreNormLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = FusedAttention()
        self.first, self.second = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x), None)
        return x + self.second(F.gelu(self.first(self.norm2(x))))


class ViT(nn.Module):
    """[N, 3, 16, 16] to [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.places = nn.Parameter(torch.randn(1, 17, WIDTH))
        self.layers = nn.Sequential(*(PreNormLayer() for _ in range(LAYERS)), nn.LayerNorm(WIDTH))
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.layers(x)[:, 0])


class MixerLayer(nn.Module):
    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.tokens = nn.Sequential(nn.Linear(tokens, 24), nn.GELU(), nn.Linear(24, tokens))
        self.channels = nn.Sequential(nn.Linear(WIDTH, 48), nn.GELU(), nn.Linear(48, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """[N, 3, 16, 16] to [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.layers = nn.Sequential(*(MixerLayer(16) for _ in range(LAYERS)), nn.LayerNorm(WIDTH))
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(self.patches(x).flatten(2).transpose(1, 2))
        return self.head(x.mean(1))


class ConvNeXtBlock(nn.Module):
    """[N, 16, H, W] to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(16, 16, 7, padding=3, groups=16)
        self.norm = nn.LayerNorm(16, eps=1e-6)
        self.first, self.second = nn.Linear(16, 64), nn.Linear(64, 16)
        self.scale = nn.Parameter(torch.randn(16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.second(F.gelu(self.first(y)))
        return x + y.permute(0, 3, 1, 2)


class Conv1D(nn.Module):
    """GPT-2's linear layer, weights stored [K, N]."""

    def __init__(self, k: int, n: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(k, n) * 0.1), nn.Parameter(torch.randn(n))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.matmul(x, self.weight) + self.bias


class GptLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = Conv1D(WIDTH, 3 * WIDTH), Conv1D(WIDTH, WIDTH)
        self.first, self.second = Conv1D(WIDTH, 2 * WIDTH), Conv1D(2 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (_heads(part, HEADS) for part in self.qkv(self.norm1(x)).split(WIDTH, 2))
        x = x + self.out(_joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
        return x + self.second(F.gelu(self.first(self.norm2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    """tokens int64 [N, L] to [N, L, VOCABULARY]; the head's weights are the embedding's."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(LONGEST, WIDTH)
        self.layers = nn.Sequential(*(GptLayer() for _ in range(LAYERS)), nn.LayerNorm(WIDTH))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.layers(self.words(tokens) + self.places(places))
        return F.linear(x, self.words.weight)


class RmsNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(WIDTH) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def _rotated(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return x * cosines + torch.cat([-x[..., half:], x[..., :half]], -1) * sines


class LlamaLayer(nn.Module):
    """Two heads of keys and values for four of queries."""

    def __init__(self) -> None:
        super().__init__()
        kv = WIDTH // 2
        self.norm1, self.norm2 = RmsNorm(), RmsNorm()
        self.q, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(WIDTH, kv, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(WIDTH, 2 * WIDTH, bias=False) for _ in range(2))
        self.down = nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def forward(
        self, x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        y = self.norm1(x)
        q = _rotated(_heads(self.q(y), HEADS), cosines, sines)
        k = _rotated(_heads(self.k(y), HEADS // 2), cosines, sines)
        k, v = (t.repeat_interleave(2, 1) for t in (k, _heads(self.v(y), HEADS // 2)))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(_joined(y))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    """tokens int64 [N, L] to [N, L, VOCABULARY]."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(LlamaLayer() for _ in range(LAYERS))
        self.norm, self.head = RmsNorm(), nn.Linear(WIDTH, VOCABULARY, bias=False)
        size = WIDTH // HEADS
        self.register_buffer("rates", 10000.0 ** (-torch.arange(0, size, 2).float() / size))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        angles = places.float()[:, None] * self.rates[None, :]
        angles = torch.cat([angles, angles], -1)
        mask = places[None, :] <= places[:, None]
        x = self.words(tokens)
        for layer in self.layers:
            x = layer(x, angles.cos(), angles.sin(), mask[None, None])
        return self.head(self.norm(x))


Inputs = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Transformer:
    """A kind of network, what makes its inputs, and its dimensions' names for torch.export."""

    build: Callable[[], nn.Module]
    inputs: Callable[[int, int, torch.Generator], Inputs]  # batch, length
    dims: tuple[tuple[str, ...], ...]  # of each input, those that are dynamic

    def dynamic_shapes(self) -> tuple[dict[int, Dim], ...]:
        found = {"batch": Dim("batch", min=1, max=4), "length": Dim("length", min=2, max=LONGEST)}
        return tuple({at: found[name] for at, name in enumerate(names)} for names in self.dims)


def _tokens(batch: int, length: int, generator: torch.Generator) -> Inputs:
    return (torch.randint(VOCABULARY, (batch, length), generator=generator),)


def _masked(batch: int, length: int, generator: torch.Generator) -> Inputs:
    """Tokens, and a mask that leaves the first of each row and some of the others."""
    mask = torch.randint(2, (batch, length), generator=generator)
    mask[:, 0] = 1
    return (*_tokens(batch, length, generator), mask)


def _images(batch: int, length: int, generator: torch.Generator) -> Inputs:
    return (torch.randn(batch, 3, 16, 16, generator=generator),)


def _features(batch: int, length: int, generator: torch.Generator) -> Inputs:
    return (torch.randn(batch, 16, 9, 10, generator=generator),)


_TEXT = ("batch", "length")
TRANSFORMERS: Mapping[str, Transformer] = {
    "bert": Transformer(Bert, _masked, (_TEXT, _TEXT)),
    "distilbert": Transformer(DistilBert, _masked, (_TEXT, _TEXT)),
    "sentence_encoder": Transformer(SentenceEncoder, _masked, (_TEXT, _TEXT)),
    "vit": Transformer(ViT, _images, (("batch",),)),
    "mixer": Transformer(Mixer, _images, (("batch",),)),
    "convnext": Transformer(ConvNeXtBlock, _features, (("batch",),)),
    "gpt2": Transformer(Gpt2, _tokens, (_TEXT,)),
    "llama": Transformer(Llama, _tokens, (_TEXT,)),
}
