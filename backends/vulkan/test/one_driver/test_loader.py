"""The library loader: which library, which executorch, and who else has a VulkanBackend."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from executorch_vulkan.runtime.loader import (
    LIBRARY_NAME,
    _built_for,
    check_executorch_version,
    find_library,
)
from linear_fixture import SUPPORT, built


@pytest.mark.parametrize("installed", ["1.5.1", "1.5.1+cpu", "1.5.1+3b60683"])
@pytest.mark.parametrize("built_for", ["1.5.1", "1.5.1+cpu"])
def test_the_version_that_it_was_built_for(installed: str, built_for: str) -> None:
    check_executorch_version(installed, built_for)


@pytest.mark.parametrize(
    "installed",
    [
        "1.5.0",
        "1.5.2",
        "1.5.10",
        "1.5.1rc1",
        "1.5.1.post1",
        "1.6.0a0+cpu",
        "1.4.0",
        "no executorch",
    ],
)
def test_every_other_version(installed: str) -> None:
    with pytest.raises(ImportError) as caught:
        check_executorch_version(installed, "1.5.1+cpu")
    message = str(caught.value)
    assert "needs executorch 1.5.1, " in message and f"found {installed};" in message
    assert "pip install 'executorch==1.5.1'" in message and ". " not in message


def test_the_build_noted_the_installed_version() -> None:
    """The editable build of this checkout, which the tests themselves run with."""
    check_executorch_version(built_for=None)
    with pytest.raises(ImportError, match=f"needs executorch {re.escape(version('executorch'))}"):
        check_executorch_version("1.5.2")


def import_elsewhere(folder: Path, code: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Runs `code` in a process of its own with `folder` in front of what is installed."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", before + code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_import_with_another_executorch(tmp_path: Path) -> None:
    """Refused before a library is loaded, and before executorch itself is imported."""
    info = tmp_path / "executorch-1.5.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: executorch\nVersion: 1.5.2\n")
    code = """
import sys
try:
    import executorch_vulkan
except ImportError as error:
    print("ImportError:", error)
maps = open("/proc/self/maps").read()
print([name for name in ("libexecutorch.so", "libexecutorch_vulkan.so") if name in maps])
print([name for name in sys.modules if name.startswith("executorch.")])
"""
    done = import_elsewhere(tmp_path, code)
    message, libraries, modules = done.stdout.splitlines()
    assert message.startswith("ImportError: executorch-vulkan needs executorch 1.5.1, ")
    assert "found 1.5.2" in message
    assert (libraries, modules) == ("[]", "[]")


def test_a_library_without_its_note(tmp_path: Path) -> None:
    (tmp_path / LIBRARY_NAME).touch()
    with pytest.raises(ImportError, match=r"executorch_version\.txt is missing.*\./dev setup"):
        _built_for(tmp_path / LIBRARY_NAME)


LOWER_AND_RUN = """
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from executorch_vulkan.program import read_delegates
from quantized_graphs import Grid, QuantizedWeight

class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = QuantizedWeight(6, 8)
    def forward(self, x):
        return Grid().round_trip(torch.nn.functional.linear(Grid().round_trip(x), self.weight()))

x = torch.randn(2, 8)
exported = torch.export.export(Layer().eval(), (x,))
lowered = to_edge_transform_and_lower(
    exported, partitioner=[executorch_vulkan.VulkanPartitioner()]
)
print("delegates", len(read_delegates(lowered)))
try:
    Runtime.get().load_program(lowered.to_executorch().buffer).load_method("forward")
    print("loaded")
except RuntimeError as error:
    print("RuntimeError", error)
"""
IMPORT = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import executorch_vulkan
    from executorch_vulkan.runtime import loader
    loader.load()
    print("warned", [str(w.message) for w in caught if "VulkanBackend" in str(w.message)])
"""


def test_a_vulkan_backend_that_is_there_already() -> None:
    """Lowering works; programs run on the other one, and the import says so once."""
    other = built("lib/libetvk_other_backend.so")
    before = f"""
import ctypes, torch, executorch
core = executorch.__path__[0] + "/lib/libexecutorch.so"
ctypes.CDLL(core, mode=ctypes.RTLD_GLOBAL)
ctypes.CDLL({str(other)!r})
"""
    done = import_elsewhere(SUPPORT, IMPORT + LOWER_AND_RUN, before)
    assert done.returncode == 0, done.stderr
    (warned,) = ast.literal_eval(done.stdout.splitlines()[0].removeprefix("warned "))
    assert warned.startswith(f"{other} has registered a VulkanBackend already")
    assert "EXECUTORCH_BUILD_VULKAN=OFF" in warned
    assert "delegates 1" in done.stdout
    assert "loaded" not in done.stdout and "the other VulkanBackend was asked" in done.stderr


def test_no_other_vulkan_backend() -> None:
    done = import_elsewhere(SUPPORT, IMPORT + LOWER_AND_RUN)
    assert done.stdout.split("\n")[:3] == ["warned []", "delegates 1", "loaded"], done.stderr


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
