"""A profile as the trace viewers of Chrome and Perfetto read it.

The format is Google's "Trace Event Format": complete events ("ph": "X") with times in us.
"""

from __future__ import annotations

from typing import Any

from .events import Profile, Row


def trace_events(profile: Profile) -> dict[str, Any]:
    """The first execution measured: the GPU's ops on one line, the host's steps on another."""
    names = {1: "host", 2: "GPU"}
    meta = [
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": line, "args": {"name": name}}
        for line, name in names.items()
    ]
    return {"traceEvents": [*meta, *map(_event, profile.rows)], "displayTimeUnit": "ns"}


def _event(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "ph": "X",
        "pid": 1,
        "tid": 2 if row.place == "gpu" else 1,
        "ts": row.start_us,
        "dur": row.times_us[0],
        "args": {"kernels": list(row.kernels), "outputs": [list(one) for one in row.outputs]},
    }
