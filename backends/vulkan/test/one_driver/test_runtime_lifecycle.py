"""Programs loaded again and again, side by side, and from several threads."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
import torch

from drivers import DEFAULT, on_driver
from linear_fixture import built
from model_cases import CASES
from programs import load, pte_bytes, run

CYCLES = 1000
ALLOWED_GROWTH_KIB = 4096  # a leak of one graph a cycle would be tens of MiB


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS in /proc/self/status")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_load_execute_destroy_leaks_nothing() -> None:
    pte = pte_bytes("mlp")
    inputs = CASES["mlp"].inputs()
    expected = run(pte, inputs)[0]
    for _ in range(50):  # allocator pools and driver caches fill up first
        run(pte, inputs)
    before, files = resident_kib(), open_files()
    for _ in range(CYCLES):
        assert torch.equal(run(pte, inputs)[0], expected)
    assert resident_kib() - before < ALLOWED_GROWTH_KIB
    assert open_files() == files


def test_two_programs_four_threads() -> None:
    """Through Python, where the interpreter's lock takes turns; runtime_test does it in C++."""
    names = ("mlp", "k_63", "mlp", "k_63")
    methods = [load(pte_bytes(name)) for name in names]
    inputs = [CASES[name].inputs(seed=i) for i, name in enumerate(names)]
    expected = [run(pte_bytes(n), x)[0] for n, x in zip(names, inputs, strict=True)]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(100):
            output = methods[index].execute(list(inputs[index]))[0]
            if not torch.equal(output, expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def run_checks(program: str, **environment: str) -> None:
    """Run a test program in C++ with these variables set; its last line counts what failed."""
    result = subprocess.run(
        [built(f"bin/{program}")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed, 0 failed" in result.stdout


@pytest.mark.parametrize("validation", ["0", "1"])
def test_cpp_runtime(validation: str) -> None:
    """Memory planning, device choice, wrong programs, new sizes, threads: runtime_test.cpp."""
    run_checks("runtime_test", ETVK_VALIDATION=validation)


@pytest.mark.parametrize("driver", [DEFAULT, "swiftshader"])
def test_states(driver: str) -> None:
    """State of programs, and what is written where it lies: state_test.cpp."""
    _, environment = on_driver(driver)
    run_checks("state_test", **environment)
    run_checks("state_test", **environment, ETVK_DISABLE="mapped_memory", ETVK_VALIDATION="1")


@pytest.mark.parametrize("driver", [DEFAULT, "swiftshader"])
def test_untrusted_programs(driver: str) -> None:
    """Programs that lie about sizes, symbolic integers and how much they are."""
    _, environment = on_driver(driver)
    run_checks("untrusted_program_test", **environment)
