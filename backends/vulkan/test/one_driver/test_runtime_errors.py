"""What a user can get wrong at run time: inputs, drivers, settings. Nothing ends the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from linear_fixture import built
from programs import load, pte_bytes

RUN_MLP = """
import sys, torch
import executorch_vulkan
from executorch.runtime import Runtime
print("devices", len(executorch_vulkan.devices()))
try:
    method = Runtime.get().load_program(sys.argv[1]).load_method("forward")
    print("output", method.execute([torch.zeros(5, 64)])[0].shape)
except RuntimeError as error:
    print("RuntimeError", error)
"""


def run_elsewhere(command: list[str | Path], **environment: str) -> tuple[int, str]:
    """Exit code and output of a process of its own with these variables set."""
    result = subprocess.run(
        list(map(str, command)),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def mlp_path(tmp_path: Path) -> Path:
    path = tmp_path / "mlp.pte"
    path.write_bytes(pte_bytes("mlp"))
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", torch.zeros(4, 64)),
        ("columns", torch.zeros(5, 63)),
        ("rank", torch.zeros(5, 8, 8)),
        ("dtype", torch.zeros(5, 64, dtype=torch.int8)),
        ("layout", torch.zeros(64, 5).t()),
        ("type", 3),
    ],
)
def test_wrong_input_is_an_error(name: str, value: object) -> None:
    method = load(pte_bytes("mlp"))
    with pytest.raises(RuntimeError):
        method.execute([value])
    assert method.execute([torch.zeros(5, 64)])[0].shape == (5, 10)


def test_wrong_number_of_inputs_is_an_error() -> None:
    method = load(pte_bytes("mlp"))
    for inputs in ([], [torch.zeros(5, 64)] * 2):
        with pytest.raises(RuntimeError):
            method.execute(inputs)


def test_dynamic_shape_above_its_bound_is_an_error() -> None:
    method = load(pte_bytes("dynamic_batch_require_true"))
    with pytest.raises(RuntimeError):
        method.execute([torch.zeros(17, 64)])
    assert method.execute([torch.zeros(16, 64)])[0].shape == (16, 10)


def test_no_driver(mlp_path: Path) -> None:
    command = [sys.executable, "-c", RUN_MLP, mlp_path]
    none = "/nonexistent.json"
    code, output = run_elsewhere(command, VK_DRIVER_FILES=none, VK_ICD_FILENAMES=none)
    assert code == 0, output
    assert "devices 0" in output and "RuntimeError" in output
    assert "apt-get install mesa-vulkan-drivers" in output


def test_no_loader(mlp_path: Path) -> None:
    """A file that is no library, found first, stands for a machine without the Vulkan loader."""
    (mlp_path.parent / "libvulkan.so.1").write_bytes(b"")
    command = [sys.executable, "-c", RUN_MLP, mlp_path]
    code, output = run_elsewhere(command, LD_LIBRARY_PATH=str(mlp_path.parent))
    assert code == 0, output
    assert "devices 0" in output and "RuntimeError" in output
    assert "libvulkan.so.1 cannot be opened" in output


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ETVK_DEVICE", "no such device", "names no device; the devices are 0:"),
        ("ETVK_DISABLE", "dot,fp16", "unknown feature 'fp16'; known are coopmat, dot"),
        ("ETVK_VALIDATION", "yes", "expected 0 or 1"),
        ("ETVK_LOG_KERNELS", "yes", "ETVK_LOG_KERNELS=yes: expected 0 or 1"),
        ("ETVK_TIMEOUT_MS", "soon", "ETVK_TIMEOUT_MS=soon: expected a whole number from 0 to 864"),
        ("ETVK_TIMEOUT_MS", "-1", "ETVK_TIMEOUT_MS=-1: expected a whole number"),
        ("ETVK_TIMEOUT_MS", "1.5", "ETVK_TIMEOUT_MS=1.5: expected a whole number"),
        ("ETVK_TIMEOUT_MS", "86400001", "ETVK_TIMEOUT_MS=86400001: expected a whole number"),
        ("ETVK_KERNEL", "q8ta_linear__dot4__m3n3k3__wg1", "q8ta_linear__dot4__m3n3k3__wg1"),
    ],
)
def test_wrong_setting_is_an_error(mlp_path: Path, variable: str, value: str, message: str) -> None:
    code, output = run_elsewhere([built("bin/etvk_run"), mlp_path], **{variable: value})
    assert code == 1 and message in output, output


@pytest.mark.parametrize("disabled", ["", "dot", "int8_storage", "coopmat,dot,int8_storage"])
def test_features_can_be_disabled(mlp_path: Path, disabled: str) -> None:
    code, output = run_elsewhere([built("bin/etvk_run"), mlp_path], ETVK_DISABLE=disabled)
    assert code == 0 and "[5, 10]" in output, output
