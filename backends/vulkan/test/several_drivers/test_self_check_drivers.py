"""On each CPU driver, every kernel that it runs by itself, in all variants of the self-check.

Tiles that are meant for GPUs take CPU drivers minutes to compile in all variants: of these, the
small ones.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from drivers import DEFAULT, on_driver
from linear_fixture import built

# Parts of kernels' names, by driver.
_OWN = (
    *("__cpu", "__elementwise", "__transpose", "__gemv"),
    *("linear__dot4__m16n64", "conv2d__scalar__m16n64"),
)
PARTS = {
    DEFAULT: _OWN,
    "swiftshader": _OWN,
    "lavapipe_coopmat": ("coopmat__m16n32k128__wg32", "skinny_coopmat__m8n32"),
}


@pytest.mark.all
@pytest.mark.long
@pytest.mark.parametrize(
    ("driver", "part"), [(driver, part) for driver, parts in PARTS.items() for part in parts]
)
def test_kernels_are_right(driver: str, part: str) -> None:
    launcher, environment = on_driver(driver)
    result = subprocess.run(
        [*launcher, built("bin/selfcheck_test"), part],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^\S+: [1-9]\d* pipelines, [1-9]\d* problems$", result.stdout, re.M)
