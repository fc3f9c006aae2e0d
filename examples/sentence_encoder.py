"""all-MiniLM-L6-v2 on Vulkan with its real weights: float32, static int8, dynamic int8.

Each mode is one program for batches of 1 to 32 sentences of up to 128 tokens. It prints how close
its embeddings are to those of the float32 model in PyTorch, what a small semantic search finds with
them, what of it is on Vulkan, and the time of a sentence. It fails where an embedding is further
away than the mode may be, or anything is left on the CPU. Minutes, most of them for lowering.

    python examples/sentence_encoder.py [--modes float static dynamic] [--runs 5] [--xnnpack]
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Importing and exporting log dozens of lines that say nothing about this example.
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

# ruff: noqa: E402
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from executorch.runtime import Method
from tokenizers import Tokenizer
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from executorch_vulkan import VulkanInt8Quantizer, VulkanPartitioner, smooth_outliers
from minilm import load_model, load_tokenizer, tokens_of
from sentences import CALIBRATION, DOCUMENTS, QUERIES
from steps import load, print_device, time_us, what_is_where

BATCHES = (1, 32)
_SHAPES = (
    {0: torch.export.Dim("batch", min=1, max=32), 1: torch.export.Dim("length", min=2, max=128)},
) * 2


@dataclass(frozen=True)
class Mode:
    """How the model is quantized, and the mean cosine to float32 that it must have at least."""

    quantizer: VulkanInt8Quantizer | None
    cosine: float
    smooth: bool = False  # scale down channels with outliers first


MODES = {
    "float": Mode(None, 0.9999),
    "static": Mode(VulkanInt8Quantizer(), 0.99, smooth=True),
    "dynamic": Mode(VulkanInt8Quantizer(dynamic=True), 0.995),
}
Inputs = tuple[torch.Tensor, torch.Tensor]


def quantize(model: nn.Module, mode: Mode, tokenizer: Tokenizer) -> nn.Module:
    """Calibrated on sentences that are not among those that are compared."""
    batches = [tokens_of(tokenizer, CALIBRATION[at : at + 6]) for at in range(0, 18, 6)]
    exported = torch.export.export(model, batches[0], dynamic_shapes=_SHAPES).module()
    if mode.smooth:
        exported = smooth_outliers(exported, batches)
    prepared = prepare_pt2e(exported, mode.quantizer)
    for batch in batches:
        prepared(*batch)
    return convert_pt2e(prepared)


def lower(model: nn.Module, example: Inputs) -> EdgeProgramManager:
    exported = torch.export.export(model, example, dynamic_shapes=_SHAPES)
    return to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])


def embed(method: Method, tokenizer: Tokenizer, sentences: Sequence[str]) -> torch.Tensor:
    """Embeddings [N, width], in batches of 8 that are as long as their longest sentence."""
    found = []
    for at in range(0, len(sentences), 8):
        [rows] = method.execute(list(tokens_of(tokenizer, sentences[at : at + 8])))
        found.append(rows.clone())
    return torch.cat(found)


def search(queries: torch.Tensor, documents: torch.Tensor) -> list[int]:
    """For each query the number of the nearest document."""
    return (queries @ documents.T).argmax(1).tolist()


def milliseconds(method: Method, inputs: Inputs, runs: int) -> float:
    """Of one sentence of a batch."""
    return time_us(method, inputs, runs) / 1e3 / len(inputs[0])


def run_mode(name: str, model: nn.Module, wanted: torch.Tensor, runs: int, folder: Path) -> bool:
    """Quantize, lower and run in one mode; print a line; whether all is right."""
    mode, tokenizer = MODES[name], load_tokenizer()
    print(f"{name:<9} ", end="", flush=True)
    start = time.perf_counter()
    if mode.quantizer is not None:
        model = quantize(model, mode, tokenizer)
        print(f"quantized in {time.perf_counter() - start:.0f} s, ", end="", flush=True)
        start = time.perf_counter()
    lowered = lower(model, tokens_of(tokenizer, DOCUMENTS[:8]))
    print(f"lowered in {time.perf_counter() - start:.0f} s; ", end="", flush=True)
    method = load(lowered, folder / f"{name}.pte")
    documents = embed(method, tokenizer, DOCUMENTS)
    queries = embed(method, tokenizer, [query for query, _ in QUERIES])
    cosines = (torch.cat([documents, queries]) * wanted).sum(1)
    hits = search(queries, documents)
    right = sum(hit in answers for hit, (_, answers) in zip(hits, QUERIES, strict=True))
    where = what_is_where(lowered)
    print(
        f"{where}; cosine to float32 {cosines.mean():.4f} (least {cosines.min():.4f}); "
        f"{right} of {len(QUERIES)} queries answered; ms a sentence",
        *(
            f"{milliseconds(method, tokens_of(tokenizer, DOCUMENTS[:batch], 32), runs):.2f} "
            f"in batches of {batch}"
            for batch in BATCHES
        ),
        flush=True,
    )
    is_whole = where == "1 delegate, 0 ops on the CPU"
    is_close = float(cosines.mean()) >= mode.cosine
    if not (is_whole and is_close):
        print(f"FAILED: one delegate and a mean cosine of {mode.cosine} are expected")
    return is_whole and is_close


def time_xnnpack(model: nn.Module, runs: int, folder: Path) -> None:
    """ExecuTorch's CPU backend in float32; it takes one dynamic size, so it has none here."""
    tokenizer = load_tokenizer()
    for batch in BATCHES:
        inputs = tokens_of(tokenizer, DOCUMENTS[:batch], 32)
        program = torch.export.export(model, inputs)
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        method = load(lowered, folder / f"xnnpack{batch}.pte")
        taken = milliseconds(method, inputs, runs)
        print(f"XNNPACK   float32: ms a sentence {taken:.2f} in batches of {batch}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", nargs="*", choices=list(MODES), default=list(MODES))
    parser.add_argument("--runs", type=int, default=5, help="executions that are timed")
    parser.add_argument("--xnnpack", action="store_true", help="time ExecuTorch's CPU backend too")
    args = parser.parse_args()
    if not print_device():
        return 1
    model = load_model()
    texts = [*DOCUMENTS, *(query for query, _ in QUERIES)]
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        wanted = model(*tokens_of(load_tokenizer(), texts))
        are_right = [run_mode(name, model, wanted, args.runs, Path(folder)) for name in args.modes]
        if args.xnnpack:
            time_xnnpack(model, args.runs, Path(folder))
    return 0 if all(are_right) else 1


if __name__ == "__main__":
    sys.exit(main())
