"""On each CPU driver, kernels of each family in all variants of the self-check.

Only those that compile in seconds: all of a device's kernels are two thousand pipelines, which take
a CPU driver many minutes (`python -m executorch_vulkan check`).
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from drivers import DEFAULT, on_driver
from linear_fixture import built

DRIVERS = (DEFAULT, "swiftshader")
PARTS = (  # of kernels' names
    "linear__cpu__m1n32",
    "q8ta_conv2d_dw__elementwise__m1n256",
    "q8ta_table__elementwise__m1n256",
    "binary_words__elementwise__m1n256",
    "quantize_per_tensor__elementwise__m1n256",
    "__transpose",
)


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_kernels_are_right(driver: str, part: str) -> None:
    result = subprocess.run(
        [built("bin/selfcheck_test"), part],
        env=os.environ | on_driver(driver)[1],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^\S+: [1-9]\d* pipelines, [1-9]\d* problems$", result.stdout, re.M)
