"""Train, quantize, lower and run an int8 digit classifier on Vulkan.

An MLP 64-128-96-10 on scikit-learn's bundled 8x8 digits. Prints the accuracy of the float32 model,
of the quantized graph in eager mode and of the Vulkan program, and fails unless the last two agree
on every prediction.

    python examples/digits_mlp.py [--output digits_mlp.pte]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
import warnings
from itertools import pairwise
from pathlib import Path

# Importing and exporting log dozens of lines that say nothing about this example.
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

# ruff: noqa: E402
import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from executorch.runtime import Method, Runtime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

import executorch_vulkan
from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates

WIDTHS = (64, 128, 96, 10)
BATCH = 32  # rows of one inference; the last batch is padded


def load_data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Train and test images [rows, 64] in 0..1, and their labels."""
    digits = load_digits()
    split = train_test_split(
        digits.data / 16.0, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    train_x, test_x, train_y, test_y = map(torch.as_tensor, split)
    return train_x.float(), train_y, test_x.float(), test_y


def train(images: torch.Tensor, labels: torch.Tensor) -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(WIDTHS[0], WIDTHS[1]),
        torch.nn.ReLU(),
        torch.nn.Linear(WIDTHS[1], WIDTHS[2]),
        torch.nn.ReLU(),
        torch.nn.Linear(WIDTHS[2], WIDTHS[3]),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        for rows in torch.randperm(len(images)).split(128):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
    return model.eval()


def quantize(model: torch.nn.Module, images: torch.Tensor) -> torch.nn.Module:
    """Static PT2E int8: per-tensor activations, per-channel weights."""
    example = (images[:BATCH],)
    config = get_symmetric_quantization_config(is_per_channel=True)
    prepared = prepare_pt2e(
        torch.export.export(model, example).module(), XNNPACKQuantizer().set_global(config)
    )
    for batch in images.split(BATCH):
        if len(batch) == BATCH:
            prepared(batch)
    return convert_pt2e(prepared)


def lower(quantized: torch.nn.Module, example: torch.Tensor) -> EdgeProgramManager:
    return to_edge_transform_and_lower(
        torch.export.export(quantized, (example,)), partitioner=[VulkanPartitioner()]
    )


def batches(images: torch.Tensor) -> list[torch.Tensor]:
    """Images in batches of BATCH rows, the last one padded with zeros."""
    padding = -len(images) % BATCH
    padded = torch.cat([images, torch.zeros(padding, images.shape[1])])
    return list(padded.split(BATCH))


def predict_on_vulkan(method: Method, images: torch.Tensor) -> torch.Tensor:
    logits = torch.cat([method.execute([batch])[0] for batch in batches(images)])
    return logits[: len(images)].argmax(dim=1)


def predict_eagerly(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        logits = torch.cat([model(batch) for batch in batches(images)])
    return logits[: len(images)].argmax(dim=1)


def time_per_inference_us(method: Method, batch: torch.Tensor) -> float:
    """Median host time of one execute, in microseconds, after a warm-up."""
    times = []
    for _ in range(220):
        start = time.perf_counter()
        method.execute([batch])
        times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times[20:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("digits_mlp.pte"))
    args = parser.parse_args()

    device = next((d for d in executorch_vulkan.devices() if d.selected), None)
    if device is None:
        print("no Vulkan device; install a driver: apt-get install libvulkan1 mesa-vulkan-drivers")
        return 1
    print(f"device            {device.name} ({device.type}, {device.driver})")
    kernels = {executorch_vulkan.linear_kernel(BATCH, n, k) for k, n in pairwise(WIDTHS)}
    print(f"kernels           {', '.join(sorted(kernels))}")

    train_x, train_y, test_x, test_y = load_data()
    model = train(train_x, train_y)
    quantized = quantize(model, train_x)
    lowered = lower(quantized, train_x[:BATCH])
    args.output.write_bytes(lowered.to_executorch().buffer)
    method = Runtime.get().load_program(args.output).load_method("forward")

    eager = predict_eagerly(quantized, test_x)
    vulkan = predict_on_vulkan(method, test_x)
    for name, predictions in (
        ("float32", predict_eagerly(model, test_x)),
        ("int8, eager", eager),
        ("int8, Vulkan", vulkan),
    ):
        print(
            f"{name:<17} {(predictions == test_y).float().mean():.2%} of {len(test_y)} test digits"
        )
    for index, delegate in enumerate(read_delegates(lowered)):
        print(f"delegate {index}        {' -> '.join(delegate.op_names)}")
    time_us = time_per_inference_us(method, test_x[:BATCH])
    print(f"time              {time_us:.0f} us a batch of {BATCH}")
    print(f"program           {args.output.resolve()}")
    if not torch.equal(eager, vulkan):
        print(f"FAILED: {int((eager != vulkan).sum())} predictions differ from the eager graph")
        return 1
    print("Vulkan and eager int8 agree on every prediction.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
