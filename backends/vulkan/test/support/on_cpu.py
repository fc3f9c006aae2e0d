"""An op without a kernel here, for tests of what stays on the CPU: one function to change when it
gets one."""

from __future__ import annotations

import torch

ON_CPU = "aten._cdist_forward.default"
# Made before anything is traced, which then has them as constants.
_POINTS = {
    size: torch.linspace(-1.0, 1.0, size * size).view(size, size)
    for size in (*range(1, 129), 256, 512, 1024)
}


def on_cpu(x: torch.Tensor, points: torch.Tensor | None = None) -> torch.Tensor:
    """As many elements as x [..., rows, columns] has, each made of several; `points`, of
    [columns, columns], are constants of the program unless they are given."""
    points = _POINTS[x.shape[-1]] if points is None else points
    return torch.cdist(x, points.to(x.dtype), p=1.0)
