"""Run a program (MODEL.pte) and print its outputs' checksums and the time that it takes."""

from __future__ import annotations

import argparse
import hashlib
import statistics
import time
from pathlib import Path

import torch

from . import inputs
from .dtypes import dtype_name
from .files import require_writable

NAME = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    inputs.add_arguments(parser)
    parser.add_argument(
        "--repeat", type=int, default=10, help="executions that are timed; default: 10"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE.pt", help="write a list of the outputs"
    )


def call(options: argparse.Namespace) -> None:
    inputs.require_repeat(options)
    require_writable(options.output, "--output")
    start = time.perf_counter()
    method = inputs.load_method(inputs.load(options), options)
    load_ms = (time.perf_counter() - start) * 1e3
    given = inputs.make(method.metadata, options)
    for index, tensor in enumerate(given):
        print(f"input {index}   {describe(tensor)}")
    outputs = inputs.execute(method, given, options)
    for index, value in enumerate(outputs):
        print(f"output {index}  {describe(value)}")
    if options.output is not None:
        torch.save(outputs, options.output)
    times_us = []
    for _ in range(options.repeat):
        start = time.perf_counter()
        method.execute(given)
        times_us.append((time.perf_counter() - start) * 1e6)
    print(f"loaded    {load_ms:.1f} ms")
    print(
        f"executed  median {statistics.median(times_us):.1f} us, min {min(times_us):.1f} us, "
        f"of {options.repeat}"
    )


def describe(value: object) -> str:
    """dtype, shape, and the first 16 hex digits of the SHA-256 of a tensor's bytes."""
    if not isinstance(value, torch.Tensor):
        return f"{type(value).__name__} {value}"
    raw = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{dtype_name(value.dtype)} {list(value.shape)}  {hashlib.sha256(raw).hexdigest()[:16]}"
