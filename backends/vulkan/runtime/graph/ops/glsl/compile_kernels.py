"""Compiles every row of kernels.py and writes Kernels.h and Kernels.cpp; the former also names the
activations of activations.py. What elementwise.py needs of its own is made by elementwise_code.py.

    compile_kernels.py --glslang glslangValidator --spirv-val spirv-val --out DIR

Needs Python's standard library only. Each row becomes one SPIR-V module (kept in DIR/spirv and
reused while its sources, macros and compiler stay the same), is validated, and is checked by
reflection against what the row declares. A row that fails ends the build with its name; one that
needs a GLSL extension which this glslang does not know is left out, and said so on stdout.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from activations import ACTIVATIONS
from elementwise_code import CASES_FILE, ROWS_FILE, cases_text, rows_text
from kernels import KERNELS, Kernel, KernelError, validate
from spirv_reflect import reflect

HERE = Path(__file__).resolve().parent
TARGET_ENV = "vulkan1.1"
GLSLANG_FLAGS = ("-V", "-g0", "--target-env", TARGET_ENV)  # -g0: no names, a third smaller
INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"', re.MULTILINE)

PATH_ENUM = {
    "coopmat": "kCoopmat",
    "skinny_coopmat": "kSkinnyCoopmat",
    "dot4": "kDot4",
    "scalar": "kScalar",
    "gemv_dot4": "kGemvDot4",
    "gemv_scalar": "kGemvScalar",
    "cpu": "kCpu",
    "cpu_shuffle": "kCpu",
    "elementwise": "kElementwise",
    "transpose": "kTranspose",
    "subgroups": "kSubgroups",
}
FEATURE_ENUM = {
    "dot4": "kFeatureDot4",
    "coopmat": "kFeatureCoopmat",
    "half_coopmat": "kFeatureHalfCoopmat",
    "int8_storage": "kFeatureInt8Storage",
    "subgroup_shuffle": "kFeatureSubgroupShuffle",
}


def split_command(command: str) -> tuple[str, ...]:
    """A program's path, which may hold spaces, or a program with arguments."""
    return (command,) if shutil.which(command) else tuple(shlex.split(command))


@dataclass(frozen=True)
class Tools:
    glslang: tuple[str, ...]
    spirv_val: tuple[str, ...]  # empty: no validation
    version: str

    @staticmethod
    def find(glslang: str, spirv_val: str) -> Tools:
        command = split_command(glslang)
        try:
            result = subprocess.run([*command, "--version"], capture_output=True, text=True)
        except OSError as error:
            raise KernelError(f"cannot run glslang as {glslang!r}: {error}") from error
        if result.returncode != 0:
            raise KernelError(f"{glslang!r} --version failed: {result.stdout}{result.stderr}")
        return Tools(command, split_command(spirv_val), result.stdout)


@dataclass(frozen=True)
class Compiled:
    """A row and its SPIR-V, or the reason why it was left out."""

    kernel: Kernel
    words: tuple[int, ...] = ()
    left_out: str = ""


def sources_of(shader: str) -> list[Path]:
    """The shader and everything it includes, by paths from this folder, in reading order."""
    found: list[Path] = []
    pending = [HERE / shader]
    while pending:
        path = pending.pop(0)
        if path in found:
            continue
        if not path.is_file():
            raise KernelError(f"{shader}: no such file {path.name}")
        found.append(path)
        names = INCLUDE.findall(path.read_text())
        pending += [HERE / name for name in names if name != CASES_FILE]
    return found


def definitions(kernel: Kernel) -> list[str]:
    """Macro definitions of the row, and the activations' codes where the shader has activations."""
    codes = []
    if any(path.name == "activations.glsl" for path in sources_of(kernel.shader)):
        codes = [f"-DACTIVATION_{row.name.upper()}={i}" for i, row in enumerate(ACTIVATIONS)]
    return kernel.defines() + codes


def content_key(kernel: Kernel, tools: Tools) -> str:
    """Changes whenever the compiled module could."""
    digest = hashlib.sha256()
    for part in (
        tools.version,
        *tools.glslang,
        *tools.spirv_val,
        *GLSLANG_FLAGS,
        *definitions(kernel),
    ):
        digest.update(part.encode() + b"\0")
    for path in sources_of(kernel.shader):
        digest.update(path.read_bytes() + b"\0")
        if CASES_FILE in INCLUDE.findall(path.read_text()):
            digest.update(cases_text().encode() + b"\0")
    return digest.hexdigest()


def run_tool(kernel: Kernel, command: Sequence[str]) -> str:
    """Returns "" or, on failure, what the tool printed."""
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise KernelError(f"{kernel.name}: cannot run {command[0]!r}: {error}") from error
    if result.returncode == 0:
        return ""
    return f"{shlex.join(command)}\n{result.stdout}{result.stderr}"


def check_reflection(kernel: Kernel, words: Sequence[int]) -> None:
    """Compares the module with the row; raises KernelError where they disagree."""
    module = reflect(words)
    declared_and_found = {
        "bindings": (list(range(kernel.op.binding_count)), module.bindings),
        "push constant bytes": (kernel.op.push_constant_bytes, module.push_constant_bytes),
        "workgroup size": ((kernel.workgroup_size, 1, 1), module.local_size),
        "shared bytes": (kernel.shared_bytes, module.shared_bytes),
    }
    for what, (declared, found) in declared_and_found.items():
        if declared != found:
            raise KernelError(f"{kernel.name}: {what}: row says {declared}, shader has {found}")


