"""Time whole networks beside PyTorch on the same NVIDIA GPU, in one run.

    export PYTHONPATH=examples
    python benchmarks/compare_models.py lower FOLDER     writes FOLDER/MODEL.MODE.bBATCH.pte
    python benchmarks/compare_models.py time FOLDER      times these, and PyTorch's

Ours are times on the GPU, without the copies to and from the device; medians over executions of
etvk_run: of all ops but the first together, as they run without a tracer, and of the first alone.
Where the time goes is then printed by op, each timed alone, which adds up to more. "int8" is
static, "dynamic" has a scale for each token. PyTorch's is the same network in float16 under
torch.compile(mode="reduce-overhead"), channels-last for images: the median between two events
around a call whose inputs are on the GPU. Both run for some seconds first, as clocks start low.
Only the first step needs what exports and quantizes, so the folder may be copied to the machine
with the GPU in between.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmark_models import MODELS, build, inputs
from executorch_vulkan.cli.events import Profile, Row, read_profile

MODES = ("int8", "dynamic", "float")
WARM_UP, REPEATS = 30, 50  # PyTorch's warm-up also compiles
WARM_UP_S = 2.0
COPIES = "copy "  # how rows begin that move inputs and outputs


def lower(folder: Path, names: Sequence[str], modes: Sequence[str], batches: Sequence[int]) -> None:
    from executorch.exir import to_edge_transform_and_lower

    from executorch_vulkan import VulkanPartitioner
    from executorch_vulkan.program import read_delegates
    from pt2e_int8 import dynamic_int8, static_int8

    quantizers = {"int8": static_int8, "dynamic": dynamic_int8}
    for name in names:
        for mode in modes:
            model, example = build(name), inputs(name, 2)
            if quantize := quantizers.get(mode):
                dims = tuple({0: torch.export.Dim.DYNAMIC} for _ in example)
                model = quantize(model, example, dims)
            for batch in batches:
                start = time.perf_counter()
                program = torch.export.export(model, inputs(name, batch))
                lowered = to_edge_transform_and_lower(program, partitioner=[VulkanPartitioner()])
                path = folder / f"{name}.{mode}.b{batch}.pte"
                path.write_bytes(lowered.to_executorch().buffer)
                ops = [len(delegate.op_names) for delegate in read_delegates(lowered)]
                seconds = time.perf_counter() - start
                print(f"{path.name}: delegates of {ops} ops, {seconds:.0f} s", flush=True)


def ours(runner: Path, program: Path, events: str) -> Profile:
    """What the tracer is told with this word for ETVK_EVENTS."""
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder, "events")
        timed = ["--warm-up-ms", str(int(WARM_UP_S * 1e3)), "--repeat", str(REPEATS)]
        subprocess.run(
            [str(runner), str(program), *timed, "--etdump", str(dump)],
            env=os.environ | {"ETVK_EVENTS": events},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return read_profile(dump)


def ops_of(profile: Profile) -> list[Row]:
    """On the GPU, without the copies of inputs and outputs."""
    return [row for row in profile.rows if row.place == "gpu" and not row.name.startswith(COPIES)]


def gpu_us(alone: Profile, together: Profile) -> float:
    [others] = ops_of(together)
    return ops_of(alone)[0].us + others.us


def by_op(profile: Profile) -> str:
    """A line for each op and kernel: how many, and their share of the GPU's time."""
    total = sum(row.us for row in ops_of(profile))
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in ops_of(profile):
        times[row.name, ", ".join(row.kernels)].append(row.us)
    lines = [
        f"  {sum(us):9.1f} us {100 * sum(us) / total:5.1f} %  {len(us):3d} x {name}  {kernels}"
        for (name, kernels), us in sorted(times.items(), key=lambda item: -sum(item[1]))
    ]
    return "\n".join(lines)


def torch_us(name: str, batch: int) -> float:
    """Median of a call, us."""
    model = build(name).half().cuda()
    given = [x.cuda() for x in inputs(name, batch)]
    if given[0].dim() == 4:
        model = model.to(memory_format=torch.channels_last)
        given[0] = given[0].half().contiguous(memory_format=torch.channels_last)
    compiled = torch.compile(model, mode="reduce-overhead")
    times = []
    with torch.no_grad():
        started = time.perf_counter()
        for _ in range(WARM_UP):
            compiled(*given)
        torch.cuda.synchronize()
        while time.perf_counter() - started < WARM_UP_S:
            compiled(*given)
        for _ in range(REPEATS):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            begin.record()
            compiled(*given)
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) * 1e3)
    return statistics.median(times)


def compare(folder: Path, names: Sequence[str], runner: Path) -> None:
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    print("| model | mode | batch | ours us | torch float16 us | ours / torch |")
    print("|---|---|---|---|---|---|")
    theirs: dict[tuple[str, int], float] = {}
    details = []
    for program in sorted(folder.glob("*.pte")):
        name, mode, size = program.stem.split(".")
        batch = int(size.removeprefix("b"))
        if name not in names:
            continue
        if (name, batch) not in theirs:
            theirs[name, batch] = torch_us(name, batch)
        alone, together = (ours(runner, program, events) for events in ("ops", "together"))
        us, their_us = gpu_us(alone, together), theirs[name, batch]
        print(
            f"| {name} | {mode} | {batch} | {us:.0f} | {their_us:.0f} | {us / their_us:.2f} |",
            flush=True,
        )
        details.append(f"\n{program.stem}: {us:.0f} us\n{by_op(alone)}")
    print("\n".join(details))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("step", choices=("lower", "time"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--modes", nargs="+", default=["int8"], choices=MODES)
    parser.add_argument("--batches", nargs="+", default=[1, 32], type=int)
    parser.add_argument("--runner", type=Path, default=Path("build/editable/bin/etvk_run"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if options.step == "lower":
        options.folder.mkdir(parents=True, exist_ok=True)
        lower(options.folder, options.models, options.modes, options.batches)
    else:
        compare(options.folder, options.models, options.runner)


if __name__ == "__main__":
    main()
