"""Which orders tensors get, and what is copied: the C++ test of the pass, which needs no GPU."""

from __future__ import annotations

import subprocess

from linear_fixture import built


def test_order_pass() -> None:
    run = subprocess.run([built("bin/orders_test")], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
