"""ETVK_PIPELINE_CACHE: kept between processes, ignored when it is damaged, never in the way, and
never in place of what is not ours."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

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


def start(model: Path, cache: Path | str, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [built("bin/etvk_run"), model, "--repeat", "1"],
        env=os.environ | {"ETVK_PIPELINE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
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
    assert cache.stat().st_mode & 0o777 == 0o600
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
        "another version of ours": b"ETVKPC00" + good[8:],
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


def test_an_empty_file_is_filled(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "pipelines.bin"
    cache.touch(0o600)
    assert run(model, cache)[1] == ""
    assert_sound(cache)


def test_a_folder_that_is_not_there(model: Path, tmp_path: Path) -> None:
    expected, _ = run(model, "")
    outputs, said = run(model, tmp_path / "none" / "pipelines.bin")
    assert outputs == expected and "No such file or directory" in said
    assert not list(tmp_path.iterdir())


@contextmanager
def make_unchanged(kind: str, path: Path) -> Iterator[str]:
    """Puts something that is not ours at `path`; afterwards it must be as it was. Gives the reason
    that the runtime must name."""
    beside = path.with_name("beside")
    good = with_header(bytes(100))
    regular = "it is not a regular file"
    reason = regular
    with ExitStack() as stack:
        if kind == "text":
            path.write_text("my thesis")
            path.chmod(0o600)
            reason = "it is another file, which is left alone"
        elif kind == "shorter than a header":
            path.write_bytes(b"ETV")
            path.chmod(0o600)
            reason = "it is another file, which is left alone"
        elif kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        elif kind == "device":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        elif kind == "link to ours":
            beside.write_bytes(good)
            beside.chmod(0o600)
            path.symlink_to(beside)
            reason = "it is a symbolic link"
        elif kind == "link to nothing":
            path.symlink_to(beside)
            reason = "it is a symbolic link"
        else:
            path.write_bytes(good)
            mode, owner, reason = {
                "for the group to write": (0o620, -1, "others than its owner may write to it"),
                "for all to write": (0o602, -1, "others than its owner may write to it"),
                "of another user": (0o600, 12345, "it belongs to another user"),
            }[kind]
            path.chmod(mode)
            os.chown(path, owner, -1)
        before = state(path), beside.exists() and beside.read_bytes()
        yield reason
        assert (state(path), beside.exists() and beside.read_bytes()) == before, kind


def state(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    where = (status.st_ino, status.st_mode, status.st_uid, status.st_rdev, status.st_mtime_ns)
    return *where, content, path.is_symlink() and os.readlink(path)


NEEDS_ROOT = ("device", "of another user")
NOT_OURS = (
    "text",
    "shorter than a header",
    "folder",
    "fifo",
    "socket",
    "link to ours",
    "link to nothing",
    "for the group to write",
    "for all to write",
    *NEEDS_ROOT,
)


@pytest.mark.parametrize("kind", NOT_OURS)
def test_what_is_not_ours_is_left_alone(model: Path, tmp_path: Path, kind: str) -> None:
    if kind in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip("only root can make this")
    expected, _ = run(model, "")
    path = tmp_path / "pipelines.bin"
    with make_unchanged(kind, path) as reason:
        outputs, said = run(model, path)
        assert outputs == expected
        assert f"pipelines.bin was not written: {reason}" in said, said
        if kind not in ("text", "shorter than a header", "link to nothing"):
            assert f"pipelines.bin: {reason}" in said, said
    assert {one.name for one in tmp_path.iterdir()} <= {"pipelines.bin", "beside"}


def test_a_file_of_root_is_read_by_another_user(model: Path) -> None:
    """Not written, though: it is left to the one who made it."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of root")
    # Not below pytest's folder, which other users cannot enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = Path(folder) / "model.pte"
        program.write_bytes(model.read_bytes())
        cache = Path(folder) / "pipelines.bin"
        expected, _ = run(model, cache)
        cache.chmod(0o644)
        before = state(cache)
        outputs, said = finish(start(program, cache, user=12345))
        assert outputs == expected and "ignoring" not in said
        assert state(cache) == before


def test_a_long_file_is_not_read(model: Path, tmp_path: Path) -> None:
    expected, _ = run(model, "")
    cache = tmp_path / "pipelines.bin"
    with open(cache, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(with_header(bytes(100)))
        file.truncate(1 << 40)  # sparse: more than memory holds
    outputs, said = run(model, cache)
    assert outputs == expected
    assert f"it has {1 << 40} bytes, the most are {64 << 20}" in said
    assert_sound(cache)  # ours, so it is replaced


def test_a_process_that_is_killed_while_it_writes(model: Path, tmp_path: Path) -> None:
    """By a limit on the size of files, in the middle of a write."""
    expected, _ = run(model, "")
    cache = tmp_path / "pipelines.bin"
    run(model, cache)
    size = cache.stat().st_size
    for old in (b"", with_header(bytes(10))):
        for limit in (10, size // 2, size - 1):
            cache.unlink()
            if old:
                cache.write_bytes(old)
                cache.chmod(0o600)
            limited = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
            process = start(model, cache, preexec_fn=limited)
            process.communicate(timeout=120)
            assert process.returncode == -signal.SIGXFSZ
            assert list(tmp_path.iterdir()) == [cache]
            assert run(model, cache)[0] == expected
            assert_sound(cache)


def test_a_full_disk_keeps_the_old_file(model: Path, tmp_path: Path) -> None:
    """The same limit, for a process that ignores its signal and so gets an error."""
    cache = tmp_path / "pipelines.bin"
    run(model, cache)
    limit = cache.stat().st_size - 1
    old = with_header(bytes(10))
    cache.write_bytes(old)

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    said = finish(start(model, cache, preexec_fn=limited, restore_signals=False))[1]
    assert "was not written: File too large" in said
    assert cache.read_bytes() == old


def test_a_process_that_is_stopped_while_it_writes(model: Path, tmp_path: Path) -> None:
    """Another one does not wait for it for long, and reads what is there."""
    cache = tmp_path / "pipelines.bin"
    expected, _ = run(model, cache)
    with open(cache, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(model, cache) == (expected, "")
        cache.write_bytes(with_header(bytes(100)))
        outputs, said = run(model, cache)
        assert outputs == expected and "another process is writing it" in said


def test_processes_at_the_same_time(model: Path, tmp_path: Path) -> None:
    expected, _ = run(model, "")
    cache = tmp_path / "pipelines.bin"
    for _ in range(3):
        processes = [start(model, cache) for _ in range(4)]
        assert [finish(process) for process in processes] == [(expected, "")] * 4
        assert_sound(cache)
        cache.unlink()
