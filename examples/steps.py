"""The steps that the examples share: quantize, lower, load, time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from executorch.runtime import Method, Runtime
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

import executorch_vulkan
from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates


def print_device() -> bool:
    """Whether there is a Vulkan device; prints which one, or what to do."""
    device = next((d for d in executorch_vulkan.devices() if d.selected), None)
    if device is None:
        print("no Vulkan device; install a driver: apt-get install libvulkan1 mesa-vulkan-drivers")
        return False
    print(f"device            {device.name} ({device.type}, {device.driver})")
    return True


def quantize(model: torch.nn.Module, batches: Iterable[torch.Tensor]) -> torch.nn.Module:
    """Static PT2E int8, calibrated on `batches`: per-tensor activations, per-channel weights."""
    batches = list(batches)
    config = get_symmetric_quantization_config(is_per_channel=True)
    prepared = prepare_pt2e(
        torch.export.export(model, (batches[0],)).module(), XNNPACKQuantizer().set_global(config)
    )
    for batch in batches:
        prepared(batch)
    return convert_pt2e(prepared)


def lower(quantized: torch.nn.Module, example: torch.Tensor) -> EdgeProgramManager:
    return to_edge_transform_and_lower(
        torch.export.export(quantized, (example,)), partitioner=[VulkanPartitioner()]
    )


def load(lowered: EdgeProgramManager, path: Path) -> Method:
    """Write the program to `path` and load it, as an application would."""
    path.write_bytes(lowered.to_executorch().buffer)
    return Runtime.get().load_program(path).load_method("forward")


def what_is_where(lowered: EdgeProgramManager) -> str:
    """How many delegates a program has, and ops that are left for the CPU."""
    nodes = lowered.exported_program().graph.nodes
    calls = {"executorch_call_delegate", "getitem"}
    ops = [n for n in nodes if n.op == "call_function" and n.target.__name__ not in calls]
    delegates = read_delegates(lowered)
    return f"{len(delegates)} delegate{'s'[: len(delegates) != 1]}, {len(ops)} ops on the CPU"


def time_us(method: Method, inputs: torch.Tensor | Sequence[torch.Tensor], runs: int) -> float:
    """Median host time of one execution, in microseconds, after a tenth of the runs to warm up."""
    given = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
    times = []
    for _ in range(runs + runs // 10 + 1):
        start = time.perf_counter()
        method.execute(given)
        times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times[-runs:])
