"""Show where the time of a program (MODEL.pte) goes: a row an op, with its kernel and its speed."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from ..runtime.loader import copy_gb_per_s, devices
from . import inputs
from .events import Profile, Row, read_profile
from .html import page
from .trace import trace_events

NAME = "profile"
_WARM_UP = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    inputs.add_arguments(parser)
    parser.add_argument(
        "--repeat", type=int, default=20, help="executions that are measured; default: 20"
    )
    parser.add_argument("--sort", action="store_true", help="the slowest first, not in order")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="for Perfetto's trace viewer")
    parser.add_argument("--html", type=Path, metavar="FILE", help="one page, a bar an op")


def call(options: argparse.Namespace) -> None:
    if options.repeat < 1:
        raise ValueError(f"--repeat {options.repeat}: expected at least 1")
    profile = measure(options)
    copy = copy_gb_per_s()
    device = next(one.name for one in devices() if one.selected)
    rows = sorted(profile.rows, key=lambda row: -row.us) if options.sort else list(profile.rows)
    described = {
        "model": str(options.model),
        "method": options.method,
        "device": device,
        "executions": len(profile.method_us),
        "median_us": profile.us,
        "copy_gb_per_s": copy,
        "rows": [describe(row, profile, copy) for row in rows],
    }
    if options.trace is not None:
        options.trace.write_text(json.dumps(trace_events(profile)))
    if options.html is not None:
        options.html.write_text(page(described))
    print(json.dumps(described, indent=2) if options.json else table(described))


def measure(options: argparse.Namespace) -> Profile:
    """Medians over `repeat` traced executions, after some to warm up."""
    program = inputs.load(options, traced=True)
    method = program.load_method(options.method)
    given = inputs.make(method.metadata, options)
    for _ in range(_WARM_UP + options.repeat):
        method.execute(given)
    with tempfile.TemporaryDirectory() as folder:
        etdump = Path(folder) / "profile.etdump"
        program.write_etdump_result_to_file(str(etdump), str(Path(folder) / "debug.bin"))
        return read_profile(etdump, skip=_WARM_UP)


def describe(row: Row, profile: Profile, copy: float) -> dict[str, Any]:
    """A row as JSON has it; gb_per_s and tops of the GPU's time, share of the whole method's."""
    gb_per_s = row.moved_bytes / row.us / 1e3 if row.us > 0 else 0.0
    return {
        "op": row.name,
        "delegate": row.delegate,
        "kernels": list(row.kernels),
        "outputs": [list(shape) for shape in row.outputs],
        "us": row.us,
        "share": row.us / profile.us if profile.us > 0 else 0.0,
        "gb_per_s": gb_per_s,
        "of_copy": gb_per_s / copy if copy > 0 else 0.0,
        "tops": row.operations / row.us / 1e6 if row.us > 0 else 0.0,
    }


def table(profile: dict[str, Any]) -> str:
    lines = [
        f"{profile['model']}, {profile['method']} on {profile['device']}: "
        f"{profile['median_us']:.1f} us, median of {profile['executions']}; a copy reaches "
        f"{profile['copy_gb_per_s']:.1f} GB/s",
        "",
        f"{'us':>10} {'share':>6} {'GB/s':>8} {'copy':>5} {'TOPS':>7}  {'op':44} output",
    ]
    for row in profile["rows"]:
        tops = f"{row['tops']:.3g}" if row["tops"] else ""
        speed = f"{row['gb_per_s']:.1f}" if row["gb_per_s"] else ""
        of_copy = f"{row['of_copy']:.0%}" if row["gb_per_s"] else ""
        shapes = " ".join(map(str, row["outputs"]))
        lines.append(
            f"{row['us']:10.1f} {row['share']:6.1%} {speed:>8} {of_copy:>5} {tops:>7}  "
            f"{row['op']:44} {shapes}"
        )
        lines += [f"{'':41} {kernel}" for kernel in dict.fromkeys(row["kernels"])]
    return "\n".join(lines)
