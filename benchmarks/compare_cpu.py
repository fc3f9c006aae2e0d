"""Time static int8 networks on a CPU driver beside ExecuTorch's CPU backends.

    PYTHONPATH=examples python benchmarks/compare_cpu.py [NETWORK ...] [--runs 5] [--portable]

Wall milliseconds of an execution, medians of `runs` in turn in one process, random weights, batch
1: ours on the Vulkan device that is selected (lavapipe, say), XNNPACK's delegate with as many
threads as ExecuTorch takes, and with --portable no delegate at all, which computes dequantized
float32 by plain loops, seconds a run. All run the same graph by XNNPACKQuantizer.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.exir.backend.partitioner import Partitioner
from executorch.runtime import Method, Program, Runtime

from benchmark_models import MODELS, build, inputs
from executorch_vulkan import VulkanPartitioner, devices
from pt2e_int8 import static_int8

BACKENDS: dict[str, Callable[[], list[Partitioner]]] = {
    "ours": lambda: [VulkanPartitioner()],
    "XNNPACK": lambda: [XnnpackPartitioner()],
    "portable": list,
}


@dataclass(frozen=True)
class Loaded:
    program: Program  # which `method` needs
    method: Method

    def execution_ms(self, given: Sequence[torch.Tensor]) -> float:
        start = time.perf_counter()
        self.method.execute(given)
        return (time.perf_counter() - start) * 1e3


def load(program: torch.export.ExportedProgram, partitioners: list[Partitioner]) -> Loaded:
    lowered = to_edge_transform_and_lower(program, partitioner=partitioners).to_executorch()
    loaded = Runtime.get().load_program(lowered.buffer)
    return Loaded(loaded, loaded.load_method("forward"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--portable", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.networks) - set(MODELS):
        parser.error(f"no such network: {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    device = next(one for one in devices() if one.selected)
    print(
        f"{device.name}, {device.driver}; {torch.get_num_threads()} threads of PyTorch", flush=True
    )
    names = [name for name in BACKENDS if name != "portable" or options.portable]
    print("network       " + "".join(f"{name + ', ms':>14}" for name in names))
    for network in options.networks or MODELS:
        given = inputs(network, 1)
        program = torch.export.export(static_int8(build(network), given), given)
        programs = [load(program, BACKENDS[name]()) for name in names]
        for one in programs:
            one.execution_ms(given)
        taken = [[one.execution_ms(given) for one in programs] for _ in range(options.runs)]
        medians = [statistics.median(times) for times in zip(*taken, strict=True)]
        print(f"{network:14}" + "".join(f"{ms:14.1f}" for ms in medians), flush=True)


if __name__ == "__main__":
    main()
