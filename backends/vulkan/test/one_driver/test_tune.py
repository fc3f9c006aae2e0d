"""etvk_bench --tune: what it keeps, who uses it, and files that it must not trust."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from fnv1a import fnv1a
from linear_fixture import built, kernels

SHAPES = ("--shape", "3x40x20", "--shape", "17x33x30")
QUICK = ("--target-ms", "0", "--warmup-ms", "0")
OP = "q8ta_linear"


def bench(cache: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [built("bin/etvk_bench"), *QUICK, *arguments],
        env=os.environ | {"ETVK_TUNE_CACHE": str(cache)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def tune(cache: Path, *arguments: str) -> str:
    run = bench(cache, "--tune", *SHAPES, *arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def kernels_run(cache: Path, folder: Path, *arguments: str, **environment: str) -> list[str]:
    """The kernel that ran each of SHAPES."""
    report = folder / "report.json"
    run = bench(cache, *SHAPES, "--json", str(report), *arguments, **environment)
    assert run.returncode == 0, run.stdout + run.stderr
    return [result["kernel"] for result in json.loads(report.read_text())["results"]]


def entries(cache: Path) -> dict[tuple[str, int, int, int], str]:
    """Of the one device in the file: (op, M, N, K) to kernel."""
    first, device, *lines, last = cache.read_text().splitlines()
    assert first == "executorch_vulkan tuned kernels 1"
    assert device.startswith("device ")
    body = cache.read_bytes()[: -len(last) - 1]
    assert last == f"checksum {fnv1a(body):x}"
    words = [line.split() for line in lines]
    return {(op, int(m), int(n), int(k)): kernel for op, m, n, k, kernel in words}


def rewrite(cache: Path, old: str, new: str) -> None:
    body = cache.read_text().rpartition("checksum ")[0]
    assert old in body
    body = body.replace(old, new)
    cache.write_text(f"{body}checksum {fnv1a(body.encode()):x}\n")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "made" / "tuned.txt"


def test_every_kernel_is_measured_and_one_is_kept(cache: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    stdout = tune(cache, "--json", str(report))
    assert stdout.count(" -> ") == 2 and str(cache) in stdout
    found = entries(cache)
    assert set(found) == {(OP, 3, 20, 40), (OP, 17, 30, 33)}
    results = json.loads(report.read_text())["results"]
    usable = {name for name, row in kernels().items() if row.op == OP and not row.refusal}
    for (_, m, _, _), kernel in found.items():
        measured = {r["kernel"]: r for r in results if r["M"] == m}
        # On a busy machine a first execution may look hopeless; then the kernel is only checked.
        untimed = {
            words[1]
            for words in map(str.split, stdout.splitlines())
            if "not timed" in " ".join(words) and words[0].startswith(f"{m}x")
        }
        assert kernel in measured and measured.keys() | untimed == usable
        assert all(result["exact"] for result in measured.values())
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_used_only_when_asked_for(cache: Path, tmp_path: Path) -> None:
    tune(cache)
    usual = kernels_run(cache, tmp_path)
    other = next(
        name
        for name, row in kernels().items()
        if row.op == OP and not row.refusal and name != usual[0]
    )
    rewrite(cache, entries(cache)[OP, 3, 20, 40], other)
    assert kernels_run(cache, tmp_path) == usual
    assert kernels_run(cache, tmp_path, ETVK_TUNE="0") == usual
    assert kernels_run(cache, tmp_path, ETVK_TUNE="1")[0] == other
    # What is forced wins, and other features of the device are another device.
    forced = kernels_run(cache, tmp_path, "--kernel", usual[0], ETVK_TUNE="1")
    assert forced == [usual[0]] * 2
    without = {"ETVK_DISABLE": "dot"}
    assert kernels_run(cache, tmp_path, ETVK_TUNE="1", **without) == kernels_run(
        cache, tmp_path, **without
    )


def test_tuning_again_adds_to_the_file(cache: Path) -> None:
    tune(cache)
    tune(cache, "--float-output")
    assert {op for op, *_ in entries(cache)} == {OP, "linear_q8ta_q8csw"}
    assert len(entries(cache)) == 4


def test_files_that_do_not_count(cache: Path, tmp_path: Path) -> None:
    """One line on stderr, and the kernels of a run without the file."""
    tune(cache)
    usual = kernels_run(cache, tmp_path)
    good = cache.read_text()
    kernel = entries(cache)[OP, 3, 20, 40]
    for name, content, reason in (
        ("truncated", good[:-5], "damaged"),
        ("garbage", "\0\xff" * 1000, "damaged"),
        ("edited", good.replace(kernel, "q8ta_linear__none"), "damaged"),
        ("another driver", good.replace(", driver ", ", driver f"), "damaged"),
    ):
        cache.write_text(content)
        run = bench(cache, *SHAPES, ETVK_TUNE="1")
        assert run.returncode == 0, run.stderr
        assert run.stderr.count("ETVK_TUNE: not using") == 1 and reason in run.stderr, name
        assert kernels_run(cache, tmp_path, ETVK_TUNE="1") == usual, name
    cache.write_text(good)
    rewrite(cache, ", driver ", ", driver f")
    run = bench(cache, *SHAPES, ETVK_TUNE="1")
    assert run.stderr.count("it has nothing for") == 1 and "--tune" in run.stderr
    cache.write_text(good)
    rewrite(cache, kernel, "q8ta_linear__none")
    assert kernels_run(cache, tmp_path, ETVK_TUNE="1")[0] == usual[0]


def test_a_damaged_file_is_replaced(cache: Path) -> None:
    for content in ("executorch_vulkan tuned kernels 0\nnonsense", ""):
        cache.parent.mkdir(exist_ok=True)
        cache.write_text(content)
        run = bench(cache, "--tune", *SHAPES)
        assert run.returncode == 0 and ("replacing" in run.stderr) == bool(content)
        assert len(entries(cache)) == 2
        cache.unlink()


def test_what_is_not_ours_is_left_alone(cache: Path, tmp_path: Path) -> None:
    """Kind by kind in test_pipeline_cache.py; both files go through the same functions."""
    tune(cache)
    good = cache.read_bytes()
    beside = tmp_path / "beside"
    for kind, reason in (
        ("text", "it is another file"),
        ("link", "it is a symbolic link"),
        ("fifo", "it is not a regular file"),
        ("for all to write", "others than its owner may write to it"),
    ):
        cache.unlink()
        if kind == "text":
            cache.write_text("my thesis")
        elif kind == "link":
            beside.write_bytes(good)
            cache.symlink_to(beside)
        elif kind == "fifo":
            os.mkfifo(cache)
        else:
            cache.write_bytes(good)
            cache.chmod(0o666)
        before = cache.lstat()
        run = bench(cache, "--tune", *SHAPES)
        assert run.returncode == 1 and "cannot be kept" in run.stderr, kind
        assert reason in run.stderr, (kind, run.stderr)
        if kind != "text":  # which no one has taken for ours
            run = bench(cache, *SHAPES, ETVK_TUNE="1")
            assert run.returncode == 0 and f"not using {cache}: {reason}" in run.stderr
        after = cache.lstat()
        assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (
            before.st_ino,
            before.st_mode,
            before.st_mtime_ns,
        )
    assert beside.read_bytes() == good


def test_tuners_at_the_same_time_keep_all(cache: Path) -> None:
    cache.parent.mkdir()
    command = [built("bin/etvk_bench"), *QUICK, "--tune", *SHAPES]
    processes = [
        subprocess.Popen(
            [*command, *more],
            env=os.environ | {"ETVK_TUNE_CACHE": str(cache)},
            stdout=subprocess.DEVNULL,
        )
        for more in ((), ("--float-output",))
    ]
    assert [process.wait(300) for process in processes] == [0, 0]
    assert len(entries(cache)) == 4
    assert list(cache.parent.iterdir()) == [cache]


def test_wrong_settings(cache: Path, tmp_path: Path) -> None:
    for arguments, environment, message in (
        (("--tune", "--kernel", "all"), {}, "leave --kernel out"),
        (SHAPES, {"ETVK_TUNE": "yes"}, "ETVK_TUNE=yes"),
        (("--tune", *SHAPES), {"ETVK_TUNE_CACHE": str(tmp_path)}, "cannot be kept"),
        (("--tune", *SHAPES), {"ETVK_TUNE_CACHE": "/proc/none/x"}, "cannot be kept"),
    ):
        run = bench(cache, *arguments, **environment)
        assert run.returncode == 1 and message in run.stderr, (arguments, run.stderr)
