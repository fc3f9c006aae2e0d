"""The networks that are timed beside PyTorch, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from encoder import Layer
from networks import random_network

TOKENS = 128
VOCABULARY = 30522
# Rows of a weight that differ. What a layer takes does not depend on its values, and files of
# repeated rows travel compressed.
DISTINCT_ROWS = 16


class Encoder(nn.Module):
    """BERT: tokens, mask int64 [N, L] to hidden states [N, L, width]."""

    def __init__(self, layers: int, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(512, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, inner, heads, 1e-5) for _ in range(layers))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.words(tokens) + self.places.weight[: tokens.shape[1]])
        allowed = (mask != 0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, allowed)
        return x


@dataclass(frozen=True)
class Model:
    """A network and a batch of its inputs, on the CPU in float32."""

    build: Callable[[], nn.Module]
    inputs: Callable[[int], tuple[torch.Tensor, ...]]


def _images(count: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(count, 3, 224, 224, generator=generator),)


def _sentences(count: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(VOCABULARY, (count, TOKENS), generator=generator)
    return tokens, torch.ones_like(tokens)


def _network(name: str) -> Model:
    return Model(
        lambda: random_network(name, _images(1)[0][..., :64, :64].repeat(2, 1, 1, 1)), _images
    )


def _encoder(*sizes: int) -> Model:
    return Model(lambda: Encoder(*sizes).eval(), _sentences)


MODELS: Mapping[str, Model] = {
    "mobilenet_v2": _network("mobilenet_v2"),
    "resnet18": _network("resnet18"),
    "resnet50": _network("resnet50"),
    "minilm": _encoder(6, 384, 12, 1536),
    "bert_base": _encoder(12, 768, 12, 3072),
}


def inputs(name: str, batch: int) -> tuple[torch.Tensor, ...]:
    """A batch for the network, on the CPU in float32 or int64."""
    return MODELS[name].inputs(batch)


def build(name: str) -> nn.Module:
    """The network of this name in `MODELS`."""
    torch.manual_seed(0)
    model = MODELS[name].build()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                rows = torch.arange(len(parameter)) % DISTINCT_ROWS
                parameter.copy_(parameter[rows].clone())
    return model
