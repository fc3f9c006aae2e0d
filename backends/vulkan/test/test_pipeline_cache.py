"""ETVK_PIPELINE_CACHE: kept between processes, ignored when it is damaged, never in the way."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from fnv1a import fnv1a
from linear_fixture import built
from programs import pte_bytes

HEADER = struct.Struct("<8sQQ")  # magic, bytes of the driver's data, their FNV-1a
DRIVER_HEADER = struct.Struct("<IIII16s")  # size, version, vendor, device, uuid


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline_cache")
    path = folder / "mlp.pte"
    path.write_bytes(pte_bytes("mlp"))
    run(path, folder / "probe")
    if not (folder / "probe").exists():
        pytest.skip("this driver keeps no pipelines: its cache data has no header")
    return path


def start(model: Path, cache: Path | str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [built("bin/etvk_run"), model, "--repeat", "1"],
        env=os.environ | {"ETVK_PIPELINE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(model: Path, cache: Path | str) -> tuple[str, str]:
    """The lines about outputs, and what the delegate said about the cache."""
    return finish(start(model, cache))


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    outputs = "\n".join(line for line in out.splitlines() if line.startswith("output"))
    said = "\n".join(line for line in err.splitlines() if "ETVK_PIPELINE_CACHE" in line)
    return outputs, said


def with_header(data: bytes) -> bytes:
    return HEADER.pack(b"ETVKPC01", len(data), fnv1a(data)) + data


def assert_sound(cache: Path) -> bytes:
    """The driver's data in a file that is as it should be, with no temporary file beside it."""
    content = cache.read_bytes()
    data = content[HEADER.size :]
    assert content == with_header(data)
    assert DRIVER_HEADER.unpack_from(data)[:2] == (32, 1)
    assert list(cache.parent.iterdir()) == [cache]
    return data


def test_cold_then_warm(model: Path, tmp_path: Path) -> None:
    expected, said = run(model, "")
    assert not said
    cache = tmp_path / "pipelines.bin"
    assert run(model, cache) == (expected, "")
    data = assert_sound(cache)
    assert run(model, cache) == (expected, "")
    assert len(assert_sound(cache)) >= len(data)


def damaged(good: bytes) -> dict[str, bytes]:
    data = good[HEADER.size :]
    size, version, vendor, device, uuid = DRIVER_HEADER.unpack_from(data)

    def driver_header(*fields: int | bytes) -> bytes:
        return with_header(DRIVER_HEADER.pack(*fields) + data[DRIVER_HEADER.size :])

    return {
        "truncated": good[:-1],
        "cut in our header": good[:10],
        "longer": good + b"\0",
        "one bit": good[:-1] + bytes([good[-1] ^ 1]),
        "garbage": bytes(range(256)) * 20,
        "no driver data": with_header(b""),
        "cut in the driver's header": with_header(data[:20]),
        "of another vendor": driver_header(size, version, vendor ^ 1, device, uuid),
        "of another device": driver_header(size, version, vendor, device ^ 1, uuid),
        "of another driver": driver_header(size, version, vendor, device, uuid[::-1]),
        "of another version": driver_header(size, version + 1, vendor, device, uuid),
    }


def test_damaged_files_are_ignored_and_replaced(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "pipelines.bin"
    expected, _ = run(model, cache)
    good = cache.read_bytes()
    for name, content in damaged(good).items():
        cache.write_bytes(content)
        outputs, said = run(model, cache)
        reason = "another device or driver" if name.startswith("of another") else "damaged"
        assert outputs == expected, name
        assert said.count("ignoring") == 1 and reason in said, (name, said)
        assert_sound(cache)
        assert run(model, cache) == (expected, ""), name


def test_a_file_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    expected, _ = run(model, "")
    outputs, said = run(model, tmp_path / "none" / "pipelines.bin")
    assert outputs == expected and "No such file or directory" in said
    outputs, said = run(model, tmp_path)
    assert outputs == expected and "it is not a regular file" in said
    assert "was not written" in said and not list(tmp_path.iterdir())


def test_processes_at_the_same_time(model: Path, tmp_path: Path) -> None:
    expected, _ = run(model, "")
    cache = tmp_path / "pipelines.bin"
    for _ in range(3):
        processes = [start(model, cache) for _ in range(4)]
        assert [finish(process) for process in processes] == [(expected, "")] * 4
        assert_sound(cache)
        cache.unlink()