def compile_kernel(kernel: Kernel, tools: Tools, cache: Path) -> Compiled:
    """Compiles, validates and checks one row, or takes it from the cache."""
    module = cache / f"{kernel.name}.spv"
    key_file = cache / f"{kernel.name}.key"
    key = content_key(kernel, tools)
    if not (module.is_file() and key_file.is_file() and key_file.read_text() == key):
        key_file.unlink(missing_ok=True)
        output = ["-o", str(module), str(HERE / kernel.shader)]
        failed = run_tool(
            kernel,
            [
                *tools.glslang,
                *GLSLANG_FLAGS,
                f"-I{HERE}",
                f"-I{cache.parent}",
                *definitions(kernel),
                *output,
            ],
        )
        extension = kernel.glslang_extension
        if failed and extension and f"extension not supported: {extension}" in failed:
            return Compiled(kernel, left_out=f"this glslang has no {extension}")
        if not failed and tools.spirv_val:
            failed = run_tool(kernel, [*tools.spirv_val, "--target-env", TARGET_ENV, str(module)])
        if failed:
            raise KernelError(f"{kernel.name} does not compile:\n{failed}")
        key_file.write_text(key)
    data = module.read_bytes()
    words = tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4))
    check_reflection(kernel, words)
    return Compiled(kernel, words)


def header_text(rows: Sequence[Compiled]) -> str:
    names = "\n".join(f"  {row.kernel.name}," for row in rows)
    activations = "\n".join(f"  {row.name}," for row in ACTIVATIONS)
    activation_names = "\n".join(f'    "{row.name}",' for row in ACTIVATIONS)
    return f"""// Generated by compile_kernels.py from kernels.py and activations.py; do not edit.
#pragma once

#include <cstdint>

namespace etvk {{

// Index into kernel_rows().
enum class KernelId : uint16_t {{
{names}
}};

// Codes of the activations, as the shaders know them.
enum class Activation : uint32_t {{
{activations}
}};

// By code.
constexpr const char* kActivationNames[] = {{
{activation_names}
}};

}}  // namespace etvk
"""


def array_text(row: Compiled) -> str:
    lines = [
        "    " + " ".join(f"0x{word:08x}," for word in row.words[i : i + 8])
        for i in range(0, len(row.words), 8)
    ]
    name = row.kernel.name
    return f"const uint32_t spirv_{name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def row_text(row: Compiled) -> str:
    kernel = row.kernel
    features = " | ".join(FEATURE_ENUM[name] for name in kernel.features) or "kFeatureNone"
    written = sum(1 << binding for binding in reflect(row.words).written_bindings)
    fields = [
        f"KernelId::{kernel.name}",
        f'"{kernel.name}"',
        f'"{kernel.op.name}"',
        f"KernelPath::{PATH_ENUM[kernel.path]}",
        *(f"{size}u" for size in (kernel.tile_m, kernel.tile_n, kernel.tile_k)),
        f"{kernel.workgroup_size}u",
        f"{kernel.subgroup_size}u",
        f"{kernel.shared_bytes}u",
        features,
        *(f"{size}u" for size in kernel.coopmat_shape),
        *(f"{size}u" for size in kernel.half_shape),
        f"{kernel.max_m}u",
        f"{kernel.op.binding_count}u",
        f"0x{written:x}u",
        f"{kernel.op.push_constant_bytes}u",
        f"spirv_{kernel.name}",
        f"{len(row.words)}u",
    ]
    return "    {" + ", ".join(fields) + "},"


def source_text(rows: Sequence[Compiled]) -> str:
    arrays = "\n".join(array_text(row) for row in rows)
    table = "\n".join(row_text(row) for row in rows)
    return f"""// Generated by compile_kernels.py from kernels.py; do not edit.
#include "Kernels.h"

#include "graph/ops/KernelTable.h"

namespace etvk {{
namespace {{

{arrays}
const KernelRow kRows[] = {{
{table}
}};

}}  // namespace

const KernelRow* kernel_rows(size_t* count) {{
  *count = sizeof(kRows) / sizeof(kRows[0]);
  return kRows;
}}

const KernelRow& kernel_row(KernelId id) {{
  return kRows[static_cast<size_t>(id)];
}}

}}  // namespace etvk
"""


def write_if_changed(path: Path, text: str) -> None:
    """Leaves an identical file alone, so that what includes it is not rebuilt."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def generate(tools: Tools, out: Path) -> list[Compiled]:
    """Compiles all rows and writes both files; returns the rows that were left out."""
    validate(KERNELS)
    cache = out / "spirv"
    cache.mkdir(parents=True, exist_ok=True)
    write_if_changed(out / CASES_FILE, cases_text())
    write_if_changed(out / ROWS_FILE, rows_text())
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        results = list(pool.map(lambda kernel: compile_kernel(kernel, tools, cache), KERNELS))
    rows = [result for result in results if not result.left_out]
    write_if_changed(out / "Kernels.h", header_text(rows))
    write_if_changed(out / "Kernels.cpp", source_text(rows))
    return [result for result in results if result.left_out]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--glslang", default="glslangValidator", help="command, may have arguments")
    parser.add_argument("--spirv-val", default="", help="command; empty: no validation")
    parser.add_argument("--out", type=Path, required=True, help="folder for the generated files")
    args = parser.parse_args()
    try:
        left_out = generate(Tools.find(args.glslang, args.spirv_val), args.out)
    except KernelError as error:
        print(f"compile_kernels: {error}", file=sys.stderr)
        return 1
    for result in left_out:
        print(f"left out: {result.kernel.name}: {result.left_out}")
    print(f"{len(KERNELS) - len(left_out)} kernels, {len(left_out)} left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
