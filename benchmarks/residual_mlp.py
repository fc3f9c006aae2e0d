"""Write the .pte of a residual MLP, to be profiled on another machine.

    python benchmarks/residual_mlp.py residual_mlp.pte
    python -m executorch_vulkan profile residual_mlp.pte

y = x + second(relu(first(x))) a block, with random weights, quantized to static int8 with a scale
for each channel of the weights. Only this script needs what exports and lowers.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path

import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from pt2e_int8 import static_int8


class Block(nn.Module):
    """[rows, width] to [rows, width]."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(torch.relu(self.first(x)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the .pte")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=1024)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    blocks = [Block(options.width, options.hidden) for _ in range(options.blocks)]
    inputs = (torch.randn(options.rows, options.width),)
    program = torch.export.export(static_int8(nn.Sequential(*blocks).eval(), inputs), inputs)
    lowered = to_edge_transform_and_lower(program, partitioner=[VulkanPartitioner()])
    [delegate] = read_delegates(lowered)
    options.output.write_bytes(lowered.to_executorch().buffer)
    size = options.output.stat().st_size / 2**20
    print(f"{options.output}: {size:.1f} MiB, {len(delegate.op_names)} ops in one delegate")


if __name__ == "__main__":
    main()
