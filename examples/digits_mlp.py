"""Train, quantize, lower and run an int8 digit classifier on Vulkan.

An MLP 64-128-96-10 on scikit-learn's bundled 8x8 digits. Prints the accuracy of the float32 model,
of the quantized graph in eager mode and of the Vulkan program, and fails unless the last two agree
on every prediction.

    python examples/digits_mlp.py [--output digits_mlp.pte]
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from itertools import pairwise
from pathlib import Path

# Importing and exporting log dozens of lines that say nothing about this example.
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

# ruff: noqa: E402
import torch

import executorch_vulkan
from digits import BATCH, batches, load_data, predict, print_accuracy
from executorch_vulkan.program import read_delegates
from steps import load, lower, print_device, quantize, time_us

WIDTHS = (64, 128, 96, 10)


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("digits_mlp.pte"))
    args = parser.parse_args()

    if not print_device():
        return 1
    kernels = {executorch_vulkan.linear_kernel(BATCH, n, k) for k, n in pairwise(WIDTHS)}
    print(f"kernels           {', '.join(sorted(kernels))}")

    train_x, train_y, test_x, test_y = load_data(WIDTHS[0])
    model = train(train_x, train_y)
    quantized = quantize(model, batches(train_x)[:-1])
    lowered = lower(quantized, train_x[:BATCH])
    method = load(lowered, args.output)

    eager = predict(quantized, test_x)
    vulkan = predict(lambda batch: method.execute([batch])[0], test_x)
    for name, predictions in (
        ("float32", predict(model, test_x)),
        ("int8, eager", eager),
        ("int8, Vulkan", vulkan),
    ):
        print_accuracy(name, predictions, test_y)
    for index, delegate in enumerate(read_delegates(lowered)):
        print(f"delegate {index}        {' -> '.join(delegate.op_names)}")
    time = time_us(method, test_x[:BATCH], 200)
    print(f"time              {time:.0f} us a batch of {BATCH}")
    print(f"program           {args.output.resolve()}")
    if not torch.equal(eager, vulkan):
        print(f"FAILED: {int((eager != vulkan).sum())} predictions differ from the eager graph")
        return 1
    print("Vulkan and eager int8 agree on every prediction.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
