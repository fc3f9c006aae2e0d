"""Random programs, well formed and lying, beside an exact interpreter: fuzz/etvk_fuzz.cpp.

A failure prints the program and its seed, which `etvk_fuzz --seed S` runs alone; `./dev fuzz` runs
more of them.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from drivers import DRIVERS, on_driver
from linear_fixture import BUILD, built

SANITIZED = BUILD.parent / "sanitize" / "bin" / "etvk_fuzz"  # by scripts/build_fuzzer.sh


def environment_of(driver: str) -> dict[str, str]:
    """What makes a process run on a CPU driver; skips the test where the driver is not there."""
    if driver in DRIVERS:
        return on_driver(driver)[1]
    files = [*Path("/usr/share").glob("vulkan/icd.d/lvp_icd*.json")]
    files += Path("/etc").glob("vulkan/icd.d/lvp_icd*.json")
    if not files:
        pytest.skip(f"{driver} is not there")
    return {"VK_DRIVER_FILES": str(files[0]), "ETVK_DEVICE": ""}


def fuzz(fuzzer: Path, programs: int, **environment: str) -> None:
    result = subprocess.run(
        [fuzzer, "--programs", str(programs)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=1200,
    )
    assert result.returncode == 0, result.stdout[-20000:]
    counts = re.findall(r"^(\d+) programs \((\d+) well formed\): (\d+) ran", result.stdout, re.M)
    ran, honest, right = map(int, counts[-1])
    assert ran == programs
    assert right >= honest > 0.4 * programs  # all that are well formed, and some that lie in vain


def test_programs() -> None:
    """Validation finds barriers that are missing, which CPU drivers do not need."""
    fuzz(built("bin/etvk_fuzz"), 300, ETVK_VALIDATION="1")


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize(("driver", "programs"), [("lavapipe", 5000), ("swiftshader", 2000)])
def test_programs_under_sanitizers(driver: str, programs: int) -> None:
    if not SANITIZED.exists():
        pytest.fail(f"{SANITIZED} is missing: run ./dev test --all", pytrace=False)
    # lavapipe compiles for most of the time; without its optimizer, twice as many programs fit.
    fuzz(SANITIZED, programs, **environment_of(driver), ETVK_DISABLE="", GALLIVM_PERF="nopt")
