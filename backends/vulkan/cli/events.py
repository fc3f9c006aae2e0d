"""What the delegate tells ExecuTorch's event tracer of each execution, as rows."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from executorch.devtools.etdump.schema_flatcc import ProfileEvent
from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc

_NS_PER_US = 1e3


@dataclass(frozen=True)
class Row:
    """An op of a delegate, an op on the CPU, or one of a delegate's host steps.

    Attributes:
        name: of the op, such as et_vk.q8ta_linear.default, or of the step.
        delegate: which of the method's calls it belongs to; None for ops on the CPU.
        kernels: that its dispatches ran.
        outputs: shapes of its results.
        moved_bytes: read and written on the GPU; 0 where it is not known.
        operations: multiplications and additions of a matrix product, 0 for others.
        start_us: since the execution's start, in the last execution.
        times_us: of each execution.
    """

    name: str
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

    @property
    def is_op(self) -> bool:
        return bool(self.kernels)


@dataclass(frozen=True)
class Profile:
    """Rows in the order in which they run, and the whole method's times in us."""

    rows: tuple[Row, ...]
    method_us: tuple[float, ...]

    @property
    def us(self) -> float:
        return statistics.median(self.method_us)


def read_profile(etdump: Path, skip: int = 0) -> Profile:
    """Rows of the executions in an ETDump, without the first `skip`."""
    dump = deserialize_from_etdump_flatcc(etdump.read_bytes())
    runs = [_events(run) for run in dump.run_data]
    executions = [run for run in runs if any(event.name == "Method::execute" for event in run)]
    rows: dict[tuple[Any, ...], Row] = {}
    method_us = []
    for run in executions[skip:]:
        [whole] = (event for event in run if event.name == "Method::execute")
        method_us.append(_us(whole))
        seen: dict[tuple[Any, ...], int] = defaultdict(int)
        for event in sorted(run, key=lambda one: one.start_time):
            key = (event.name, event.instruction_id, event.delegate_debug_id_int)
            seen[key] += 1
            if (row := _row(event, whole)) is not None:
                rows.setdefault((*key, seen[key]), row).times_us.append(_us(event))
    ordered = sorted(rows.values(), key=lambda row: row.start_us)
    return Profile(tuple(ordered), tuple(method_us))


def _events(run: Any) -> list[ProfileEvent]:
    return [one.profile_event for one in run.events if one.profile_event is not None]


def _us(event: ProfileEvent) -> float:
    return (event.end_time - event.start_time) / _NS_PER_US


def _row(event: ProfileEvent, whole: ProfileEvent) -> Row | None:
    start_us = (event.start_time - whole.start_time) / _NS_PER_US
    if event.delegate_debug_id_int != -1 or event.delegate_debug_id_str:
        told = json.loads(event.delegate_debug_metadata or "{}")
        inputs, outputs = told.get("inputs", []), told.get("outputs", [])
        # An op has a number for a name in the ETDump.
        name = told.get("op") or event.delegate_debug_id_str or ""
        return Row(
            name,
            event.instruction_id,
            tuple(told.get("kernels", ())),
            tuple(map(tuple, outputs)),
            told.get("bytes", 0),
            _operations(name, inputs, outputs),
            start_us,
        )
    # The rest are ops on the CPU, and what ExecuTorch says of the whole.
    if event.name in ("Method::execute", "DELEGATE_CALL", "OPERATOR_CALL"):
        return None
    return Row(event.name, None, start_us=start_us)


def _operations(name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """2 * M * N * K of a linear: each of its outputs is a sum of K products."""
    if "linear" not in name or not inputs or not inputs[0] or not outputs:
        return 0
    count = 2 * inputs[0][-1]
    for size in outputs[0]:
        count *= size
    return int(count)
