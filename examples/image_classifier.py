"""Convolutional networks in int8 on Vulkan: one that is trained here, then MobileNetV2 and ResNets.

First a small residual network is trained on scikit-learn's bundled 8x8 digits, quantized, lowered
and run; it fails unless Vulkan and the quantized graph in eager mode agree on nearly every digit.
Then published networks with random weights are lowered at their own image size, which shows what
of them is on Vulkan and what a picture costs.

    python examples/image_classifier.py [--networks mobilenet_v2 resnet18 resnet50] [--runs 5]
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path

# Importing and exporting log dozens of lines that say nothing about this example.
logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

# ruff: noqa: E402
import torch
from torch import nn

from digits import BATCH, batches, load_data, predict, print_accuracy
from networks import NETWORKS, BasicBlock, random_network
from steps import load, lower, print_device, quantize, time_us, what_is_where


def train(images: torch.Tensor, labels: torch.Tensor) -> nn.Module:
    """A residual network of five convolutions; some seconds on a CPU."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        BasicBlock(16, 16, 1),
        nn.MaxPool2d(2),
        BasicBlock(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(30):
        for rows in torch.randperm(len(images)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
    return model.eval()


def classify_digits(folder: Path) -> bool:
    """Whether Vulkan and eager mode agree on all but one digit in 200."""
    train_x, train_y, test_x, test_y = load_data(1, 8, 8)
    start = time.perf_counter()
    model = train(train_x, train_y)
    print(f"training          {time.perf_counter() - start:.0f} s, {len(train_x)} digits")
    quantized = quantize(model, batches(train_x)[:-1])
    lowered = lower(quantized, train_x[:BATCH])
    method = load(lowered, folder / "digits.pte")
    eager = predict(quantized, test_x)
    vulkan = predict(lambda batch: method.execute([batch])[0], test_x)
    for name, found in (
        ("float32", predict(model, test_x)),
        ("int8, eager", eager),
        ("int8, Vulkan", vulkan),
    ):
        print_accuracy(name, found, test_y)
    print(f"program           {what_is_where(lowered)}")
    a_digit = time_us(method, test_x[:BATCH], 50) / BATCH
    print(f"time              {a_digit:.0f} us an image, in batches of {BATCH}")
    different = int((eager != vulkan).sum())
    if different > len(test_y) // 200:
        print(f"FAILED: {different} predictions differ from the eager graph")
    return different <= len(test_y) // 200


def run_network(name: str, runs: int, folder: Path) -> None:
    """Quantize, lower and run one of `NETWORKS`, and print a line of it."""
    images = torch.randn(2, *NETWORKS[name].shape, generator=torch.Generator().manual_seed(0))
    start = time.perf_counter()
    quantized = quantize(random_network(name, images), images.split(1))
    lowered = lower(quantized, images[:1])
    seconds = time.perf_counter() - start
    method = load(lowered, folder / f"{name}.pte")
    image = images[:1]
    [result], wanted = method.execute([image]), quantized(image)
    apart = (result - wanted).abs().max() / wanted.abs().max()
    milliseconds = time_us(method, image, runs) / 1e3
    print(
        f"{name:<17} {what_is_where(lowered)}; {milliseconds:.1f} ms an image, "
        f"lowered in {seconds:.0f} s; at most {apart:.1%} of the largest logit from eager mode"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--networks",
        nargs="*",
        choices=list(NETWORKS),
        default=["mobilenet_v2", "resnet18", "resnet50"],
    )
    parser.add_argument("--runs", type=int, default=5, help="executions that are timed")
    args = parser.parse_args()
    if not print_device():
        return 1
    with tempfile.TemporaryDirectory() as folder:
        is_right = classify_digits(Path(folder))
        for name in args.networks:
            run_network(name, args.runs, Path(folder))
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
