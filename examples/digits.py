"""scikit-learn's bundled 8x8 digits, in batches, and what a model says of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BATCH = 32  # images of one inference; the last batch is padded


def load_data(*shape: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Train and test images [N, *shape] in 0..1, and their labels."""
    digits = load_digits()
    split = train_test_split(
        digits.data / 16.0, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    train_x, test_x, train_y, test_y = map(torch.as_tensor, split)
    return train_x.float().reshape(-1, *shape), train_y, test_x.float().reshape(-1, *shape), test_y


def batches(images: torch.Tensor) -> list[torch.Tensor]:
    """Images in batches of BATCH, the last one padded with zeros."""
    padding = images.new_zeros(-len(images) % BATCH, *images.shape[1:])
    return list(torch.cat([images, padding]).split(BATCH))


def predict(model: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """The digit [N] that `model`, which gives logits of a batch, takes each image for."""
    with torch.no_grad():
        logits = torch.cat([model(batch) for batch in batches(images)])
    return logits[: len(images)].argmax(dim=1)


def print_accuracy(name: str, found: torch.Tensor, labels: torch.Tensor) -> None:
    print(f"{name:<17} {(found == labels).float().mean():.2%} of {len(labels)} test digits")
