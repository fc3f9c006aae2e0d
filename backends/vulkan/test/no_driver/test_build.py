"""What the build chooses: the flatbuffers compiler that matches the headers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from linear_fixture import ROOT

VERSION_LINES = """\
#define FLATBUFFERS_VERSION_MAJOR {}
#define FLATBUFFERS_VERSION_MINOR {}
#define FLATBUFFERS_VERSION_REVISION {}
"""


def pretend_flatc(folder: Path, says: str) -> Path:
    folder.mkdir()
    flatc = folder / "flatc"
    flatc.write_text(f"#!/bin/sh\n{says}\n")
    flatc.chmod(0o755)
    return flatc


def headers(folder: Path, version: str) -> Path:
    (folder / "flatbuffers").mkdir(parents=True)
    lines = VERSION_LINES.format(*version.split("."))
    (folder / "flatbuffers/base.h").write_text(lines)
    return folder


def find_flatc(folder: Path, include: Path, path: list[Path], *options: str) -> tuple[int, str]:
    """CMake's exit code and output, in one line; the chosen compiler is behind 'chosen: '."""
    script = folder / "find.cmake"
    script.write_text(
        f'include("{ROOT}/cmake/Flatc.cmake")\nmessage(STATUS "chosen: ${{ETVK_FLATC}}")\n'
    )
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    cmake = shutil.which("cmake", path=places)
    assert cmake is not None, "the build's cmake is not installed"
    result = subprocess.run(
        [cmake, f"-DETVK_FLATBUFFERS_HEADERS={include}", *options, "-P", str(script)],
        env=os.environ | {"PATH": os.pathsep.join(map(str, [*path, "/usr/bin", "/bin"]))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.returncode, " ".join((result.stdout + result.stderr).split())


@pytest.mark.parametrize(
    "says",
    ["echo flatc version 24.3.25", "echo flatc version 7.8.90", "echo 7.8.9.1; exit 1", "exit 1"],
)
def test_a_flatc_of_the_headers_version_is_found_behind_others(tmp_path: Path, says: str) -> None:
    other = pretend_flatc(tmp_path / "first", says)
    right = pretend_flatc(tmp_path / "second", "echo flatc version 7.8.9")
    include = headers(tmp_path / "include", "7.8.9")
    path = [other.parent, right.parent]
    assert f"chosen: {right}" in find_flatc(tmp_path, include, path)[1]
    # Also where an earlier run of CMake, or the user, has chosen the other one.
    code, output = find_flatc(tmp_path, include, path, f"-DETVK_FLATC={other}")
    assert code == 0 and f"chosen: {right}" in output and f"Not using ETVK_FLATC={other}" in output


def test_no_flatc_of_the_headers_version(tmp_path: Path) -> None:
    other = pretend_flatc(tmp_path / "first", "echo flatc version 7.8.8")
    include = headers(tmp_path / "include", "7.8.9")
    code, output = find_flatc(tmp_path, include, [other.parent])
    assert code != 0
    assert f"headers in {include}, which are 7.8.9:" in output
    assert f"{other} is '7.8.8'" in output


def test_the_systems_own(tmp_path: Path) -> None:
    """With the headers and compilers of this machine, behind a compiler that runs but is wrong."""
    include = next(
        f for f in ("/usr/include", "/usr/local/include") if (Path(f) / "flatbuffers").is_dir()
    )
    other = pretend_flatc(tmp_path / "first", "echo flatc version 24.3.25")
    code, output = find_flatc(tmp_path, Path(include), [other.parent])
    assert code == 0, output
    chosen = output.rpartition("chosen: ")[2]
    said = subprocess.run([chosen, "--version"], capture_output=True, text=True).stdout
    base = (Path(include) / "flatbuffers/base.h").read_text()
    version = [
        next(
            line.split()[-1]
            for line in base.splitlines()
            if f"define FLATBUFFERS_VERSION_{part} " in line
        )
        for part in ("MAJOR", "MINOR", "REVISION")
    ]
    assert said.split()[-1] == ".".join(version)
