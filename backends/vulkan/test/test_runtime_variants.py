"""Every model case again, in other processes: under the Khronos validation layer, on a second
driver, and without hardware features. The bytes must be those of the run in this process; only
where an exp() gives a float32 output may another driver differ, by exp()'s own error."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from linear_fixture import built
from model_cases import CASES, ModelCase
from programs import pte_bytes, run

SWIFTSHADER = os.environ.get("ETVK_SWIFTSHADER_ICD", "")
VARIANTS = {
    "validation": {"ETVK_VALIDATION": "1"},
    "staged": {"ETVK_DISABLE": "mapped_memory", "ETVK_VALIDATION": "1"},
    "copied": {"ETVK_DISABLE": "mapped_memory,direct_input,direct_output"},
    "no_dot": {"ETVK_DISABLE": "dot", "ETVK_VALIDATION": "1"},
    "swiftshader": {"VK_DRIVER_FILES": SWIFTSHADER, "ETVK_DEVICE": "SwiftShader"},
}
FLOATS_FROM_EXP = {
    f"{activation}_float_output"
    for activation in ("sigmoid", "tanh", "silu", "gelu", "gelu_tanh", "elu")
}
# Vulkan allows exp(x) 3 + 2 |x| units in the last place; |x| is below 10 in these cases.
EXP_ERROR = (3 + 2 * 10) * 2**-23
# Transcendental ops on the CPU side are the same code in both processes, so all cases qualify.


@cache
def expected_bytes(name: str) -> list[bytes]:
    outputs = run(pte_bytes(name), CASES[name].inputs())
    return [output.contiguous().numpy().tobytes() for output in outputs]


def run_in_process_of_its_own(
    case: ModelCase, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    model = folder / "model.pte"
    model.write_bytes(pte_bytes(case.name))
    command = [built("bin/etvk_run"), model, "--repeat", "2", "--output", folder / "output"]
    for index, tensor in enumerate(case.inputs()):
        path = folder / f"input{index}.bin"
        path.write_bytes(tensor.numpy().tobytes())
        command += ["--input", path]
    return subprocess.run(
        list(map(str, command)),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_cases_with_exp_exist() -> None:
    assert set(CASES) >= FLOATS_FROM_EXP


# Static shapes: etvk_run takes the sizes of a dynamic input from its upper bound.
STATIC = {name: case for name, case in CASES.items() if not case.dynamic_shapes}


@pytest.mark.parametrize(
    "variant",
    [
        # Staging and the validation layer are what a change on one driver breaks.
        pytest.param(name, marks=[] if name == "staged" else pytest.mark.all)
        for name in VARIANTS
    ],
)
@pytest.mark.parametrize("case", STATIC.values(), ids=STATIC)
def test_same_bytes(case: ModelCase, variant: str, tmp_path: Path) -> None:
    if variant == "swiftshader" and not SWIFTSHADER:
        pytest.skip("SwiftShader is not installed: ETVK_SWIFTSHADER_ICD is not set")
    result = run_in_process_of_its_own(case, tmp_path, VARIANTS[variant])
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[etvk validation]" not in result.stderr
    for index, expected in enumerate(expected_bytes(case.name)):
        actual = (tmp_path / f"output{index}.bin").read_bytes()
        if variant == "swiftshader" and case.name in FLOATS_FROM_EXP:
            floats = [np.frombuffer(one, np.float32) for one in (actual, expected)]
            np.testing.assert_allclose(*floats, rtol=EXP_ERROR, atol=EXP_ERROR)
        else:
            assert actual == expected


def test_validation_messages_are_failures(tmp_path: Path) -> None:
    """The layer is really there: a program under it says so in the loader's own log."""
    environment = {"ETVK_VALIDATION": "1", "VK_LOADER_DEBUG": "layer"}
    result = run_in_process_of_its_own(CASES["mlp"], tmp_path, environment)
    assert "VK_LAYER_KHRONOS_validation" in result.stderr
