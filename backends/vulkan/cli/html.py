"""A profile as one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em auto; max-width: 70em; color: #222; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: 3px 8px; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr:nth-child(even) { background: #f5f5f5; }
small { color: #777; display: block; }
td.bar { width: 30%; }
.bar div { height: 14px; background: #3b6ea8; min-width: 1px; }
.bar div.host { background: #b0873a; }
"""


def page(profile: dict[str, Any]) -> str:
    """What `profile --json` prints, as a table with a bar a row."""
    longest = max((row["us"] for row in profile["rows"]), default=0.0) or 1.0
    rows = "\n".join(_row(row, longest) for row in profile["rows"])
    title = escape(f"{profile['model']}, {profile['method']}")
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>
<body>
<h1>{title}</h1>
<p>{profile["median_us"]:.1f} us on {escape(profile["device"])}, median of
{profile["executions"]} executions. A copy reaches {profile["copy_gb_per_s"]:.1f} GB/s there.
Blue: on the GPU; brown: on the host.</p>
<table>
<tr><th>op</th><th class="number">us</th><th class="number">share</th><th></th>
<th class="number">GB/s</th><th class="number">of copy</th><th class="number">TOPS</th></tr>
{rows}
</table>
</body>
</html>
"""


def _row(row: dict[str, Any], longest: float) -> str:
    kernels = "".join(f"<small>{escape(name)}</small>" for name in dict.fromkeys(row["kernels"]))
    shapes = escape(" ".join(map(str, row["outputs"])))
    kind = "gpu" if row["kernels"] else "host"
    width = 100 * row["us"] / longest
    speed = f"{row['gb_per_s']:.1f}" if row["gb_per_s"] else ""
    of_copy = f"{row['of_copy']:.0%}" if row["gb_per_s"] else ""
    tops = f"{row['tops']:.3g}" if row["tops"] else ""
    return (
        f"<tr><td>{escape(row['op'])} {shapes}{kernels}</td>"
        f'<td class="number">{row["us"]:.1f}</td><td class="number">{row["share"]:.1%}</td>'
        f'<td class="bar"><div class="{kind}" style="width: {width:.2f}%"></div></td>'
        f'<td class="number">{speed}</td><td class="number">{of_copy}</td>'
        f'<td class="number">{tops}</td></tr>'
    )
