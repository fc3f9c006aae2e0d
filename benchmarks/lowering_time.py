"""How long lowering takes beside XNNPACK's partitioner: all-MiniLM-L6-v2 with its real weights.

    python benchmarks/lowering_time.py [MODE ...] [--runs 3] [--profile]

For each mode it prints the CPU seconds of to_edge_transform_and_lower and to_executorch with
VulkanPartitioner and with XnnpackPartitioner, medians of `runs` in turn, and their ratio. XNNPACK's
partitioner gets the int8 graphs of XNNPACKQuantizer in all modes, for it fails on others. Both run
on one thread, so CPU seconds are what a user waits for on an idle machine, and they can be compared
on a busy one. Models are exported and quantized before, and both lower once unmeasured: the first
lowering of a process pays for what is kept. --profile says where ours takes its time.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.exir import to_edge_transform_and_lower
from executorch.exir.backend.partitioner import Partitioner
from torch.export import Dim, ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import Quantizer

from executorch_vulkan import VulkanInt8Quantizer, VulkanPartitioner

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from minilm import load_model, load_tokenizer, tokens_of
from sentences import CALIBRATION

_DYNAMIC = ({0: Dim("batch", min=1, max=32), 1: Dim("length", min=2, max=128)},) * 2


def _xnnpack_quantizer(is_dynamic: bool = False) -> XNNPACKQuantizer:
    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=is_dynamic)
    return XNNPACKQuantizer().set_global(config)


@dataclass(frozen=True)
class Mode:
    """What quantizes the model, for us and for XNNPACK; and its dynamic shapes."""

    ours: Callable[[], Quantizer] | None = None
    theirs: Callable[[], Quantizer] | None = None
    shapes: Any = None


MODES = {
    "float": Mode(),
    "float-shapes": Mode(shapes=_DYNAMIC),
    "static": Mode(VulkanInt8Quantizer, _xnnpack_quantizer),
    "static-shapes": Mode(VulkanInt8Quantizer, _xnnpack_quantizer, _DYNAMIC),
    "static-xnnpack": Mode(_xnnpack_quantizer, _xnnpack_quantizer),
    "dynamic": Mode(
        lambda: VulkanInt8Quantizer(dynamic=True), lambda: _xnnpack_quantizer(is_dynamic=True)
    ),
}


def exported(quantizer: Callable[[], Quantizer] | None, shapes: Any) -> ExportedProgram:
    """The program for 8 sentences of up to 64 tokens, calibrated on these."""
    inputs = tokens_of(load_tokenizer(), CALIBRATION[:8], 64)
    model: torch.nn.Module = load_model()
    if quantizer is not None:
        module = torch.export.export(model, inputs, dynamic_shapes=shapes).module()
        prepared = prepare_pt2e(module, quantizer())
        prepared(*inputs)
        model = convert_pt2e(prepared)
    return torch.export.export(model, inputs, dynamic_shapes=shapes)


def lowering_s(program: ExportedProgram, partitioner: Callable[[], Partitioner]) -> float:
    """CPU seconds of one lowering, which leaves the program as it is."""
    start = time.process_time()
    to_edge_transform_and_lower(program, partitioner=[partitioner()]).to_executorch()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"of {', '.join(MODES)}")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    warnings.simplefilter("ignore")
    print("mode            ours, CPU s  XNNPACK, CPU s  ratio")
    for name in options.modes or MODES:
        mode = MODES[name]
        program = exported(mode.ours, mode.shapes)
        work = [(program, VulkanPartitioner)]
        same = mode.ours is mode.theirs
        work += [(program if same else exported(mode.theirs, mode.shapes), XnnpackPartitioner)]
        for one in work:
            lowering_s(*one)
        taken = [[lowering_s(*one) for one in work] for _ in range(options.runs)]
        ours, theirs = map(statistics.median, zip(*taken, strict=True))
        print(f"{name:14}  {ours:11.2f}  {theirs:14.2f}  {ours / theirs:5.2f}", flush=True)
        if options.profile:
            profile = cProfile.Profile()
            profile.runcall(lowering_s, *work[0])
            pstats.Stats(profile).sort_stats("cumulative").print_stats(150)


if __name__ == "__main__":
    main()
