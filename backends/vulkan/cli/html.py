"""A profile as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from .events import PLACES

_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; }
body, td { color: #222; }
h1 { font-size: 1.4em; overflow-wrap: anywhere; }
.key { display: inline-block; width: 1em; height: 0.8em; margin-right: 0.3em; }
.shape { white-space: nowrap; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: 4px 8px; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr:nth-child(even) { background: #f5f5f5; }
td.op { overflow-wrap: anywhere; }
small { color: #666; display: block; }
td.bar { width: 30%; }
td.bar div { height: 1em; min-width: 1px; }
.gpu { background: #3b6ea8; }
.host { background: #b0873a; }
.cpu { background: #8a4f7d; }
"""


def page(title: str, notes: list[str], rows: list[dict[str, Any]]) -> str:
    """A table with a bar a row.

    Args:
        notes: lines above the table.
        rows: "op", "outputs", "kernels", "place" and "us" of each, as `profile --json` has them,
            and "cells": texts by the heads of their columns.
    """
    heads = list(rows[0]["cells"]) if rows else []
    longest = max((row["us"] for row in rows), default=0.0) or 1.0
    keys = " ".join(
        f'<span class="key {place}"></span>{text}'
        for place, text in PLACES.items()
        if any(row["place"] == place for row in rows)
    )
    paragraphs = "\n".join(f"<p>{escape(line)}</p>" for line in notes)
    titles = "".join(f'<th class="number">{escape(head)}</th>' for head in heads)
    body = "\n".join(_row(row, longest) for row in rows)
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
{paragraphs}
<p>{keys}</p>
<table>
<tr><th>op</th><th></th>{titles}</tr>
{body}
</table>
</body>
</html>
"""


def _row(row: Mapping[str, Any], longest: float) -> str:
    kernels = "".join(f"<small>{escape(name)}</small>" for name in dict.fromkeys(row["kernels"]))
    shapes = " ".join(f'<span class="shape">{shape}</span>' for shape in row["outputs"])
    width = 100 * row["us"] / longest
    numbers = "".join(f'<td class="number">{escape(text)}</td>' for text in row["cells"].values())
    return (
        f'<tr><td class="op">{escape(row["op"])} {shapes}{kernels}</td>'
        f'<td class="bar"><div class="{row["place"]}" style="width: {width:.2f}%"></div></td>'
        f"{numbers}</tr>"
    )
