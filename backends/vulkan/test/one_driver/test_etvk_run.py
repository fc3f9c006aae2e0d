"""etvk_run: the same bytes as from Python, and every failure with its reason and exit code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from executorch_vulkan.cli.events import read_profile
from fnv1a import fnv1a
from linear_fixture import built
from model_cases import CASES
from programs import pte_bytes, run


def etvk_run(*arguments: object, events: str = "") -> subprocess.CompletedProcess[str]:
    command = [built("bin/etvk_run"), *(str(argument) for argument in arguments)]
    environment = os.environ | {"ETVK_EVENTS": events}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("etvk_run") / "mlp.pte"
    path.write_bytes(pte_bytes("mlp"))
    return path


def test_same_bytes_as_python(model: Path, tmp_path: Path) -> None:
    inputs = CASES["mlp"].inputs()
    (tmp_path / "x.bin").write_bytes(inputs[0].contiguous().numpy().tobytes())
    result = etvk_run(model, "--input", tmp_path / "x.bin", "--output", tmp_path / "y")
    assert result.returncode == 0, result.stdout + result.stderr
    expected = run(pte_bytes("mlp"), inputs)[0].numpy()
    assert (tmp_path / "y0.bin").read_bytes() == expected.tobytes()
    sizes = ", ".join(map(str, expected.shape))
    checksum = f"{fnv1a(expected.tobytes()):016x}"
    assert f"output 0  float32 [{sizes}]  {checksum}" in result.stdout
    assert "device " in result.stdout and "median" in result.stdout


def test_random_inputs_follow_the_seed(model: Path) -> None:
    def checksums(seed: int) -> list[str]:
        result = etvk_run(model, "--seed", seed, "--repeat", 2)
        assert result.returncode == 0, result.stderr
        return [line for line in result.stdout.splitlines() if line.startswith("output")]

    assert checksums(1) == checksums(1) != checksums(2)


def test_layers_left_to_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(pte_bytes("cpu_between"))
    result = etvk_run(path, "--repeat", 1)
    assert result.returncode == 0, result.stdout + result.stderr


def test_events(model: Path, tmp_path: Path) -> None:
    """What the C++ tracer was told is what Python's is; test_events.py has the details."""
    path = tmp_path / "mlp.etdump"
    plain, traced = etvk_run(model), etvk_run(model, "--repeat", 3, "--etdump", path)
    assert traced.returncode == 0, traced.stdout + traced.stderr
    outputs = [
        [line for line in result.stdout.splitlines() if line.startswith("output")]
        for result in (plain, traced)
    ]
    assert outputs[0] == outputs[1]
    profile = read_profile(path)
    assert len(profile.method_us) == 3
    layers = [row for row in profile.rows if row.name == "et_vk.q8ta_linear.default"]
    assert [row.outputs for row in layers] == [((5, 128),), ((5, 96),), ((5, 10),)]
    assert all(len(row.times_us) == 3 and row.kernels for row in layers)
    assert {"copy in", "submit and wait", "copy out"} <= {row.name for row in profile.rows}


def test_events_of_all_ops_together(model: Path, tmp_path: Path) -> None:
    """One row without the first op, and no events of the executions that warm up."""
    path = tmp_path / "mlp.etdump"
    timed = ("--warm-up-ms", 100, "--repeat", 3, "--etdump", path)
    result = etvk_run(model, *timed, events="together")
    assert result.returncode == 0, result.stdout + result.stderr
    profile = read_profile(path)
    assert len(profile.method_us) == 3
    [row] = [row for row in profile.rows if row.place == "gpu"]
    assert row.name == "ops together, but the first"
    assert len(row.times_us) == 3 and len(row.kernels) > 3
    assert 0 < row.us < profile.us


def test_unknown_events(model: Path, tmp_path: Path) -> None:
    result = etvk_run(model, "--etdump", tmp_path / "events", events="all")
    assert result.returncode == 1
    assert "ETVK_EVENTS=all: expected ops or together" in result.stderr
    assert etvk_run(model, events="all").returncode == 0, "nobody is told of events"


def test_failures(model: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.bin"
    np.zeros(3, np.uint8).tofile(short)
    cut = tmp_path / "cut.pte"
    cut.write_bytes(model.read_bytes()[:1000])
    for arguments, code, message in (
        ((), 2, "no MODEL.pte given"),
        ((model, "--fast"), 2, "unknown argument '--fast'"),
        ((model, "--repeat", "0"), 2, "--repeat '0'"),
        ((model, "--method"), 2, "--method needs a value"),
        ((model, "--etdump"), 2, "--etdump needs a value"),
        ((model, "--warm-up-ms", "-1"), 2, "--warm-up-ms '-1'"),
        ((model, "--etdump", tmp_path), 1, f"--etdump '{tmp_path}' cannot be written"),
        ((tmp_path / "none.pte",), 1, "Error::AccessFailed"),
        ((cut,), 1, "Error::InvalidProgram"),
        ((model, "--method", "backward"), 1, "Error::InvalidArgument"),
        ((model, "--input", short), 1, "short.bin' has 3 bytes"),
        ((model, "--input", tmp_path / "none.bin"), 1, "none.bin' cannot be read"),
    ):
        result = etvk_run(*arguments)
        assert result.returncode == code and message in result.stderr, (arguments, result)
