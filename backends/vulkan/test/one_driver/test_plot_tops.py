"""benchmarks/plot_tops.py: what it draws from either kind of JSON, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from linear_fixture import ROOT, built

SVG = "{http://www.w3.org/2000/svg}"


def plot(document: object, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "results.json").write_text(json.dumps(document))
    script = ROOT / "benchmarks" / "plot_tops.py"
    command = [sys.executable, script, folder / "results.json", "--output", folder / "plot.svg"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True)


def titles(folder: Path) -> set[str]:
    """What the dots of the plot say."""
    root = ET.parse(folder / "plot.svg").getroot()
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    dots = list(root.iter(f"{SVG}circle"))
    for dot in dots:
        assert 0 < float(dot.attrib["cx"]) < width and 0 < float(dot.attrib["cy"]) < height
    return {str(dot.findtext(f"{SVG}title")) for dot in dots}


def result(m: int, kn: int, us: float, torch_us: float | None) -> dict[str, Any]:
    return {"M": m, "K": kn, "N": kn, "kernel": "k", "us": us, "torch_us": torch_us}


def test_beside_torch_and_stock(tmp_path: Path) -> None:
    document = {
        "device": "NVIDIA H200",
        "driver": "a < b",
        "results": [
            result(1024, 2048, 20.0, 18.0),
            result(16, 2048, 5.0, None),
            result(1024, 4096, 60.0, 62.0),
            result(7, 512, 1.0, 1.0),
        ],
    }
    run = plot(document, tmp_path)
    assert run.returncode == 0, run.stderr
    torch, stock = "torch._int_mm + compiled requantize", "ExecuTorch's own Vulkan kernel"
    assert titles(tmp_path) == {
        "executorch-vulkan: M = 16, 27 TOPS",
        "executorch-vulkan: M = 1024, 429 TOPS",
        "executorch-vulkan: M = 1024, 573 TOPS",
        f"{torch}: M = 1024, 477 TOPS",
        f"{torch}: M = 1024, 554 TOPS",
        f"{stock}: M = 256, 15 TOPS",
        f"{stock}: M = 512, 24 TOPS",
        f"{stock}: M = 1024, 26 TOPS",
    }
    assert "a &lt; b" in (tmp_path / "plot.svg").read_text()


def test_of_etvk_bench(tmp_path: Path) -> None:
    """Stock figures are of another device, so they are not drawn."""
    report = tmp_path / "bench.json"
    shapes = ("--shape", "4x64x64", "--shape", "9x64x64")
    quick = ("--target-ms", "0", "--warmup-ms", "0", "--json", str(report))
    subprocess.run([built("bin/etvk_bench"), *shapes, *quick], check=True, capture_output=True)
    run = plot(json.loads(report.read_text()), tmp_path, "--sizes", "64")
    assert run.returncode == 0, run.stderr
    assert {title.split(",")[0] for title in titles(tmp_path)} == {
        "executorch-vulkan: M = 4",
        "executorch-vulkan: M = 9",
    }


def test_nothing_to_draw(tmp_path: Path) -> None:
    for document, message in (
        ({"device": "d", "results": []}, "no results at K = N = 2048"),
        ({"device": "d"}, "'results'"),
    ):
        run = plot(document, tmp_path)
        assert run.returncode == 1 and message in run.stderr, run.stderr
