"""python -m executorch_vulkan: what each command prints, and how it fails."""

from __future__ import annotations

import html
import itertools
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower

from drivers import pretending
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
    assert all(row["gb_per_s"] > 0 and row["kernels"] for row in layers)
    counted = [row["tops"] * row["us"] * 1e6 for row in layers]
    assert counted == pytest.approx([2 * 5 * k * n for k, n in ((64, 128), (128, 96), (96, 10))])
    assert sum(row["us"] for row in rows) <= 1.1 * described["median_us"]
    assert sum(described["sums_us"].values()) == pytest.approx(sum(row["us"] for row in rows))
    assert described["executions"] == 3
    assert list(described["load_us"]) == [
        "device",
        "read",
        "nodes and memory",
        "constants",
        "pipelines and recording",
        "self-check",
    ]

    events = [one for one in json.loads(trace.read_text())["traceEvents"] if one["ph"] == "X"]
    assert len(events) == len(rows) and all(one["dur"] >= 0 for one in events)

    bars = Bars()
    bars.feed(page.read_text())
    assert bars.classes == [row["place"] for row in rows] and not bars.loaded

    text = call("profile", mlp, "--repeat", "2", "--sort")
    assert text.count("et_vk.q8ta_linear.default") == 3 and "TOPS" in text
    assert "loading, ms: device " in text


# Where the browser has put what is on the page: boxes in pixels, and the colors of the bars.
LAYOUT_SCRIPT = """<script>
const box = (element) => {
  const {left, top, right, bottom} = element.getBoundingClientRect();
  return {left, top, right, bottom, text: element.innerText,
          color: getComputedStyle(element).backgroundColor};
};
const boxes = (selector) => [...document.querySelectorAll(selector)].map(box);
const layout = {
  window: window.innerWidth, page: document.documentElement.scrollWidth,
  bars: boxes("td.bar div"), cells: boxes("td"), paragraphs: boxes("p, h1"),
};
const out = document.createElement("pre");
out.id = "layout";
out.textContent = JSON.stringify(layout);
document.body.append(out);
</script></body>"""


