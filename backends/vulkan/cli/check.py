"""Check whether this device computes right, with every kernel that it can run.

Small problems with known results, in sizes around the edges of a kernel's tile and in each of its
variants, several times each: some drivers are wrong in one run of four. Where what makes variants
multiplies, each two values of it that meet in a kernel are in one of them. The exit code is 1 where
anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from importlib import metadata

from ..runtime.loader import Device, Kernel, KernelReport, check_kernel, devices, kernels

NAME = "check"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print all that a report of a bug needs, as JSON"
    )
    parser.add_argument("--runs", type=int, default=8, help="of each problem, in fours; default: 8")
    parser.add_argument("--kernel", default="", help="only those with this in their name")


def call(options: argparse.Namespace) -> None:
    if options.runs < 1:
        raise ValueError(f"--runs {options.runs}: expected at least 1")
    device = next((one for one in devices() if one.selected), None)
    if device is None:
        raise RuntimeError("there is no Vulkan device to check; the command 'devices' says more")
    meant = [one for one in kernels() if options.kernel in one.name]
    if not meant:
        raise ValueError(f"--kernel {options.kernel}: no kernel has this in its name")
    reports = _reports([one for one in meant if not one.refusal], options.runs)
    wrong = [name for name, (report, _) in reports.items() if report.wrong]
    if options.json:
        print(json.dumps(_as_json(device, meant, reports, options.runs), indent=2))
    else:
        _print_table(device, reports, len(meant))
    if wrong:
        raise RuntimeError(
            f"{device.name} computes wrongly with {len(wrong)} of {len(reports)} kernels, as the "
            "list above says. Programs do without them, unless ETVK_SELF_CHECK is off"
        )


Reports = dict[str, tuple[KernelReport, float]]  # and milliseconds, by kernel


def _reports(meant: list[Kernel], runs: int) -> Reports:
    reports = {}
    for index, kernel in enumerate(meant):
        print(f"[{index + 1}/{len(meant)}] {kernel.name}", file=sys.stderr, flush=True)
        start = time.perf_counter()
        report = check_kernel(kernel.name, runs)
        reports[kernel.name] = report, (time.perf_counter() - start) * 1e3
    return reports


def _print_table(device: Device, reports: Reports, count: int) -> None:
    print(f"{device.name}, {device.driver}")
    for quirk in device.quirks:
        print(f"not used here: {quirk}")
    width = max((len(name) for name in reports), default=0)
    print(f"{'kernel':{width}}  variants  problems  wrong        ms")
    for name, (report, ms) in reports.items():
        numbers = f"{report.pipelines:8}  {report.problems:8}  {report.wrong:5}  {ms:8.1f}"
        print(f"{name:{width}}  {numbers}")
        for mistake in report.mistakes:
            print(f"    {mistake}")
    print(f"{count - len(reports)} other kernels are for other devices")


def _as_json(device: Device, meant: list[Kernel], reports: Reports, runs: int) -> object:
    return {
        "device": asdict(device),
        "executorch_vulkan": metadata.version("executorch-vulkan"),
        "runs": runs,
        "kernels": [
            {"name": name, **asdict(report), "ms": round(ms, 1)}
            for name, (report, ms) in reports.items()
        ],
        "refused": {one.name: one.refusal for one in meant if one.refusal},
    }
