"""Whether another partitioner runs behind ours.

A partitioner is not told, and yet it decides who gets the quantizes and dequantizes around ops that
we leave: a backend behind ours needs them to see that such an op is quantized, while on the CPU
they are an op each that our delegate does on the way. So the caller's list is read.
"""

from __future__ import annotations

from collections.abc import Mapping

from executorch.exir.backend.partitioner import Partitioner

from .lowering_call import given_partitioners, is_inside_lowering, is_inside_to_backend


def another_may_follow(partitioner: Partitioner) -> bool:
    """True where `to_edge_transform_and_lower` runs this, with another partitioner behind it.

    True also in a bare `to_backend`, after which anything may come; False outside of both.
    """
    if is_inside_lowering():
        return _is_before_another(partitioner, given_partitioners())
    return is_inside_to_backend()


def _is_before_another(partitioner: Partitioner, argument: object) -> bool:
    """`argument`: a list of partitioners, or one for each method."""
    lists = argument.values() if isinstance(argument, Mapping) else [argument]
    return any(
        isinstance(one, (list, tuple)) and partitioner in one and one[-1] is not partitioner
        for one in lists
    )
