"""Time etvk_bench beside PyTorch on the same NVIDIA GPU, in the same run.

PyTorch's side does the same work in two kernels, replayed as one CUDA graph: torch._int_mm
(cuBLASLt, int8 x int8 -> int32) and a compiled requantize to int8. Both sides are warmed up for a
second before each shape, since clocks start low and may fall under load.

    python benchmarks/compare_torch.py --bench build/editable/bin/etvk_bench [--markdown FILE]
    python benchmarks/compare_torch.py --sweep --json sweep.json     # for plot_tops.py
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from torch_timing import WARMUP_S, median_us

SHAPES = (
    (128, 2048, 2048),
    (256, 2048, 2048),
    (512, 2048, 2048),
    (1024, 2048, 2048),
    (1024, 4096, 4096),
    (4096, 4096, 4096),
    (8192, 8192, 8192),
)
SWEEP = tuple((2**i, kn, kn) for kn in (2048, 4096) for i in range(4, 14))  # M 16 to 8192
TORCH_MIN_M = 17  # of torch._int_mm


@torch.compile
def requantize(
    acc: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, inv_output_scale: float
) -> torch.Tensor:
    f = acc.float() * scale + bias
    return (torch.round(f * inv_output_scale) + 3).clamp(-128, 127).to(torch.int8)


def torch_time_us(m: int, k: int, n: int) -> float:
    """Median time of one layer, in microseconds."""
    generator = torch.Generator("cuda").manual_seed(0)

    def random_int8(*shape: int) -> torch.Tensor:
        return torch.randint(-128, 128, shape, generator=generator, device="cuda").to(torch.int8)

    x, w = random_int8(m, k), random_int8(n, k)
    scale = torch.rand(n, generator=generator, device="cuda") * 1e-4
    bias = torch.randn(n, generator=generator, device="cuda")

    def layer() -> torch.Tensor:
        return requantize(torch._int_mm(x, w.t()), scale, bias, 0.5)

    return median_us(layer)


def our_result(bench: Path, m: int, k: int, n: int) -> dict[str, Any]:
    """etvk_bench's JSON result; it checks every byte before it times."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "bench.json")
        subprocess.run(
            [
                str(bench),
                *("--shape", f"{m}x{k}x{n}"),
                *("--warmup-ms", str(int(WARMUP_S * 1e3))),
                *("--json", str(report)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        document: dict[str, Any] = json.loads(report.read_text())
    return {**document, **document["results"][0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, default=Path("build/editable/bin/etvk_bench"))
    parser.add_argument(
        "--sweep", action="store_true", help="M from 16 to 8192, K = N = 2048, 4096"
    )
    parser.add_argument("--markdown", type=Path, help="write the table here as well")
    parser.add_argument("--json", type=Path, help="write what plot_tops.py draws")
    args = parser.parse_args()

    lines = [
        "| M x K x N | kernel | us | TOPS | torch us | torch TOPS | ours / torch |",
        "|---|---|---|---|---|---|---|",
    ]
    ratios = []
    results = []
    for m, k, n in SWEEP if args.sweep else SHAPES:
        theirs_us = torch_time_us(m, k, n) if m >= TORCH_MIN_M else None
        ours = our_result(args.bench, m, k, n)
        ours_us = ours["gpu"]["median_us"]
        results.append(
            {"M": m, "K": k, "N": n, "kernel": ours["kernel"], "us": ours_us, "torch_us": theirs_us}
        )
        if theirs_us is None:
            continue
        ratios.append(ours_us / theirs_us)
        tera = 2e-6 * m * n * k
        kernel = ours["kernel"].split("__", 1)[1]
        lines.append(
            f"| {m}x{k}x{n} | {kernel} | {ours_us:.1f} | {tera / ours_us:.0f} | {theirs_us:.1f} "
            f"| {tera / theirs_us:.0f} | {ratios[-1]:.2f} |"
        )
        print(lines[-1], flush=True)
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    lines += ["", f"Geometric mean of ours / torch: {mean:.2f}."]
    lines.append(f"{ours['device']}, {ours['driver']}, torch {torch.__version__}, {ours['date']}.")
    print("\n".join(lines))
    if args.json:
        names = ("device", "driver", "commit", "date")
        document = {**{name: ours[name] for name in names}, "torch": torch.__version__}
        args.json.write_text(json.dumps({**document, "results": results}, indent=2) + "\n")
    if args.markdown:
        args.markdown.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
