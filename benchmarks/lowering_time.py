"""How long lowering takes: CPU seconds over layers and over delegates.

    python benchmarks/lowering_time.py [--layers 1,10,50] [--delegates 1,20] [--profile]

A model is a chain of int8 linears with relu, once as one delegate and once cut into delegates by
cumulative sums, which stay on the CPU. Only to_edge_transform_and_lower is timed. It runs on one
thread, so CPU seconds are what a user waits for on an idle machine, and they can be compared on a
busy one. The first line is a model of one layer too: the first of a process pays for what is kept.
"""

from __future__ import annotations

import argparse
import cProfile
import logging
import pstats
import time
import warnings
from collections.abc import Sequence

import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from static_int8 import quantized

WIDTH = 64


class Chain(nn.Module):
    """`delegates` chains, each of `layers` linears with relu, with a cumulative sum between two."""

    def __init__(self, layers: int, delegates: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(layers)) for _ in range(delegates)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, part in enumerate(self.parts):
            if index:
                x = torch.cumsum(x, dim=-1)
            for layer in part:
                x = torch.relu(layer(x))
        return x


def exported_chain(layers: int, delegates: int) -> torch.export.ExportedProgram:
    """The exported int8 model."""
    torch.manual_seed(0)
    inputs = (torch.randn(4, WIDTH),)
    return torch.export.export(quantized(Chain(layers, delegates).eval(), inputs), inputs)


def lowering_time_s(program: torch.export.ExportedProgram, delegates: int) -> float:
    """CPU seconds of one lowering, which must make `delegates` delegates."""
    start = time.process_time()
    lowered = to_edge_transform_and_lower(program, partitioner=[VulkanPartitioner()])
    seconds = time.process_time() - start
    if len(read_delegates(lowered)) != delegates:
        raise RuntimeError(f"expected {delegates} delegates, got {len(read_delegates(lowered))}")
    return seconds


def numbers(text: str) -> Sequence[int]:
    return tuple(map(int, text.split(",")))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--layers", type=numbers, default=(1, 10, 50))
    parser.add_argument("--delegates", type=numbers, default=(1, 20))
    parser.add_argument(
        "--profile", action="store_true", help="where the time of the last one goes"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    sizes = [(layers, 1) for layers in options.layers]
    sizes += [(1, delegates) for delegates in options.delegates if (1, delegates) not in sizes]
    first = lowering_time_s(exported_chain(1, 1), 1)
    print(f"first of the process: {first:.2f} CPU seconds")
    print("layers each  delegates  CPU seconds")
    profile = cProfile.Profile()
    for layers, delegates in sizes:
        program = exported_chain(layers, delegates)
        if options.profile:
            profile = cProfile.Profile()
            seconds = profile.runcall(lowering_time_s, program, delegates)
        else:
            seconds = lowering_time_s(program, delegates)
        print(f"{layers:11d}  {delegates:9d}  {seconds:11.2f}", flush=True)
    if options.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
