"""etvk_bench works; how fast the kernels are is not a test's business."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest

from linear_fixture import built, device_name, kernels

# Ops that are compared within 1e-5; the others are exact.
CLOSE = (
    *("relu_float", "exp_float", "tanh_float", "sin_float"),
    *("sum_", "cumsum_", "softmax_", "layer_norm", "rms_norm"),
    *("rotary", "accumulate"),
)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [built("bin/etvk_bench"), *arguments], capture_output=True, text=True, timeout=300
    )


def test_one_shape(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    run = bench(
        *("--shape", "4x64x30", "--shape", "33x100x64", "--target-ms", "5", "--warmup-ms", "0"),
        *("--wall", "--json", str(path)),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "4x64x30" in run.stdout and run.stdout.count("exact") == 2
    report = json.loads(path.read_text())
    assert report["device"] == device_name()
    assert {"driver", "commit", "date", "timing"} <= report.keys()
    assert [(r["M"], r["K"], r["N"]) for r in report["results"]] == [(4, 64, 30), (33, 100, 64)]
    for result in report["results"]:
        assert result["exact"] is True
        assert result["kernel"] in kernels()
        times = result["gpu"] or result["wall"]
        assert 0 < times["min_us"] <= times["median_us"] <= times["p90_us"]
        assert times["samples"] >= 3 and result["tops"] > 0


def test_every_kernel_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    arguments = ("--shape", "3x40x20", "--kernel", "all", "--target-ms", "0", "--warmup-ms", "0")
    run = bench(*arguments, "--float-output", "--distinct-weights", "--json", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    ran = {result["kernel"] for result in json.loads(path.read_text())["results"]}
    assert ran == {
        name for name, row in kernels().items() if row.op == "linear_q8ta_q8csw" and not row.refusal
    }


@pytest.mark.parametrize("options", [("--table",), ("--residual",), ("--residual", "--table")])
def test_what_a_layer_does_besides(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = tmp_path / "bench.json"
    arguments = ("--shape", "33x40x20", "--target-ms", "0", "--warmup-ms", "0", *options)
    run = bench(*arguments, "--json", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    [result] = json.loads(path.read_text())["results"]
    assert result["exact"] is True
    assert bench(*arguments, "--float-output").returncode != 0


def test_every_kernel_of_an_op(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    arguments = ("--op", "layer_norm", "--shape", "33x128", "--kernel", "all")
    run = bench(*arguments, "--target-ms", "0", "--warmup-ms", "0", "--json", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(path.read_text())
    assert 0 < report["copy_gb_per_s"] < math.inf
    ran = {kernels()[result["kernel"]].op for result in report["results"]}
    assert ran == {"normalize", "normalize_rows"}


def test_memory_bound_ops(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    arguments = ("--op", "all", "--shape", "33x128", "--target-ms", "0", "--warmup-ms", "0")
    run = bench(*arguments, "--json", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(path.read_text())
    assert report["copy_gb_per_s"] > 0 and len(report["results"]) >= 20
    for result in report["results"]:
        assert result["exact"] is True or result["precision"] == "within 1e-05", result
        assert result["exact"] is not result["op"].startswith(CLOSE), result
        assert result["kernel"] in kernels(), result
        assert result["shape"] == [33, 128] and result["gb_per_s"] > 0
    moved = {result["op"]: result["moved_bytes"] for result in report["results"]}
    size = 33 * 128
    assert (moved["quantize"], moved["table"], moved["add"]) == (5 * size, 2 * size, 3 * size)
    assert (moved["add_row"], moved["mean_rows"]) == (2 * size + 128, size + 33)


def test_convolutions(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    quick = ("--target-ms", "0", "--warmup-ms", "0", "--json", str(path))
    for op, shape, family in (
        ("conv_7", "1x8", "q8ta_conv2d"),
        ("conv_pointwise", "1x4", "q8ta_linear"),
        ("depthwise_14", "1x576", "q8ta_conv2d_dw"),
    ):
        run = bench("--op", op, "--shape", shape, *quick)
        assert run.returncode == 0, run.stdout + run.stderr
        (result,) = json.loads(path.read_text())["results"]
        assert result["exact"] is True and result["op"] == op
        assert result["kernel"].startswith(f"{family}__")


def test_list() -> None:
    run = bench("--list")
    assert run.returncode == 0, run.stdout + run.stderr
    assert all(name in run.stdout for name, row in kernels().items() if row.op == "q8ta_linear")


def test_wrong_arguments(tmp_path: Path) -> None:
    for arguments, message in (
        (("--kernel", "no_such_kernel", "--shape", "1x8x8"), "no_such_kernel"),
        (("--shape", "1x8"), "--shape '1x8'"),
        (("--shape", "0x8x8"), "--shape '0'"),
        (("--target-ms", "soon"), "--target-ms 'soon'"),
        (("--op", "no_such_op"), "--op 'no_such_op'"),
        (("--op", "add", "--shape", "1x8x8"), "--shape '8x8'"),
        (("--op", "keys", "--shape", "8x65"), "columns must be a multiple of 64"),
        (("--op", "depthwise_14", "--shape", "1x8"), "8 output channels, it has 576"),
        (("--op", "add", "--tune"), "leave --op out"),
        (("--fast",), "unknown argument '--fast'"),
        (("--json",), "--json needs a value"),
        (("--shape", "1x8x8", "--json", str(tmp_path / "no" / "x.json")), "cannot be written"),
    ):
        run = bench(*arguments)
        assert run.returncode == 1 and message in run.stderr, (arguments, run.stdout, run.stderr)
