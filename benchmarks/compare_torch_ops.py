"""Time etvk_bench's memory-bound ops beside PyTorch's compiled equivalents, on the same NVIDIA GPU.

PyTorch's side is one function under torch.compile, replayed as one CUDA graph of several calls; its
copy is Tensor.copy_. GB/s counts every operand and the result once on both sides.

    python benchmarks/compare_torch_ops.py --bench build/editable/bin/etvk_bench [--markdown FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from torch_timing import median_us

SCALE_A, SCALE_B, OUTPUT_SCALE = 0.021, 0.017, 0.04
ZERO_A, ZERO_B, ZERO_Y = 3, -7, 11
HEAD_SIZE = 64


def quantize(f: torch.Tensor, scale: float) -> torch.Tensor:
    return (torch.round(f * (1 / scale)) + ZERO_Y).clamp(-128, 127).to(torch.int8)


def add(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return quantize((a.float() - ZERO_A) * SCALE_A + (b.float() - ZERO_B) * SCALE_B, OUTPUT_SCALE)


def mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return quantize((a.float() - ZERO_A) * SCALE_A * ((b.float() - ZERO_B) * SCALE_B), OUTPUT_SCALE)


def sub(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return quantize((a.float() - ZERO_A) * SCALE_A - (b.float() - ZERO_B) * SCALE_B, OUTPUT_SCALE)


def table(x: torch.Tensor, entries: torch.Tensor) -> torch.Tensor:
    return entries[x.int() + 128]


def mean(x: torch.Tensor, dim: int) -> torch.Tensor:
    total = x.to(torch.int32).sum(dim) - x.shape[dim] * ZERO_A
    return quantize(total.float() * (SCALE_A / x.shape[dim]), SCALE_A / 16)


def layer_norm_int8(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    f = (x.float() - ZERO_A) * SCALE_A
    return quantize(torch.nn.functional.layer_norm(f, x.shape[1:], weight, bias), OUTPUT_SCALE)


FLOAT_FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "relu_float": torch.relu,
    "exp_float": torch.exp,
    "tanh_float": torch.tanh,
    "sin_float": torch.sin,
    "gt_float": lambda x: x > 0.25,
    "sum_rows_float": lambda x: x.sum(1),
    "sum_columns_float": lambda x: x.sum(0),
    "sum_all_float": lambda x: x.sum(),
    "softmax_rows": lambda x: x.softmax(1),
    "softmax_columns": lambda x: x.softmax(0),
    "layer_norm": lambda x: torch.nn.functional.layer_norm(x, x.shape[1:], x[0], x[1]),
    "rms_norm": lambda x: torch.nn.functional.rms_norm(x, x.shape[1:], x[0]),
}


def torch_call(op: str, rows: int, columns: int) -> tuple[Callable[..., torch.Tensor], list[Any]]:
    """The function of an op of etvk_bench and its operands."""
    generator = torch.Generator("cuda").manual_seed(0)

    def int8(*shape: int) -> torch.Tensor:
        return torch.randint(-128, 128, shape, generator=generator, device="cuda").to(torch.int8)

    def float32(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device="cuda")

    others = {"row": (1, columns), "column": (rows, 1), "scalar": (1, 1)}
    if op in FLOAT_FUNCTIONS:
        return FLOAT_FUNCTIONS[op], [float32(rows, columns)]
    if op.startswith("add") and op.endswith("_float"):
        other = others.get(op.removeprefix("add_").removesuffix("_float"), (rows, columns))
        return torch.add, [float32(rows, columns), float32(*other)]
    if op == "layer_norm_int8":
        return layer_norm_int8, [int8(rows, columns), float32(columns), float32(columns)]
    name, _, detail = op.partition("_")
    random = float32 if detail == "float" and name != "table" else int8
    heads = (rows, columns // HEAD_SIZE, HEAD_SIZE)
    if name in ("add", "sub", "mul"):
        function = {"add": add, "sub": sub, "mul": mul}[name]
        return function, [int8(rows, columns), int8(*others.get(detail, (rows, columns)))]
    if name == "mean":
        dim = 1 if detail == "rows" else 0
        return lambda x: mean(x, dim), [int8(rows, columns)]
    if name == "table":
        return table, [int8(rows, columns), float32(256) if detail == "float" else int8(256)]
    if name == "cat":
        parts = [int8(rows, columns // 2), int8(rows, columns // 2)]
        return lambda a, b: torch.cat([a, b], 1), parts
    start = 1 if detail == "unaligned" else 16
    functions: dict[str, tuple[Callable[..., torch.Tensor], torch.Tensor]] = {
        "quantize": (lambda x: quantize(x, OUTPUT_SCALE), float32(rows, columns)),
        "dequantize": (lambda x: (x.float() - ZERO_A) * SCALE_A, int8(rows, columns)),
        "copy": (lambda x: x.clone(), int8(rows, columns)),
        "slice": (lambda x: x[:, start:].clone(), int8(rows, columns)),
        "transpose": (lambda x: x.t().contiguous(), random(rows, columns)),
        "heads": (lambda x: x.permute(1, 0, 2).contiguous(), random(*heads)),
        "keys": (lambda x: x.permute(1, 2, 0).contiguous(), random(*heads)),
    }
    function, operand = functions[name]
    return function, [operand]


def copy_gb_per_s(size_bytes: int = 64 << 20) -> float:
    source = torch.zeros(size_bytes, dtype=torch.int8, device="cuda")
    target = torch.empty_like(source)
    return 2e-3 * size_bytes / median_us(lambda: target.copy_(source))


def our_results(bench: Path, ops: list[str]) -> dict[str, Any]:
    """etvk_bench's JSON document; it checks every byte before it times."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "bench.json")
        named = [argument for op in ops for argument in ("--op", op)]
        subprocess.run(
            [str(bench.resolve()), *named, "--json", str(report)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        document: dict[str, Any] = json.loads(report.read_text())
    return document


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, default=Path("build/editable/bin/etvk_bench"))
    parser.add_argument("--op", action="append", help="of etvk_bench; default: all")
    parser.add_argument("--markdown", type=Path, help="write the table here as well")
    args = parser.parse_args()

    ours = our_results(args.bench, args.op or ["all"])
    copy = copy_gb_per_s()
    lines = [
        "| op | x | us | GB/s | of copy | torch us | ours / torch |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in ours["results"]:
        rows, columns = result["shape"]
        torch._dynamo.reset()
        function, operands = torch_call(result["op"], rows, columns)
        compiled = torch.compile(function, dynamic=False)
        theirs_us = median_us(lambda: compiled(*operands))  # noqa: B023
        ours_us = result["gpu"]["median_us"]
        gb_per_s = result["gb_per_s"]
        lines.append(
            f"| {result['op']} | {rows}x{columns} | {ours_us:.1f} | {gb_per_s:.0f} "
            f"| {100 * gb_per_s / copy:.0f} % | {theirs_us:.1f} | {ours_us / theirs_us:.2f} |"
        )
        print(lines[-1], flush=True)
    lines += ["", f"Tensor.copy_ of 64 MiB: {copy:.0f} GB/s read and written."]
    lines.append(f"{ours['device']}, {ours['driver']}, torch {torch.__version__}, {ours['date']}.")
    print("\n".join(lines))
    if args.markdown:
        args.markdown.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
