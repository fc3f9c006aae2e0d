"""The op tests again: under the Khronos validation layer, and on other drivers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from linear_fixture import ROOT

MODULES = tuple(
    f"test_{family}.py"
    for family in ("activations", "residual", "table", "strided_copy", "binary", "mean")
)
SWIFTSHADER = os.environ.get("ETVK_SWIFTSHADER_ICD", "")
LAVAPIPE_COOPMAT = os.environ.get("ETVK_LAVAPIPE_COOPMAT", "")
VARIANTS = {
    "validation": {"ETVK_VALIDATION": "1"},
    "swiftshader": {"VK_DRIVER_FILES": SWIFTSHADER, "ETVK_DEVICE": "SwiftShader"},
    "lavapipe_coopmat": {"ETVK_DEVICE": "llvmpipe"},
}


@pytest.mark.all
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_variant(variant: str, module: str) -> None:
    if variant == "swiftshader" and not SWIFTSHADER:
        pytest.skip("SwiftShader is not installed: ETVK_SWIFTSHADER_ICD is not set")
    if variant == "lavapipe_coopmat" and not LAVAPIPE_COOPMAT:
        pytest.skip("the newer lavapipe is not installed: ETVK_LAVAPIPE_COOPMAT is not set")
    launcher = [LAVAPIPE_COOPMAT] if variant == "lavapipe_coopmat" else []
    path = str(ROOT / "backends/vulkan/test" / module)
    run = subprocess.run(
        [*launcher, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path],
        cwd=ROOT,
        env=os.environ | VARIANTS[variant],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "[etvk validation]" not in run.stderr, run.stderr
