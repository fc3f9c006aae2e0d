"""The process that programs run in: forked, or left alone by its device. It never hangs or dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivers import DEFAULT, on_driver, pretending
from linear_fixture import built
from programs import pte_bytes

TIMEOUT_S = 120

# What each script below starts with. `check` runs a method and says whether its result is right.
START = """
import os, signal, sys, threading
import torch
import executorch_vulkan
from executorch.runtime import Runtime
from executorch_vulkan.runtime.loader import memory_in_use

x = torch.arange(5 * 64).reshape(5, 64) / 320
bytes_ = open(sys.argv[1], "rb").read()

def load():
    return Runtime.get().load_program(bytes_).load_method("forward")

def check(what, method):
    try:
        outcome = "right" if torch.equal(method.execute([x])[0], expected) else "WRONG"
    except RuntimeError as error:
        outcome = f"RuntimeError {error}"
    print(f"{what}: {outcome}", flush=True)

def attempt(what, do):
    try:
        print(f"{what}: {do()}", flush=True)
    except RuntimeError as error:
        print(f"{what}: RuntimeError", flush=True)

def in_child(do):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # ends a child that hangs
        do()
        os._exit(0)
    print("child ended with", os.waitpid(pid, 0)[1], flush=True)
"""

PARENT_LOADS = """
method = load()
expected = method.execute([x])[0].clone()

def child():
    global method
    check("child", method)
    method = None  # destroys the program
    attempt("child loads", load)
    attempt("child's devices", executorch_vulkan.devices)
    in_child(lambda: attempt("grandchild loads", load))

in_child(child)
check("parent", method)
check("parent loads", load())
"""

PARENT_RUNS_IN_A_THREAD = """
method = load()
expected = method.execute([x])[0].clone()
stop = threading.Event()

def work():
    while not stop.is_set():
        method.execute([x])

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(20):
    in_child(lambda: check("child", method))
stop.set()
for thread in threads:
    thread.join()
check("parent", method)
"""

ONLY_THE_CHILD_LOADS = """
def child():
    global expected
    method = load()
    expected = method.execute([x])[0].clone()
    check("child", method)

in_child(child)
child()
"""

DEVICE_FAILS = """
method = load()
expected = method.execute([x])[0].clone()
os.environ["PRETEND_DEVICE"] = sys.argv[2]
check("first", method)
check("second", method)
os.environ["PRETEND_DEVICE"] = ""
check("later", method)
fresh = load()
check("fresh", fresh)
method = None
check("fresh again", fresh)
print("buffers:", memory_in_use().buffers > 0)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("process") / "mlp.pte"
    path.write_bytes(pte_bytes("mlp"))
    return path


def run(script: str, *arguments: object, **environment: str) -> tuple[dict[str, str], str]:
    """What the script printed, by what stands before the colon; and its stderr."""
    result = subprocess.run(
        [sys.executable, "-c", START + script, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "child ended with" not in result.stdout.replace("child ended with 0", "")
    lines = [line.partition(": ") for line in result.stdout.splitlines()]
    return {what: outcome for what, _, outcome in lines}, result.stderr


@pytest.mark.parametrize("driver", [DEFAULT, "swiftshader"])
def test_child_of_a_process_that_has_loaded_a_program(model: Path, driver: str) -> None:
    _, environment = on_driver(driver)
    said, stderr = run(PARENT_LOADS, model, **environment)
    assert "0x20" in said["child"]
    assert said["child loads"] == said["child's devices"] == "RuntimeError"
    assert said["grandchild loads"] == "RuntimeError"
    assert said["parent"] == said["parent loads"] == "right"
    assert stderr.count("this process was forked from one that had used Vulkan") == 4, stderr


def test_child_of_a_process_that_is_running_programs(model: Path) -> None:
    said, _ = run(PARENT_RUNS_IN_A_THREAD, model)
    assert "0x20" in said["child"] and said["parent"] == "right"


def test_child_of_a_process_without_programs(model: Path) -> None:
    said, stderr = run(ONLY_THE_CHILD_LOADS, model)
    assert said["child"] == "right" and "forked" not in stderr


@pytest.mark.parametrize("disable", ["", "mapped_memory"])
@pytest.mark.parametrize(
    ("failure", "reason"),
    [("silent", "has not answered for 20000 ms"), ("lost", "VK_ERROR_DEVICE_LOST")],
)
def test_device_that_fails(model: Path, failure: str, reason: str, disable: str) -> None:
    """With a loader in front of the real one that pretends it. device_loss_test has the details."""
    environment = pretending("") | {"ETVK_TIMEOUT_MS": "20000", "ETVK_DISABLE": disable}
    said, stderr = run(DEVICE_FAILS, model, failure, **environment)
    assert "0x20" in said["first"] and reason in stderr
    assert "0x20" in said["second"] and "0x20" in said["later"]
    assert stderr.count("was lost since the program was loaded; load the program again") == 2
    assert said["fresh"] == said["fresh again"] == "right"
    assert said["buffers"] == "True"


@pytest.mark.parametrize("validation", ["0", "1"])
def test_cpp_device_loss(validation: str) -> None:
    result = subprocess.run(
        [built("bin/device_loss_test")],
        env=os.environ | {"ETVK_VALIDATION": validation},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed, 0 failed" in result.stdout
