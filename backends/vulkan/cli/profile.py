"""Show where the time of a program (MODEL.pte) goes: a row an op, with its kernel and its speed."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from ..runtime.loader import copy_gb_per_s
from . import inputs
from .devices import selected
from .events import PLACES, Profile, Row, read_profile
from .files import require_writable
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
    inputs.require_repeat(options)
    require_writable(options.trace, "--trace")
    require_writable(options.html, "--html")
    device = selected().name
    profile = measure(options)
    described = describe(profile, options, device, copy_gb_per_s() or None)
    if options.trace is not None:
        options.trace.write_text(json.dumps(trace_events(profile)))
    if options.html is not None:
        rows = [row | {"cells": cells(row)} for row in described["rows"]]
        options.html.write_text(page(title(described), notes(described), rows))
    print(json.dumps(described, indent=2) if options.json else table(described))


def measure(options: argparse.Namespace) -> Profile:
    """Medians over `repeat` traced executions, after some to warm up."""
    program = inputs.load(options, traced=True)
    method = inputs.load_method(program, options)
    given = inputs.make(method.metadata, options)
    for _ in range(_WARM_UP + options.repeat):
        inputs.execute(method, given, options)
    with tempfile.TemporaryDirectory() as folder:
        etdump = Path(folder) / "profile.etdump"
        program.write_etdump_result_to_file(str(etdump), str(Path(folder) / "debug.bin"))
        return read_profile(etdump, skip=_WARM_UP)


def describe(
    profile: Profile, options: argparse.Namespace, device: str, copy: float | None
) -> dict[str, Any]:
    """What `--json` prints; None for what is not known.

    Args:
        copy: GB/s that a copy reaches on the device.
    """
    rows = sorted(profile.rows, key=lambda row: -row.us) if options.sort else profile.rows
    return {
        "model": str(options.model),
        "method": options.method,
        "device": device,
        "executions": len(profile.method_us),
        "median_us": profile.us,
        "copy_gb_per_s": copy,
        "missing": profile.missing or None,
        "load_us": profile.load_us,
        "sums_us": {
            place: sum(row.us for row in profile.rows if row.place == place) for place in PLACES
        },
        "rows": [_describe_row(row, profile, copy) for row in rows],
    }


def _describe_row(row: Row, profile: Profile, copy: float | None) -> dict[str, Any]:
    """Speeds are of the GPU's time, the share of the whole method's."""
    gb_per_s = row.moved_bytes / row.us / 1e3 if row.moved_bytes and row.us > 0 else None
    return {
        "op": row.name,
        "place": row.place,
        "delegate": row.delegate,
        "kernels": list(row.kernels),
        "outputs": [list(shape) for shape in row.outputs],
        "us": row.us,
        "share": row.us / profile.us if profile.us > 0 else None,
        "gb_per_s": gb_per_s,
        "of_copy": gb_per_s / copy if gb_per_s and copy else None,
        "tops": row.operations / row.us / 1e6 if row.operations and row.us > 0 else None,
    }


def title(described: dict[str, Any]) -> str:
    return f"{described['model']}, {described['method']} on {described['device']}"


def notes(described: dict[str, Any]) -> list[str]:
    """What a reader has to know of a profile, a line each."""
    sums, copy = described["sums_us"], described["copy_gb_per_s"]
    whole = f"{described['median_us']:.1f} us, median of {described['executions']} executions"
    parts = [f"{PLACES[place]} {sums[place]:.1f} us" for place in PLACES if sums[place] > 0]
    lines = [f"{whole}: {', '.join(parts)}"]
    if described["missing"]:
        lines.append(f"no times of ops: {described['missing']}")
    elif copy and sums["gpu"] > 0:
        lines.append(f"a copy on the device reaches {copy:.3g} GB/s")
    if described["load_us"]:
        phases = (f"{name} {us / 1e3:.1f}" for name, us in described["load_us"].items())
        lines.append(f"loading, ms: {', '.join(phases)}")
    return lines


def cells(row: dict[str, Any]) -> dict[str, str]:
    """A row's numbers as text, by the heads of their columns; empty where they are not known."""
    formats = {
        "us": ("us", "{:.1f}"),
        "share": ("share", "{:.1%}"),
        "GB/s": ("gb_per_s", "{:.3g}"),
        "of copy": ("of_copy", "{:.0%}"),
        "TOPS": ("tops", "{:.3g}"),
    }
    return {
        head: "" if row[key] is None else text.format(row[key])
        for head, (key, text) in formats.items()
    }


def table(described: dict[str, Any]) -> str:
    widths = {"us": 10, "share": 6, "GB/s": 8, "of copy": 7, "TOPS": 8}
    heads = " ".join(f"{head:>{width}}" for head, width in widths.items())
    lines = [title(described), *notes(described), "", f"{heads}  {'op':40} output"]
    for row in described["rows"]:
        text = cells(row)
        numbers = " ".join(f"{text[head]:>{width}}" for head, width in widths.items())
        shapes = " ".join(map(str, row["outputs"]))
        lines.append(f"{numbers}  {row['op']:40} {shapes}".rstrip())
        lines += [f"{'':{len(heads)}}    {kernel}" for kernel in dict.fromkeys(row["kernels"])]
    return "\n".join(lines)
