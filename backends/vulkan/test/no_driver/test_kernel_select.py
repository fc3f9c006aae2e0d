"""Kernel selection: the C++ table of (device, shape) to kernel name, which needs no GPU."""

from __future__ import annotations

import subprocess

from linear_fixture import built


def test_kernel_select() -> None:
    run = subprocess.run([built("bin/kernel_select_test")], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
