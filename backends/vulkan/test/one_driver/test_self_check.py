"""The self-check: kernels that compute wrongly are not used, and what has passed is remembered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from drivers import pretending
from faulty_shaders import FAULTS, write_faulty
from linear_fixture import built
from model_cases import quantized_module
from programs import run

ADDS_ONE = FAULTS["adds one to some outputs"]
WITH_RESIDUAL = FAULTS["wrong only with a residual"]
WARNING = "computes wrongly with the kernel"


class _Layers(nn.Module):
    """A layer, and one whose result is added to what it reads; none of a multiple of 4 channels."""

    def __init__(self, residual: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(20, 10), nn.Linear(10, 10)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x + self.second(x) if self.residual else self.second(x)


def _inputs() -> tuple[torch.Tensor]:
    return (torch.linspace(-2, 2, 100).reshape(5, 20),)


def _pte(residual: bool) -> bytes:
    from executorch_vulkan import VulkanPartitioner

    torch.manual_seed(0)
    quantized = quantized_module(_Layers(residual).eval(), _inputs())
    exported = torch.export.export(quantized, _inputs(), strict=False)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    return bytes(program.to_executorch().buffer)


@pytest.fixture(scope="module")
def with_residual() -> bytes:
    return _pte(True)


@pytest.fixture(scope="module")
def without_residual() -> bytes:
    return _pte(False)


def kernel_names() -> list[str]:
    from executorch_vulkan.runtime.loader import kernels

    return [kernel.name for kernel in kernels()]


def rows_in_use() -> list[str]:
    """Of the layers of the models above."""
    from executorch_vulkan.runtime.loader import linear_kernel

    return sorted({linear_kernel(5, 10, 20), linear_kernel(5, 10, 10)})


class LoadError(RuntimeError):
    """The program did not load or run; what was written to stderr."""


def execute(
    pte: bytes, folder: Path, faults: Mapping[str, str], mode: str = "on", **environment: str
) -> tuple[list[bytes], str]:
    """Outputs in a process of its own that takes rows for ones with faults, and its stderr."""
    shaders = folder / "shaders"
    shaders.mkdir(exist_ok=True)
    for row, fault in faults.items():
        write_faulty(row, fault, shaders)
    (folder / "model.pte").write_bytes(pte)
    (folder / "input.bin").write_bytes(_inputs()[0].numpy().tobytes())
    settings = {
        **pretending(""),
        "PRETEND_SHADERS": str(shaders),
        "ETVK_SELF_CHECK": mode,
        "ETVK_SELF_CHECK_CACHE": str(folder / "passed.txt"),
    }
    files = ["--input", folder / "input.bin", "--output", folder / "output"]
    result = subprocess.run(
        [built("bin/etvk_run"), folder / "model.pte", "--repeat", "1", *files],
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        raise LoadError(" ".join((result.stdout + result.stderr).split()))
    return [(folder / "output0.bin").read_bytes()], result.stderr


def expected_of(pte: bytes) -> list[bytes]:
    """In this process, without the check and without faults."""
    return [output.numpy().tobytes() for output in run(pte, _inputs())]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_wrong_kernel_is_not_used(fault: str, with_residual: bytes, tmp_path: Path) -> None:
    rows = rows_in_use()
    outputs, said = execute(with_residual, tmp_path, dict.fromkeys(rows, fault))
    assert outputs == expected_of(with_residual)
    named = re.findall(rf"{WARNING} (\S+), which is not used: .*expected", said)
    assert named and set(named) <= set(rows) and len(named) == len(set(named))


def test_without_the_check_the_fault_shows(with_residual: bytes, tmp_path: Path) -> None:
    outputs, said = execute(with_residual, tmp_path, dict.fromkeys(rows_in_use(), ADDS_ONE), "off")
    assert outputs != expected_of(with_residual)
    assert WARNING not in said and not (tmp_path / "passed.txt").exists()


def test_a_fault_in_what_is_not_used_harms_nobody(without_residual: bytes, tmp_path: Path) -> None:
    outputs, said = execute(without_residual, tmp_path, dict.fromkeys(rows_in_use(), WITH_RESIDUAL))
    assert outputs == expected_of(without_residual)
    assert WARNING not in said


def test_no_kernel_that_is_right_is_an_error(with_residual: bytes, tmp_path: Path) -> None:
    row = rows_in_use()[0]
    with pytest.raises(LoadError, match=f"ETVK_KERNEL: {row} cannot run .* computes wrongly"):
        execute(with_residual, tmp_path, {row: ADDS_ONE}, ETVK_KERNEL=row)


def test_an_op_without_a_kernel_that_is_right(with_residual: bytes, tmp_path: Path) -> None:
    """Both rows of the op that quantizes the input, so that nothing is left."""
    rows = [name for name in kernel_names() if name.startswith("quantize_per_tensor__")]
    fault = "y_words[0] ^= 1u;"
    with pytest.raises(LoadError, match=r"no kernel can run on .* computes wrongly") as raised:
        execute(with_residual, tmp_path, dict.fromkeys(rows, fault))
    assert all(f"{WARNING} {row}" in str(raised.value) for row in rows)


def test_what_has_passed_is_remembered(with_residual: bytes, tmp_path: Path) -> None:
    expected = expected_of(with_residual)
    faults = dict.fromkeys(rows_in_use(), ADDS_ONE)
    outputs, said = execute(with_residual, tmp_path, {})
    file = tmp_path / "passed.txt"
    assert outputs == expected and WARNING not in said
    assert file.stat().st_mode & 0o777 == 0o600
    remembered = file.read_bytes()
    # The check would find what the driver does now, but it is not made again.
    outputs, said = execute(with_residual, tmp_path, faults)
    assert outputs != expected and file.read_bytes() == remembered
    outputs, said = execute(with_residual, tmp_path, faults, "always")
    assert outputs == expected and WARNING in said and file.read_bytes() == remembered
    # A damaged file is as good as none, and written anew.
    file.write_bytes(remembered[:-9])
    outputs, said = execute(with_residual, tmp_path, faults)
    assert outputs == expected and WARNING in said
    assert file.read_bytes() not in (remembered, remembered[:-9])


def test_a_file_that_cannot_be_written(without_residual: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = {"ETVK_SELF_CHECK_CACHE": str(tmp_path / "file" / "passed.txt")}
    for log, lines in (("0", 0), ("1", 1)):
        outputs, said = execute(without_residual, tmp_path, {}, ETVK_LOG_KERNELS=log, **place)
        assert outputs == expected_of(without_residual)
        assert said.count("is not written, so each process checks for itself") == lines


def test_a_mode_that_there_is_not(without_residual: bytes, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="expected on, off or always"):
        execute(without_residual, tmp_path, {}, "sometimes")


def test_cpp_self_check() -> None:
    """Every row of the table has problems, those of other devices, too."""
    result = subprocess.run([built("bin/selfcheck_test")], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


# ---- The command.


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "executorch_vulkan", "check", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_command_finds_it(fault: str, tmp_path: Path) -> None:
    row = rows_in_use()[0]
    write_faulty(row, fault, tmp_path)
    pretended = {**pretending(""), "PRETEND_SHADERS": str(tmp_path)}
    result = check("--runs", "4", "--kernel", row, **pretended)
    assert result.returncode == 1
    assert "computes wrongly with 1 of 1 kernels" in result.stderr
    assert re.search(
        r"M=\d+ N=\d+ K=\d+: element 0 is -?\d+, expected -?\d+; 1 of \d+ differ", result.stdout
    )


def test_the_command_where_all_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    from executorch_vulkan.cli import main

    assert main(["check", "--json", "--runs", "4", "--kernel", "q8ta_table__"]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["device"]["selected"] and report["runs"] == 4
    assert all(one["problems"] > 0 and one["wrong"] == 0 for one in report["kernels"])
    assert len(report["kernels"]) + len(report["refused"]) == 2
    assert "[1/2] q8ta_table__" in said.err
    assert main(["check", "--runs", "4", "--kernel", "q8ta_table__"]) == 0
    assert "q8ta_table__" in capsys.readouterr().out
    assert main(["check", "--kernel", "no_such_kernel"]) == 1
    assert "no kernel has this in its name" in capsys.readouterr().err
    assert main(["check", "--runs", "0"]) == 1
    assert "--runs 0: expected at least 1" in capsys.readouterr().err
