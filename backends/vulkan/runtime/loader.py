"""Load the delegate library into this process and ask it for the devices.

Loading registers the backend with ExecuTorch's runtime; it needs no Vulkan driver.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARY_NAME = "libexecutorch_vulkan.so"
# Beside the library; the build writes into it which executorch it compiled against.
VERSION_FILE = "executorch_version.txt"


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
        quirks: what is not used because its driver computes it wrongly, each with the report.
        selected: whether programs loaded now would run on it.
    """

    index: int
    name: str
    type: str
    driver: str
    api_version: str
    subgroup_size: int
    tiers: tuple[str, ...]
    quirks: tuple[str, ...]
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


@dataclass(frozen=True)
class Kernel:
    """A kernel of the build.

    Attributes:
        name: as ETVK_KERNEL takes it.
        refusal: why the selected device can't run it; "": it can.
    """

    name: str
    refusal: str


@dataclass(frozen=True)
class KernelReport:
    """How a kernel did in all of its variants.

    Attributes:
        pipelines: variants, by their specialization constants.
        problems: small problems with a known result, several of each variant.
        wrong: of these problems, those of which a run gave something else.
        mistakes: what some of these gave and should have given.
    """

    pipelines: int
    problems: int
    wrong: int
    mistakes: tuple[str, ...]


def check_executorch_version(installed: str | None = None, built_for: str | None = None) -> None:
    """Make sure that the installed executorch is the one that the delegate was compiled against.

    ExecuTorch promises no C++ ABI between releases, so nothing less than the same version will do;
    local labels such as +cpu do not count.

    Args:
        installed: version of the installed executorch; looked up by default.
        built_for: version that the delegate was compiled against; by default what the build noted.

    Raises:
        ImportError: for another version, where executorch is not installed, or where this package
            was not built.
    """
    if built_for is None:
        built_for = _built_for(find_library(_library_folders()))
    if installed is None:
        try:
            installed = metadata.version("executorch")
        except metadata.PackageNotFoundError:
            installed = "no executorch"
    needed = built_for.partition("+")[0]
    if installed.partition("+")[0] != needed:
        raise ImportError(
            f"executorch-vulkan needs executorch {needed}, which it was compiled against, found "
            f"{installed}; install it with: pip install 'executorch=={needed}'"
        )


