"""Draw TOPS over M, at K = N, as an SVG: this backend, PyTorch, ExecuTorch's own kernel.

    python benchmarks/compare_torch.py --sweep --json sweep.json
    python benchmarks/plot_tops.py sweep.json --output docs/tops_over_m.svg

Reads the JSON of compare_torch.py, or that of etvk_bench, which has no PyTorch in it. Needs nothing
beyond Python.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

# ExecuTorch 1.5's own q8ta_linear on an NVIDIA H200 (docs/benchmarks.md): (M, K = N) to us.
STOCK_DEVICE = "NVIDIA H200"
STOCK_US = {(256, 2048): 142.0, (512, 2048): 179.0, (1024, 2048): 331.0}

PANEL_WIDTH, PANEL_HEIGHT = 380, 260
LEFT, TOP, GAP, BOTTOM = 56, 64, 40, 56

Point = tuple[int, float]  # M, TOPS


@dataclass(frozen=True)
class Series:
    name: str
    color: str
    dash: str  # SVG stroke-dasharray; "": solid
    points: list[Point]  # in order of M


def tops(m: int, kn: int, time_us: float) -> float:
    return 2e-6 * m * kn * kn / time_us


def our_time_us(result: dict[str, Any]) -> float | None:
    """From either kind of JSON; None when the result was not exact."""
    if "us" in result:
        return float(result["us"])
    times = result.get("gpu") or result.get("wall")
    return None if times is None else float(times["median_us"])


def series_at(document: dict[str, Any], kn: int) -> list[Series]:
    """What there is to draw at K = N = kn."""
    results = sorted(
        (r for r in document["results"] if r["K"] == r["N"] == kn), key=lambda r: int(r["M"])
    )
    ours = [(r["M"], tops(r["M"], kn, us)) for r in results if (us := our_time_us(r)) is not None]
    torch = [(r["M"], tops(r["M"], kn, us)) for r in results if (us := r.get("torch_us"))]
    stock = [
        (m, tops(m, kn, us))
        for (m, at), us in STOCK_US.items()
        if at == kn and document["device"] == STOCK_DEVICE
    ]
    every = [
        Series("executorch-vulkan", "#1f6feb", "", ours),
        Series("torch._int_mm + compiled requantize", "#d9730d", "6 3", torch),
        Series("ExecuTorch's own Vulkan kernel", "#6e7781", "2 3", stock),
    ]
    return [one for one in every if one.points]


def tick_step(highest: float) -> float:
    """Of a round axis with four to ten steps."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if highest / (power * factor) <= 10)


def text(x: float, y: float, content: str, anchor: str = "middle", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(content)}</text>"
    )


class Panel:
    """Axes at a place; M is drawn in powers of two, TOPS from 0."""

    def __init__(self, left: float, ms: list[int], highest: float) -> None:
        self.left = left
        self.ms = ms
        self.step = tick_step(highest)
        self.top_tops = math.ceil(highest / self.step) * self.step

    def x(self, m: int) -> float:
        low, high = math.log2(self.ms[0]), math.log2(self.ms[-1])
        share = 0.5 if high == low else (math.log2(m) - low) / (high - low)
        return self.left + share * PANEL_WIDTH

    def y(self, value: float) -> float:
        return TOP + PANEL_HEIGHT * (1 - value / self.top_tops)

    def axes(self, title: str) -> list[str]:
        right, bottom = self.left + PANEL_WIDTH, TOP + PANEL_HEIGHT
        lines = [text(self.left + PANEL_WIDTH / 2, TOP - 10, title, size=13)]
        for i in range(round(self.top_tops / self.step) + 1):
            y = self.y(i * self.step)
            lines.append(
                f'<line x1="{self.left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" '
                'stroke="#d0d7de"/>'
            )
            lines.append(text(self.left - 6, y + 4, f"{i * self.step:g}", "end", 11))
        lines += [text(self.x(m), bottom + 16, str(m), size=10) for m in self.ms]
        lines.append(text(self.left + PANEL_WIDTH / 2, bottom + 36, "M (rows of x)"))
        return lines

    def curve(self, series: Series) -> list[str]:
        dots = [
            f'<circle cx="{self.x(m):.1f}" cy="{self.y(value):.1f}" r="3.5" fill="{series.color}">'
            f"<title>{escape(series.name)}: M = {m}, {value:.0f} TOPS</title></circle>"
            for m, value in series.points
        ]
        path = " ".join(f"{self.x(m):.1f},{self.y(value):.1f}" for m, value in series.points)
        line = (
            f'<polyline points="{path}" fill="none" stroke="{series.color}" stroke-width="2" '
            f'stroke-dasharray="{series.dash or "none"}"/>'
        )
        return [line, *dots]


def legend(series: list[Series]) -> list[str]:
    lines = []
    left = float(LEFT)
    for one in series:
        lines.append(
            f'<line x1="{left:.1f}" y1="20" x2="{left + 28:.1f}" y2="20" stroke="{one.color}" '
            f'stroke-width="2" stroke-dasharray="{one.dash or "none"}"/>'
        )
        lines.append(text(left + 34, 24, one.name, "start"))
        left += 34 + 6.6 * len(one.name) + 24
    return lines


def draw(document: dict[str, Any], sizes: list[int]) -> str:
    """The SVG. Throws ValueError when the document has nothing at one of the sizes."""
    panels = {kn: series_at(document, kn) for kn in sizes}
    for kn, series in panels.items():
        if not series:
            raise ValueError(f"no results at K = N = {kn}")
    highest = max(v for series in panels.values() for one in series for _, v in one.points)
    width = LEFT + len(sizes) * PANEL_WIDTH + (len(sizes) - 1) * (GAP + 16) + 24
    height = TOP + PANEL_HEIGHT + BOTTOM
    body = legend(max(panels.values(), key=len))
    for index, (kn, series) in enumerate(panels.items()):
        ms = sorted({m for one in series for m, _ in one.points})
        panel = Panel(LEFT + index * (PANEL_WIDTH + GAP + 16), ms, highest)
        body += panel.axes(f"TOPS at K = N = {kn}")
        for one in reversed(series):
            body += panel.curve(one)
    names = ("device", "driver", "commit", "date")
    note = ", ".join(str(document[name]) for name in names if document.get(name))
    body.append(text(LEFT, height - 4, note, "start", 10))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" fill="#1f2328">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="JSON of compare_torch.py or etvk_bench")
    parser.add_argument("--output", type=Path, default=Path("docs/tops_over_m.svg"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 4096], help="of K = N")
    args = parser.parse_args()
    try:
        args.output.write_text(draw(json.loads(args.results.read_text()), args.sizes))
    except (OSError, ValueError, KeyError) as error:
        print(f"plot_tops.py: {args.results}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
