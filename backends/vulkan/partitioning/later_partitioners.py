"""Whether another partitioner runs behind ours.

A partitioner is not told, and yet it decides who gets the quantizes and dequantizes around ops that
we leave: a backend behind ours needs them to see that such an op is quantized, while on the CPU
they are an op each that our delegate does on the way. So the caller's list is read, which is to be
found on the stack only.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import FrameType

from executorch.exir.backend.partitioner import Partitioner

_MODULE = "executorch.exir.program._program"
_LOWERING = "to_edge_transform_and_lower"
_ONE_AT_A_TIME = "to_backend"


def another_may_follow(partitioner: Partitioner) -> bool:
    """True where `to_edge_transform_and_lower` runs this, with another partitioner behind it.

    True also in a bare `to_backend`, after which anything may come; False outside of both.
    """
    frame = inspect.currentframe()
    one_at_a_time = False
    while frame is not None:
        if _is_call_of(_LOWERING, frame):
            return _is_before_another(partitioner, frame.f_locals.get("partitioner"))
        one_at_a_time |= _is_call_of(_ONE_AT_A_TIME, frame)
        frame = frame.f_back
    return one_at_a_time


def _is_call_of(function: str, frame: FrameType) -> bool:
    return frame.f_code.co_name == function and frame.f_globals.get("__name__") == _MODULE


def _is_before_another(partitioner: Partitioner, argument: object) -> bool:
    """`argument`: a list of partitioners, or one for each method."""
    lists = argument.values() if isinstance(argument, Mapping) else [argument]
    return any(
        isinstance(one, (list, tuple)) and partitioner in one and one[-1] is not partitioner
        for one in lists
    )