def _built_for(library: Path) -> str:
    note = library.resolve().with_name(VERSION_FILE)
    try:
        return note.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImportError(
            f"{note} is missing, which says for which executorch {LIBRARY_NAME} was built. From a "
            "checkout run ./dev setup; otherwise reinstall the wheel with: pip install "
            "--force-reinstall executorch-vulkan"
        ) from error


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

    Where another library has registered a VulkanBackend before, that one stays, with a warning.

    Raises:
        ImportError: where either library is missing or can't be loaded, or is of another release.
    """
    check_executorch_version()
    spec = importlib.util.find_spec("executorch")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    cores = [core for f in folders if (core := Path(f, "lib", "libexecutorch.so")).is_file()]
    if not cores:
        version = metadata.version("executorch")
        raise ImportError(
            f"executorch {version} has no lib/libexecutorch.so (looked in {', '.join(folders)}). "
            f"Its Linux wheels carry it: reinstall with pip install --force-reinstall "
            f"'executorch=={version.partition('+')[0]}'"
        )
    library = find_library(_library_folders())
    try:
        # Global, so that the delegate library finds the registry in this very copy.
        ctypes.CDLL(str(cores[0].resolve()), mode=ctypes.RTLD_GLOBAL)
        _register_built_in_backends()
        loaded = ctypes.CDLL(str(library.resolve()))
    except OSError as error:
        raise ImportError(
            f"{library} can't be loaded: {error}. It is built for the glibc of the build machine "
            "or a newer one; run ./dev setup to build it for this one"
        ) from error
    _declare_functions(loaded)
    _warn_of_another_backend(loaded)
    return loaded


def _register_built_in_backends() -> None:
    """Load what executorch itself runs programs with, so that its backends come first.

    Otherwise it would depend on the order of imports which VulkanBackend a program gets.
    """
    with suppress(ImportError):  # without Python bindings nothing but lowering is possible
        importlib.import_module("executorch.extension.pybindings._C")


def _warn_of_another_backend(loaded: ctypes.CDLL) -> None:
    registered_by = Path(_text_of(loaded.etvk_registered_by))
    # A second copy of our own library is as good as the first.
    if registered_by.name != LIBRARY_NAME:
        warnings.warn(
            f"{registered_by} has registered a VulkanBackend already, so this executorch was built "
            "with its own Vulkan runtime: lowering works as always, but programs run there, and "
            "fail where it lacks an op of ours. To run them here, install executorch without it "
            "(its wheels are; in a source build: -DEXECUTORCH_BUILD_VULKAN=OFF)",
            RuntimeWarning,
            stacklevel=2,
        )


def _declare_functions(loaded: ctypes.CDLL) -> None:
    text: list[Any] = [ctypes.c_char_p, ctypes.c_size_t]
    loaded.etvk_describe_devices.argtypes = text
    loaded.etvk_memory_in_use.argtypes = text
    loaded.etvk_copy_gb_per_s.argtypes = text
    loaded.etvk_registered_by.argtypes = text
    loaded.etvk_kernels.argtypes = text
    loaded.etvk_check_kernel.argtypes = [ctypes.c_char_p, ctypes.c_uint32, *text]
    loaded.etvk_linear_kernel.argtypes = [ctypes.c_char_p, *[ctypes.c_uint32] * 3, *text]
    for function in (
        loaded.etvk_describe_devices,
        loaded.etvk_memory_in_use,
        loaded.etvk_copy_gb_per_s,
        loaded.etvk_registered_by,
        loaded.etvk_linear_kernel,
        loaded.etvk_kernels,
        loaded.etvk_check_kernel,
    ):
        function.restype = ctypes.c_size_t


def devices() -> list[Device]:
    """The Vulkan devices of this machine; empty where there is no Vulkan.

    Raises:
        RuntimeError: for an ETVK_ variable that has no meaning; stderr says which.
    """
    described = json.loads(_text_of(load().etvk_describe_devices))
    return [
        Device(**{**one, "tiers": tuple(one["tiers"]), "quirks": tuple(one["quirks"])})
        for one in described
    ]


def memory_in_use() -> MemoryInUse:
    """Device memory of the programs that are loaded now.

    Raises:
        RuntimeError: without a Vulkan device; stderr says why.
    """
    return MemoryInUse(**json.loads(_text_of(load().etvk_memory_in_use)))


def copy_gb_per_s() -> float:
    """How fast the selected device copies 64 MiB (a CPU 1 MiB), in GB/s read and written.

    0.0 where the device has no timestamps. Takes some milliseconds.

    Raises:
        RuntimeError: without a Vulkan device; stderr says why.
    """
    return float(json.loads(_text_of(load().etvk_copy_gb_per_s)))


def linear_kernel(m: int, n: int, k: int, op: str = "q8ta_linear") -> str:
    """Name of the kernel that a program loaded now would run for y[m, n] = x[m, k] * w[n, k]^T.

    Args:
        op: q8ta_linear (int8 output) or linear_q8ta_q8csw (float32 output).

    Raises:
        RuntimeError: without a Vulkan device, or for sizes that are not positive; stderr says why.
    """
    return _text_of(load().etvk_linear_kernel, op.encode(), m, n, k)


def kernels() -> list[Kernel]:
    """The kernels of the build, for the selected device.

    Raises:
        RuntimeError: without a Vulkan device; stderr says why.
    """
    return [Kernel(**one) for one in json.loads(_text_of(load().etvk_kernels))]


def check_kernel(name: str, runs: int) -> KernelReport:
    """Run a kernel on small problems with known results on the selected device.

    Args:
        name: of one of kernels() that the device can run.
        runs: of each problem, rounded up to a multiple of 4.

    Raises:
        RuntimeError: without a Vulkan device, or where it fails; stderr says why.
    """
    report = json.loads(_text_of(load().etvk_check_kernel, name.encode(), runs, size=65536))
    return KernelReport(**{**report, "mistakes": tuple(report["mistakes"])})


def _text_of(function: Any, *args: Any, size: int = 4096) -> str:
    """What a function of the library writes; it is called again where that is over `size` bytes."""
    while True:
        buffer = ctypes.create_string_buffer(size)
        needed = function(*args, buffer, size)
        if needed == 0:
            raise RuntimeError(f"{function.__name__}{args} failed; the reason is on stderr")
        if needed <= size:
            return buffer.value.decode()
        size = needed
