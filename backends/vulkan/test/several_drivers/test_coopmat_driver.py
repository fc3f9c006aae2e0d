"""The cooperative-matrix kernels on a CPU: programs started on a lavapipe that has such matrices.

test_linear_exact.py runs there too; here is the rest: the validation layer, and whole graphs.
"""

from __future__ import annotations

import os
import subprocess

import pytest

from linear_fixture import built, kernels

LAUNCHER = os.environ.get("ETVK_LAVAPIPE_COOPMAT", "")  # ./dev test sets it
pytestmark = [
    pytest.mark.all,
    pytest.mark.long,
    pytest.mark.skipif(
        not LAUNCHER, reason="lavapipe_coopmat is not installed: ETVK_LAVAPIPE_COOPMAT is not set"
    ),
]


def run_on_lavapipe(
    program: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key != "ETVK_DEVICE"}
    return subprocess.run(
        [LAUNCHER, str(built(program)), *arguments],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize("output", [[], ["--float-output"]], ids=["int8", "float"])
def test_under_the_validation_layer(output: list[str]) -> None:
    if not any("coopmat__" in name for name in kernels()):
        pytest.skip("no coopmat kernel is in this build")
    listed = run_on_lavapipe("bin/etvk_bench", "--list", *output).stdout.splitlines()
    names = [line.split()[0] for line in listed if "coopmat__" in line and line.endswith("runs")]
    assert names, listed
    shapes = ("--shape", "1x1x1", "--shape", "65x63x33", "--shape", "40x256x96")
    for name in names:
        arguments = ("--kernel", name, "--target-ms", "0", "--warmup-ms", "0", *shapes, *output)
        run = run_on_lavapipe("bin/etvk_bench", *arguments, ETVK_VALIDATION="1")
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stdout.count("  exact\n") == 3, run.stdout


def test_runtime() -> None:
    run = run_on_lavapipe("bin/runtime_test")
    assert run.returncode == 0, run.stdout + run.stderr
