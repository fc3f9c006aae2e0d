"""Drivers beside the one that tests run on by default, and how a test runs on one of them.

`./dev test` sets a variable for each that is there; a test of one that is not is skipped.
"""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from linear_fixture import ROOT, built


@dataclass(frozen=True)
class Driver:
    variable: str
    is_launcher: bool  # the variable names a program that runs others on the driver, or an ICD file
    device: str  # a part of the name that its device has


DRIVERS = {
    "swiftshader": Driver("ETVK_SWIFTSHADER_ICD", False, "SwiftShader"),
    "lavapipe_coopmat": Driver("ETVK_LAVAPIPE_COOPMAT", True, "llvmpipe"),
}
DEFAULT = "default"  # the driver that this process has

# Tests of ops, which other drivers and the validation layer run too. On other drivers files of a
# part share a process, so that Python starts and most pipelines are compiled once for all of them;
# parts take about as long.
OP_TESTS = {
    "matrices": (
        *("linear_exact", "dynamic_linear", "activations", "residual", "layer_tables", "matmul"),
    ),
    "convolutions": (
        *("convolution", "dynamic_convolution", "float_convolution", "pool", "upsample"),
    ),
    "attention": ("attention", "int8_attention"),
    "rows": ("norms", "int8_norms", "mean", "channel_affine", "argmax", "topk", "scan"),
    "others": (
        *("table", "strided_copy", "binary", "float_ops", "integer_ops", "convert", "creation"),
        *("gather", "inset", "scatter", "orders", "regroup", "rotary"),
    ),
}


def on_driver(name: str) -> tuple[list[str], dict[str, str]]:
    """What to put before a command, and into its environment, to run it on a driver."""
    if name == DEFAULT:
        return [], {}
    driver = DRIVERS[name]
    installed = os.environ.get(driver.variable)
    if not installed:
        pytest.skip(f"{name} is not here: {driver.variable} is not set; ./dev setup fetches it")
    if driver.is_launcher:
        return [installed], {"ETVK_DEVICE": driver.device}
    return [], {"VK_DRIVER_FILES": installed, "ETVK_DEVICE": driver.device}


def pretending(device: str) -> dict[str, str]:
    """The environment of a process that sees, in place of the real driver's device, one of those
    in pretend_loader.cpp."""
    real = ctypes.util.find_library("vulkan")
    assert real is not None, "no Vulkan loader"
    # Its path: by its bare name the pretend one would find itself.
    script = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(open('/proc/self/maps').read())"
    maps = subprocess.run(
        [sys.executable, "-c", script, real], capture_output=True, text=True, check=True
    ).stdout
    path = next(line.split()[-1] for line in maps.splitlines() if "/libvulkan.so" in line)
    return {
        "LD_LIBRARY_PATH": str(built("pretend_loader/libvulkan.so.1").parent),
        "PRETEND_VULKAN_LOADER": path,
        "PRETEND_DEVICE": device,
    }


def run_tests(paths: Sequence[Path], driver: str) -> None:
    """Test files on a driver, in one process of their own."""
    launcher, own = on_driver(driver)
    run = subprocess.run(
        [*launcher, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths],
        cwd=ROOT,
        env=os.environ | own | {"ETVK_TEST_DRIVER": driver},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