def rendered(page: Path) -> dict[str, Any]:
    """What headless Chromium makes of a page."""
    browser = os.environ.get("ETVK_CHROMIUM")
    if not browser:
        pytest.skip("no browser is here: ETVK_CHROMIUM is not set; ./dev setup fetches one")
    page.write_text(page.read_text().replace("</body>", LAYOUT_SCRIPT))
    options = [
        "--headless",
        "--no-sandbox",  # which root may not use
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
        f"--user-data-dir={page.parent}/user",
    ]
    done = subprocess.run(
        [browser, *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    shown = re.search('<pre id="layout">(.*?)</pre>', done.stdout, re.DOTALL)
    assert shown is not None, done.stdout + done.stderr
    return dict(json.loads(html.unescape(shown.group(1))))


def test_the_page_in_a_browser(call, mlp: Path, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    rows = json.loads(call("profile", mlp, "--repeat", "2", "--html", page, "--json"))["rows"]
    layout = rendered(page)
    bars = layout["bars"]
    assert len(bars) == len(rows)
    # Lengths are times, for all bars start at one line; colors say where.
    assert len({bar["left"] for bar in bars}) == 1
    widths = [bar["right"] - bar["left"] for bar in bars]
    longest = max(row["us"] for row in rows)
    assert widths == pytest.approx(
        [max(1, max(widths) * row["us"] / longest) for row in rows], abs=0.1
    )
    assert max(widths) > 100 and all(bar["bottom"] - bar["top"] > 5 for bar in bars)
    colors = {(row["place"], bar["color"]) for row, bar in zip(rows, bars, strict=True)}
    assert len(colors) == len({place for place, _ in colors}) == len({one for _, one in colors})
    # Nothing is cut off or lies over something else.
    assert layout["page"] <= layout["window"]
    for one, other in itertools.combinations(layout["cells"] + layout["paragraphs"], 2):
        apart_x = one["right"] <= other["left"] + 0.1 or other["right"] <= one["left"] + 0.1
        apart_y = one["bottom"] <= other["top"] + 0.1 or other["bottom"] <= one["top"] + 0.1
        assert apart_x or apart_y, (one, other)
    texts = [cell["text"] for cell in layout["cells"]]
    for row in rows:
        assert any(row["op"] in text and all(k in text for k in row["kernels"]) for text in texts)
        assert f"{row['us']:.1f}" in texts


END = "end of a command"
SEVERAL = f"""
import json, sys
from executorch_vulkan.cli import main
for arguments in json.loads(sys.argv[1]):
    code = main(arguments)
    print({END!r}, code, flush=True)
    print({END!r}, file=sys.stderr, flush=True)
"""


def run_commands(
    *commands: Sequence[object], **environment: str
) -> list[subprocess.CompletedProcess[str]]:
    """In a process of their own, for a process keeps its loader's devices."""
    listed = json.dumps([[str(argument) for argument in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, listed],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    codes = re.findall(rf"^{END} (\d+)\n", done.stdout, re.M)
    outputs = re.split(rf"^{END} \d+\n", done.stdout, flags=re.M)[:-1]
    errors = re.split(rf"^{END}\n", done.stderr, flags=re.M)[:-1]
    return [
        subprocess.CompletedProcess(list(command), int(code), output, error)
        for command, code, output, error in zip(commands, codes, outputs, errors, strict=True)
    ]


def test_operations_of_convolutions(call, tmp_path: Path) -> None:
    """2 * K for each element of the result, where K is what PyTorch's weights say."""
    path = tmp_path / "convolutions.pte"
    path.write_bytes(pte_bytes("conv_separable"))
    rows = json.loads(call("profile", path, "--repeat", "2", "--json"))["rows"]
    counted = [row["tops"] * row["us"] * 1e6 for row in rows if "conv" in row["op"]]
    kernels = [
        one.weight[0].numel()
        for one in CASES["conv_separable"].build().modules()
        if isinstance(one, torch.nn.Conv2d)
    ]
    results = [math.prod(row["outputs"][0]) for row in rows if "conv" in row["op"]]
    assert counted == pytest.approx(
        [2 * size * k for size, k in zip(results, kernels, strict=True)]
    )


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("no_timestamps", "the device's compute queue has no timestamps"),
        ("short_timestamps", "the device's timestamps start over after 0.256 us"),
    ],
)
def test_profile_without_times_of_ops(mlp: Path, tmp_path: Path, device: str, reason: str) -> None:
    """What is missing is said once, and there are no zeros in its place."""
    environment = pretending(device)
    page = tmp_path / "p.html"
    command = ("profile", mlp, "--repeat", "2")
    done, printed = run_commands((*command, "--json", "--html", page), command, **environment)
    assert done.returncode == 0, done.stderr
    described = json.loads(done.stdout)
    assert reason in described["missing"] and described["copy_gb_per_s"] is None
    assert [row["op"] for row in described["rows"]] == [
        "copy in",
        "run",
        "tell the tracer",
        "copy out",
        "rest of the call",
    ]
    for row in described["rows"]:
        assert row["us"] > 0 and row["gb_per_s"] is row["of_copy"] is row["tops"] is None
    assert sum(row["us"] for row in described["rows"]) <= 1.1 * described["median_us"]
    assert page.read_text().count("no times of ops: ") == 1

    text = printed.stdout
    [line] = [line for line in text.splitlines() if line.startswith("no times of ops: ")]
    assert reason in line
    # Times and shares, and no speeds.
    for row in text.partition("output\n")[2].splitlines():
        assert re.fullmatch(r" *[\d.]+ +[\d.]+% {25,}\w[\w ]+", row), row


def test_profile_of_a_counter_that_starts_over(mlp: Path) -> None:
    """A thousandth of a millisecond after the first timestamp of each execution."""
    command = ("profile", mlp, "--repeat", "5", "--json")
    [done] = run_commands(command, **pretending("wrapping_timestamps"))
    described = json.loads(done.stdout)
    rows = described["rows"]
    assert described["missing"] is None and described["copy_gb_per_s"] > 0
    assert len([row for row in rows if row["op"] == "et_vk.q8ta_linear.default"]) == 3
    assert described["sums_us"]["gpu"] > 1 and all(row["us"] >= 0 for row in rows)
    assert sum(row["us"] for row in rows) <= 1.1 * described["median_us"]


def test_profile_of_a_program_for_the_cpu(call, tmp_path: Path) -> None:
    """It has no delegate of ours; another backend's may say nothing of its ops."""
    x = torch.ones(4, 8)
    exported = torch.export.export(torch.nn.Sequential(torch.nn.Linear(8, 8)).eval(), (x,))
    for partitioners, place in (([], "cpu"), ([XnnpackPartitioner()], "host")):
        path = tmp_path / f"{place}.pte"
        lowered = to_edge_transform_and_lower(exported, partitioner=partitioners)
        path.write_bytes(lowered.to_executorch().buffer)
        described = json.loads(call("profile", path, "--repeat", "2", "--json"))
        assert described["sums_us"]["gpu"] == 0 and described["sums_us"][place] > 0
        assert "on the device" not in call("profile", path, "--repeat", "2").partition("\n")[2]
        assert "output 0  float32 [4, 8]" in call("run", path)
        assert call("inspect", path)


def test_failures_are_one_line(fail, mlp: Path, dynamic: Path, tmp_path: Path) -> None:
    damaged, text = tmp_path / "damaged.pte", tmp_path / "x.npy"
    damaged.write_bytes(mlp.read_bytes()[:500])
    text.write_text("no array")
    unknown = tmp_path / "unknown.pte"
    unknown.write_bytes(mlp.read_bytes().replace(b"VulkanBackend", b"VulkanBackenx"))
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
    for command in ("run", "profile"):
        assert "--repeat 0: expected at least 1" in fail(command, mlp, "--repeat", "0")
        assert "can't be loaded" in fail(command, unknown)


def test_files_of_other_kinds(fail, mlp: Path, tmp_path: Path) -> None:
    empty, zipped, folder = tmp_path / "empty", tmp_path / "x.pt", tmp_path / "folder"
    empty.write_bytes(b"")
    torch.save({"x": torch.zeros(5, 64)}, zipped)
    folder.mkdir()
    for command in ("run", "profile", "inspect", "explain"):
        assert f"{folder} is no file" in fail(command, folder)
        for other in (empty, zipped):
            assert f"{other} is n" in fail(command, other)
    assert "is not what torch.export.save writes" in fail("explain", mlp)
    for option in ("--data", "--input"):
        assert f"{option} {folder} is no file" in fail("run", mlp, option, folder)
    assert f"{empty} no data of it" in fail("run", mlp, "--data", empty)
    assert "holds a dict, not a tensor" in fail("run", mlp, "--input", zipped)
    assert f"--input {empty} holds no tensor" in fail("run", mlp, "--input", empty)
    for name, array in (
        ("double", np.zeros((5, 64))),
        ("object", np.array([None, 1])),
        ("records", np.zeros(3, [("a", "i4")])),
        ("text", np.array(["a"])),
        ("scalar", np.float32(1)),
        ("unsigned", np.zeros((5, 64), np.uint16)),
        ("swapped", np.zeros((5, 64), ">f4")),
    ):
        path = tmp_path / f"{name}.npy"
        np.save(path, array)
        assert f"--input {path} " in fail("run", mlp, "--input", path)


def test_sizes_that_do_not_fit(fail, mlp: Path, dynamic: Path, tmp_path: Path) -> None:
    for size in ("0=-1x1x16", "0=1x16", "0=", "0=1x1x17"):
        assert "--size 0= has shape [" in fail("run", dynamic, "--size", size)
    for size in ("0=ax1", "0=1xx1", "=1", "0:1"):
        assert "expected INDEX=AxBxC" in fail("run", dynamic, "--size", size)
    # What only the program can know.
    assert "fails on inputs of [3, 64]" in fail("run", mlp, "--size", "0=3x64")
    np.save(tmp_path / "x.npy", np.zeros((5, 64), np.float32))
    both = ("--input", tmp_path / "x.npy", "--size", "0=5x64")
    assert "exclude each other" in fail("run", mlp, *both)
    two = ("--input", tmp_path / "x.npy", "--input", tmp_path / "x.npy")
    assert "--input was given 2 times, the method has 1" in fail("run", mlp, *two)


def test_places_that_cannot_be_written(fail, mlp: Path, tmp_path: Path) -> None:
    for command, option in (("run", "--output"), ("profile", "--html"), ("profile", "--trace")):
        assert f"{option} {tmp_path} is a folder" in fail(command, mlp, option, tmp_path)
        path = tmp_path / "none" / "file"
        assert f"there is no folder {path.parent}" in fail(command, mlp, option, path)
        assert fail(command, mlp, option, "/dev/full")


def test_damaged_programs_are_described_or_refused(
    mlp: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(1)
    whole, damaged = mlp.read_bytes(), tmp_path / "damaged.pte"
    codes = set()
    for _ in range(20):
        data = bytearray(whole)
        for at in random.integers(0, 2000, 5):
            data[at] = random.integers(256)
        damaged.write_bytes(data)
        codes.add(main(["inspect", str(damaged)]))
    assert 1 in codes and codes <= {0, 1}
    assert "Traceback" not in capfd.readouterr().err


def test_the_reader_of_the_output_may_go() -> None:
    """As with `| head`."""
    command = f"{sys.executable} -m executorch_vulkan devices | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr, done.stderr


def test_without_a_device(mlp: Path) -> None:
    no_driver, no_such = {"VK_DRIVER_FILES": "/nonexistent"}, {"ETVK_DEVICE": "no such"}
    profile, run_it, devices = ("profile", mlp), ("run", mlp), ("devices",)
    *failed, listed = run_commands(profile, run_it, devices, **no_such)
    for done, reason in zip(
        (*run_commands(devices, profile, run_it, **no_driver), *failed),
        (
            "no Vulkan device was found",
            "no Vulkan device was found",
            "forward can't be loaded",
            "ETVK_DEVICE=no such is none of: ",
            "forward can't be loaded",
        ),
        strict=True,
    ):
        command = done.args[0]
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        *logged, last = done.stderr.splitlines()
        assert last.startswith(f"executorch_vulkan {command}: ") and reason in last
        assert command != "run" or any("VulkanBackend init: " in line for line in logged)
    assert listed.returncode == 0 and listed.stdout and "*" not in listed.stdout


def test_wrong_arguments() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["no_such_command"])
    assert ended.value.code == 2
