"""What ExecuTorch's event tracer was told of each execution, as rows."""

from __future__ import annotations

import itertools
import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from executorch.devtools.etdump.schema_flatcc import ProfileEvent
from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc

# Where the time of a row is spent, and how that is said.
PLACES = {
    "gpu": "on the device",
    "host": "steps of delegates on the host",
    "cpu": "ops outside of delegates",
}

_NS_PER_US = 1e3
_LOAD = "load: "
_EXECUTION = "Method::execute"
_DELEGATE = "DELEGATE_CALL"
_WHOLES = (_EXECUTION, "OPERATOR_CALL")  # their parts are rows


@dataclass(frozen=True)
class Row:
    """An op or a copy on the GPU, a step of a delegate on the host, or an op on the CPU.

    Attributes:
        name: of the op, such as et_vk.q8ta_linear.default, or of the step.
        place: a key of PLACES.
        delegate: which of the method's calls it belongs to; None for ops on the CPU.
        kernels: that its dispatches ran.
        outputs: shapes of its results.
        moved_bytes: read and written on the GPU; 0 where it is not known.
        operations: multiplications and additions of a matrix product or convolution, 0 for others.
        start_us: since the execution's start, in the first execution.
        times_us: of each execution.
    """

    name: str
    place: str
    delegate: int | None
    kernels: tuple[str, ...] = ()
    outputs: tuple[tuple[int, ...], ...] = ()
    moved_bytes: int = 0
    operations: int = 0
    start_us: float = 0.0
    times_us: list[float] = field(default_factory=list)

    @property
    def us(self) -> float:
        """Median over executions."""
        return statistics.median(self.times_us)


@dataclass(frozen=True)
class Profile:
    """A program that was loaded, and executions of a method of it.

    Attributes:
        load_us: phases of loading, of all delegates together, us.
        rows: in the order in which they run.
        method_us: times of the whole method, us.
        missing: why there are no rows of ops, empty where there are.
    """

    load_us: dict[str, float]
    rows: tuple[Row, ...]
    method_us: tuple[float, ...]
    missing: str = ""

    @property
    def us(self) -> float:
        return statistics.median(self.method_us)


def read_profile(etdump: Path, skip: int = 0) -> Profile:
    """Rows of the executions in an ETDump, without the first `skip`."""
    dump = deserialize_from_etdump_flatcc(etdump.read_bytes())
    runs = [_events(run) for run in dump.run_data]
    executions = [run for run in runs if any(event.name == _EXECUTION for event in run)]
    rows: dict[tuple[Any, ...], Row] = {}
    method_us = []
    missing = ""
    for run in executions[skip:]:
        [whole] = (event for event in run if event.name == _EXECUTION)
        method_us.append(_us(whole))
        seen: dict[tuple[Any, ...], int] = defaultdict(int)
        for event in sorted(run, key=lambda one: one.start_time):
            if event.name in _WHOLES:
                continue
            key = (event.name, event.instruction_id, event.delegate_debug_id_int)
            seen[key] += 1
            us = _rest_us(event, run) if event.name == _DELEGATE else _us(event)
            rows.setdefault((*key, seen[key]), _row(event, whole, us)).times_us.append(us)
            missing = _told(event).get("missing", missing)
    ordered = sorted(rows.values(), key=lambda row: row.start_us)
    return Profile(_load_us(runs), tuple(ordered), tuple(method_us), missing)


def _load_us(runs: Sequence[Sequence[ProfileEvent]]) -> dict[str, float]:
    phases: dict[str, float] = defaultdict(float)
    for event in itertools.chain.from_iterable(runs):
        if (name := event.delegate_debug_id_str or "").startswith(_LOAD):
            phases[name.removeprefix(_LOAD)] += _us(event)
    return dict(phases)


def _events(run: Any) -> list[ProfileEvent]:
    return [one.profile_event for one in run.events if one.profile_event is not None]


def _us(event: ProfileEvent) -> float:
    return (event.end_time - event.start_time) / _NS_PER_US


def _is_delegates(event: ProfileEvent) -> bool:
    """Whether a delegate told the tracer of it."""
    return event.delegate_debug_id_int != -1 or bool(event.delegate_debug_id_str)


def _rest_us(call: ProfileEvent, run: Sequence[ProfileEvent]) -> float:
    """What a delegate's call takes beyond its parts: for other backends that may be all of it."""
    parts = sum(
        _us(event)
        for event in run
        if _is_delegates(event)
        and event.instruction_id == call.instruction_id
        and call.start_time <= event.start_time <= call.end_time
    )
    return max(0.0, _us(call) - parts)


def _told(event: ProfileEvent) -> dict[str, Any]:
    """What our delegate says of an event; empty for other backends, whatever they say."""
    with suppress(ValueError, TypeError):
        told = json.loads(event.delegate_debug_metadata or "{}")
        return told if isinstance(told, dict) else {}
    return {}


def _row(event: ProfileEvent, whole: ProfileEvent, us: float) -> Row:
    start_us = (event.start_time - whole.start_time) / _NS_PER_US
    if event.name == _DELEGATE:
        start_us += _us(event) - us  # taken to be its end
        return Row("rest of the call", "host", event.instruction_id, start_us=start_us)
    if not _is_delegates(event):
        return Row(event.name or "", "cpu", None, start_us=start_us)
    told = _told(event)
    # An op has a number for a name in the ETDump.
    name = told.get("op") or event.delegate_debug_id_str or str(event.delegate_debug_id_int)
    return Row(
        name,
        "gpu" if "op" in told else "host",
        event.instruction_id,
        tuple(told.get("kernels", ())),
        tuple(map(tuple, told.get("outputs", ()))),
        told.get("bytes", 0),
        told.get("operations", 0),
        start_us,
    )
