"""Keeps pytest from importing the package a second time, under the name of its folder.

pytest imports the `__init__.py` of every folder above a test. For backends/vulkan that would be a
module `vulkan` beside the installed `executorch_vulkan`, with every op registered twice.
"""

from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "backends" / "vulkan"


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if path == PACKAGE:
        return pytest.Dir.from_parent(parent, path=path)
    return None
