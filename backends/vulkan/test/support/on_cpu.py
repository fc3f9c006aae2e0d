"""An op without a kernel here, for tests of what stays on the CPU: one line to change when it gets
one."""

from __future__ import annotations

import torch

ON_CPU = "aten.cumsum.default"


def on_cpu(x: torch.Tensor) -> torch.Tensor:
    """As many elements as x has, each made of several."""
    return torch.cumsum(x, -1)
