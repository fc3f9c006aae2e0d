"""Load the delegate library into this process and ask it for the devices.

Loading registers the backend with ExecuTorch's runtime; it needs no Vulkan driver.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

# The C++ runtime and the serialized format are tied to this series.
EXECUTORCH_SERIES = "1.5"
LIBRARY_NAME = "libexecutorch_vulkan.so"


@dataclass(frozen=True)
class Device:
    """A Vulkan device that the delegate can run on.

    Attributes:
        index: what ETVK_DEVICE takes.
        name: as the driver gives it.
        type: discrete, integrated, virtual, cpu or other.
        driver: driver name and version.
        api_version: Vulkan version, such as "1.3.255".
        subgroup_size: lanes of a subgroup.
        tiers: kernel tiers that it can run, fastest first.
        selected: whether programs loaded now would run on it.
    """

    index: int
    name: str
    type: str
    driver: str
    api_version: str
    subgroup_size: int
    tiers: tuple[str, ...]
    selected: bool


@dataclass(frozen=True)
class MemoryInUse:
    """What the loaded programs of this process hold on the selected device.

    Attributes:
        size_bytes: device and staging memory together.
        buffers: number of allocations.
    """

    size_bytes: int
    buffers: int


def check_executorch_version(version: str | None = None) -> None:
    """Make sure that the installed executorch is of the series that this package is built for.

    Args:
        version: the version to check; the installed one by default.

    Raises:
        ImportError: for another series, or where executorch is not installed.
    """
    if version is None:
        try:
            version = metadata.version("executorch")
        except metadata.PackageNotFoundError:
            version = "no executorch"
    if version.split("+")[0].split(".")[:2] != EXECUTORCH_SERIES.split("."):
        raise ImportError(
            f"executorch-vulkan needs executorch {EXECUTORCH_SERIES}.x, found {version}. "
            f"Install it with: pip install 'executorch=={EXECUTORCH_SERIES}.*'"
        )


def find_library(folders: Iterable[Path]) -> Path:
    """The delegate library in the first of `folders` that has it.

    Raises:
        ImportError: where none has it.
    """
    searched = list(dict.fromkeys(folders))
    for folder in searched:
        if (folder / LIBRARY_NAME).is_file():
            return folder / LIBRARY_NAME
    places = ", ".join(map(str, searched))
    raise ImportError(
        f"{LIBRARY_NAME} is missing: this installation of executorch-vulkan was not built. "
        f"Looked in: {places}. From a checkout run ./dev setup; otherwise reinstall the wheel "
        "with: pip install --force-reinstall executorch-vulkan"
    )


def _library_folders() -> list[Path]:
    """This folder, and the other parts of the package where it is installed editable."""
    package = sys.modules.get(__package__ or "")
    paths = [str(Path(__file__).resolve().parent), *getattr(package, "__path__", [])]
    root = sys.modules.get((__package__ or "").rpartition(".")[0])
    paths += [f"{path}/runtime" for path in getattr(root, "__path__", [])]
    return [Path(path) for path in paths]


@cache
def load() -> ctypes.CDLL:
    """Load ExecuTorch's runtime, then the delegate library; a second call gives the same one.

    Raises:
        ImportError: where either library is missing or can't be loaded.
    """
    check_executorch_version()
    spec = importlib.util.find_spec("executorch")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    cores = [core for f in folders if (core := Path(f, "lib", "libexecutorch.so")).is_file()]
    if not cores:
        raise ImportError(
            f"executorch {metadata.version('executorch')} has no lib/libexecutorch.so "
            f"(looked in {', '.join(folders)}). Its Linux wheels carry it: reinstall with "
            f"pip install --force-reinstall 'executorch=={EXECUTORCH_SERIES}.*'"
        )
    library = find_library(_library_folders())
    try:
        # Global, so that the delegate library finds the registry in this very copy.
        ctypes.CDLL(str(cores[0].resolve()), mode=ctypes.RTLD_GLOBAL)
        loaded = ctypes.CDLL(str(library.resolve()))
    except OSError as error:
        raise ImportError(
            f"{library} can't be loaded: {error}. It is built for executorch "
            f"{EXECUTORCH_SERIES}.x and glibc of the build machine; run ./dev setup again to "
            "rebuild it"
        ) from error
    text: list[Any] = [ctypes.c_char_p, ctypes.c_size_t]
    loaded.etvk_describe_devices.argtypes = text
    loaded.etvk_memory_in_use.argtypes = text
    loaded.etvk_linear_kernel.argtypes = [ctypes.c_char_p, *[ctypes.c_uint32] * 3, *text]
    for function in (
        loaded.etvk_describe_devices,
        loaded.etvk_memory_in_use,
        loaded.etvk_linear_kernel,
    ):
        function.restype = ctypes.c_size_t
    return loaded


def devices() -> list[Device]:
    """The Vulkan devices of this machine; empty where there is no Vulkan.

    Raises:
        RuntimeError: for an ETVK_ variable that has no meaning; stderr says which.
    """
    described = json.loads(_call_for_text("etvk_describe_devices"))
    return [Device(**{**one, "tiers": tuple(one["tiers"])}) for one in described]


def memory_in_use() -> MemoryInUse:
    """Device memory of the programs that are loaded now.

    Raises:
        RuntimeError: without a Vulkan device; stderr says why.
    """
    return MemoryInUse(**json.loads(_call_for_text("etvk_memory_in_use")))


def linear_kernel(m: int, n: int, k: int, op: str = "q8ta_linear") -> str:
    """Name of the kernel that a program loaded now would run for y[m, n] = x[m, k] * w[n, k]^T.

    Args:
        op: q8ta_linear (int8 output) or linear_q8ta_q8csw (float32 output).

    Raises:
        RuntimeError: without a Vulkan device, or for sizes that are not positive; stderr says why.
    """
    return _call_for_text("etvk_linear_kernel", op.encode(), m, n, k)


def _call_for_text(function: str, *args: Any) -> str:
    call = getattr(load(), function)
    size = 4096
    while True:
        buffer = ctypes.create_string_buffer(size)
        needed = call(*args, buffer, size)
        if needed == 0:
            raise RuntimeError(f"{function}{args} failed; the reason is on stderr")
        if needed <= size:
            return buffer.value.decode()
        size = needed
