"""Errors of the library loader, which need neither the library nor Vulkan."""

from __future__ import annotations

from pathlib import Path

import pytest

from executorch_vulkan.runtime.loader import (
    LIBRARY_NAME,
    check_executorch_version,
    find_library,
)


@pytest.mark.parametrize("version", ["1.5.0", "1.5.1+cpu", "1.5.2.dev1"])
def test_version_of_this_series(version: str) -> None:
    check_executorch_version(version)


@pytest.mark.parametrize("version", ["1.4.0", "1.6.0a0", "2.5.1", "no executorch"])
def test_version_of_another_series(version: str) -> None:
    with pytest.raises(ImportError, match=r"needs executorch 1\.5\.x, found .*pip install"):
        check_executorch_version(version)


def test_the_first_folder_that_has_the_library(tmp_path: Path) -> None:
    for name in ("second", "third"):
        (tmp_path / name).mkdir()
        (tmp_path / name / LIBRARY_NAME).touch()
    folders = [tmp_path / name for name in ("first", "second", "third")]
    assert find_library(folders).parent.name == "second"


def test_a_missing_library_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="was not built") as caught:
        find_library([tmp_path])
    assert str(tmp_path) in str(caught.value) and "./dev setup" in str(caught.value)
