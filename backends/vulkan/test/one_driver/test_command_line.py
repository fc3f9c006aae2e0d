"""python -m executorch_vulkan: what each command prints, and how it fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from executorch_vulkan.cli import main
from model_cases import CASES, export_quantized
from programs import pte_bytes, run


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "mlp.pte"
    path.write_bytes(pte_bytes("mlp"))
    return path


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "dynamic.pte"
    path.write_bytes(pte_bytes("dynamic_two_sizes"))
    return path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """Runs a command; what it prints."""

    def called(*arguments: object) -> str:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return str(captured.out)

    return called


@pytest.fixture
def fail(capfd: pytest.CaptureFixture[str]):
    """Runs a command that must fail; its one line."""

    def failed(*arguments: object) -> str:
        capfd.readouterr()
        assert main([str(argument) for argument in arguments]) == 1
        captured = capfd.readouterr()
        lines = [line for line in captured.err.splitlines() if line.startswith("executorch_vulkan")]
        assert len(lines) == 1 and "Traceback" not in captured.err, captured.err
        return lines[0]

    return failed


def test_devices(call) -> None:
    found = json.loads(call("devices", "--json"))
    assert [one["selected"] for one in found].count(True) == 1
    text = call("devices")
    assert all(one["name"] in text and one["driver"] in text for one in found)


def test_run_with_files(call, mlp: Path, tmp_path: Path) -> None:
    inputs = CASES["mlp"].inputs()
    expected = run(mlp.read_bytes(), inputs)
    np.save(tmp_path / "x.npy", inputs[0].numpy())
    torch.save(inputs[0], tmp_path / "x.pt")
    printed = set()
    for name in ("x.npy", "x.pt"):
        text = call("run", mlp, "--input", tmp_path / name, "--output", tmp_path / "y.pt")
        [output] = torch.load(tmp_path / "y.pt")
        assert torch.equal(output, expected[0])
        printed.add(next(line for line in text.splitlines() if line.startswith("output 0")))
    assert len(printed) == 1


def test_run_of_a_dynamic_program(call, dynamic: Path) -> None:
    size = ("--size", "0=3x5x16", "--seed", "7")
    text = call("run", dynamic, *size, "--repeat", "2")
    assert "input 0   float32 [3, 5, 16]" in text and "[3, 5, 2, 8]" in text
    assert "of 2" in text
    assert (
        text.splitlines()[:2]
        == call("run", dynamic, "--size", "0=3x5x16", "--seed", "7").splitlines()[:2]
    )


def test_inspect(call, mlp: Path, dynamic: Path) -> None:
    [method] = json.loads(call("inspect", mlp, "--json"))
    [delegate] = method["delegates"]
    assert method["method"] == "forward" and method["cpu_ops"] == {}
    assert delegate["ops"]["et_vk.q8ta_linear.default"] == 3
    assert delegate["constant_bytes"] > 64 * 128
    assert "at most [16, 32, 16]" in call("inspect", dynamic)


def test_explain(call, tmp_path: Path) -> None:
    _, exported = export_quantized(CASES["mlp"])
    torch.export.save(exported, tmp_path / "mlp.pt2")
    assert call("explain", tmp_path / "mlp.pt2").count("q8ta_linear") >= 3


class Bars(HTMLParser):
    """Classes of the bars on a page, and whatever it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.classes: list[str | None] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "div":
            self.classes.append(named.get("class"))
        self.loaded += [tag for key in ("src", "href") if key in named]


def test_profile(call, mlp: Path, tmp_path: Path) -> None:
    page, trace = tmp_path / "p.html", tmp_path / "p.json"
    arguments = ("profile", mlp, "--repeat", "3", "--html", page, "--trace", trace)
    described = json.loads(call(*arguments, "--json"))
    rows = described["rows"]
    layers = [row for row in rows if row["op"] == "et_vk.q8ta_linear.default"]
    assert [row["outputs"] for row in layers] == [[[5, 128]], [[5, 96]], [[5, 10]]]
    assert all(row["tops"] > 0 and row["gb_per_s"] > 0 and row["kernels"] for row in layers)
    assert sum(row["us"] for row in rows) <= 1.1 * described["median_us"]
    assert described["executions"] == 3

    events = [one for one in json.loads(trace.read_text())["traceEvents"] if one["ph"] == "X"]
    assert len(events) == len(rows) and all(one["dur"] >= 0 for one in events)

    bars = Bars()
    bars.feed(page.read_text())
    assert bars.classes.count("gpu") == len([row for row in rows if row["kernels"]])
    assert len(bars.classes) == len(rows) and not bars.loaded

    text = call("profile", mlp, "--repeat", "2", "--sort")
    assert text.count("et_vk.q8ta_linear.default") == 3 and "TOPS" in text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_page_in_a_browser(call, mlp: Path, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    rows = json.loads(call("profile", mlp, "--repeat", "2", "--html", page, "--json"))["rows"]
    counting = "<script>document.title = document.querySelectorAll('.bar div').length + ' ' + \
[...document.querySelectorAll('.bar div')].filter(bar => bar.clientWidth > 0).length</script>"
    page.write_text(page.read_text().replace("</body>", counting + "</body>"))
    shown = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert f"<title>{len(rows)} {len(rows)}</title>" in shown


def test_failures_are_one_line(fail, mlp: Path, dynamic: Path, tmp_path: Path) -> None:
    damaged, text = tmp_path / "damaged.pte", tmp_path / "x.npy"
    damaged.write_bytes(mlp.read_bytes()[:500])
    text.write_text("no array")
    np.save(tmp_path / "wrong.npy", np.zeros((5, 64), np.int32))
    np.save(tmp_path / "large.npy", np.zeros((6, 64), np.float32))
    for command in ("run", "profile", "inspect", "explain"):
        assert "is no file" in fail(command, tmp_path / "none")
    for command in ("run", "profile", "inspect"):
        assert "is no program" in fail(command, damaged)
    assert "is not what torch.export.save writes" in fail("explain", damaged)
    assert "it has forward" in fail("run", mlp, "--method", "backward")
    assert "holds no tensor" in fail("run", mlp, "--input", text)
    assert "is torch.int32" in fail("run", mlp, "--input", tmp_path / "wrong.npy")
    assert "the program takes [5, 64] at most" in fail(
        "run", mlp, "--input", tmp_path / "large.npy"
    )
    assert "the program takes [16, 32, 16]" in fail("run", dynamic, "--size", "0=17x1x16")
    assert "expected INDEX=AxBxC" in fail("run", dynamic, "--size", "zero")
    assert "inputs 0 to 0" in fail("run", dynamic, "--size", "3=1")
    assert "at least 1" in fail("profile", mlp, "--repeat", "0")


def test_without_a_device(mlp: Path) -> None:
    """In a process of its own, for a process keeps its loader's devices."""
    for command, said in ((("devices",), "no Vulkan device"), (("run", str(mlp)), "load")):
        done = subprocess.run(
            [sys.executable, "-m", "executorch_vulkan", *command],
            env={"PATH": "/usr/bin:/bin", "VK_DRIVER_FILES": "/nonexistent"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        assert said in done.stderr.splitlines()[-1]


def test_wrong_arguments() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["no_such_command"])
    assert ended.value.code == 2
