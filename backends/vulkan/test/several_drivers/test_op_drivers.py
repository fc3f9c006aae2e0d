"""The op tests again: under the Khronos validation layer, and on other drivers."""

from __future__ import annotations

import pytest

from drivers import DEFAULT, DRIVERS, run_tests
from linear_fixture import ROOT, glsl_module, kernels

MODULES = tuple(
    f"test_{family}.py"
    for family in (
        "linear_exact",
        "dynamic_linear",
        "dynamic_convolution",
        "activations",
        "residual",
        "convolution",
        "float_convolution",
        "table",
        "strided_copy",
        "binary",
        "mean",
        "pool",
        "float_ops",
        "norms",
        "int8_norms",
        "matmul",
        "attention",
        "int8_attention",
        "integer_ops",
        "convert",
        "creation",
        "gather",
        "inset",
        "scatter",
        "argmax",
        "orders",
        "upsample",
        "channel_affine",
        "regroup",
    )
)


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("driver", [DEFAULT, *DRIVERS])
def test_module(driver: str, module: str) -> None:
    rows = {row.name: row.path for row in glsl_module("kernels").KERNELS}
    if driver == "lavapipe_coopmat" and not any(
        rows[name].endswith("coopmat") for name in kernels() if name in rows
    ):
        pytest.skip("no coopmat kernel is in this build")
    path = ROOT / "backends/vulkan/test/one_driver" / module
    if driver == DEFAULT:
        run_tests(path, ETVK_VALIDATION="1")
    else:
        run_tests(path, driver, ETVK_TEST_DRIVER=driver)
