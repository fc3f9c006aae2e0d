"""The op tests again, on other drivers. Under the validation layer they run in their own folder."""

from __future__ import annotations

import pytest

from drivers import DRIVERS, OP_TESTS, run_tests
from linear_fixture import ROOT, glsl_module, kernels


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize("part", OP_TESTS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_files(driver: str, part: str) -> None:
    rows = {row.name: row.path for row in glsl_module("kernels").KERNELS}
    if driver == "lavapipe_coopmat" and not any(
        rows[name].endswith("coopmat") for name in kernels() if name in rows
    ):
        pytest.skip("no coopmat kernel is in this build")
    folder = ROOT / "backends/vulkan/test/one_driver"
    run_tests([folder / f"test_{name}.py" for name in OP_TESTS[part]], driver)
