"""What the caller gave `to_edge_transform_and_lower`, of which a partitioner is told only parts: it
is to be found on the stack only."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import FrameType

from torch.export import ExportedProgram

_MODULE = "executorch.exir.program._program"
_LOWERING = "to_edge_transform_and_lower"
_ONE_AT_A_TIME = "to_backend"


def given_partitioners() -> object:
    """The argument `partitioner`, as it was given; None outside of such a call."""
    frame = _lowering()
    return None if frame is None else frame.f_locals.get("partitioner")


def lowered_programs() -> Mapping[str, ExportedProgram] | None:
    """All methods that are lowered together, as they were exported; None where that is unknown."""
    frame = _lowering()
    programs = None if frame is None else frame.f_locals.get("aten_programs")
    return programs if isinstance(programs, Mapping) else None


def is_inside_lowering() -> bool:
    return _lowering() is not None


def is_inside_to_backend() -> bool:
    return any(_is_call_of(_ONE_AT_A_TIME, frame) for frame in _callers())


def _lowering() -> FrameType | None:
    return next((frame for frame in _callers() if _is_call_of(_LOWERING, frame)), None)


def _callers() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_call_of(function: str, frame: FrameType) -> bool:
    return frame.f_code.co_name == function and frame.f_globals.get("__name__") == _MODULE
