"""int64 is int32 in a blob: what a program must not hold, since it does not fit.

Values that are computed wrap around, as int32 does; those of inputs are checked when they come in.
"""

from __future__ import annotations

import torch
from torch.fx import Node

from ..patterns.vocabulary.constants import Constants
from ..patterns.vocabulary.edge_ops import tensor_of

_INT32 = torch.iinfo(torch.int32)
_ADVICE = "int64 is computed in int32 here; keep values within -2^31..2^31-1"


def integer_problem(name: str, value: int) -> str | None:
    """Why the argument `name` can't be an integer of a kernel, or None."""
    return None if _INT32.min <= value <= _INT32.max else f"{name} is {value}; {_ADVICE}"


def wide_constant_problem(node: Node, constants: Constants) -> str | None:
    """Why the constants that `node` reads are too large, or None; also where none is at hand."""
    for source in node.all_input_nodes:
        tensor = tensor_of(source)
        if tensor is None or tensor.dtype != torch.int64 or not constants.is_constant(source):
            continue
        for value in constants.values(source):
            if problem := narrowed_problem(source.name, value):
                return problem
    return None


def narrowed_problem(name: str, value: torch.Tensor) -> str | None:
    """Why an int64 tensor can't become int32, or None."""
    if value.dtype != torch.int64 or value.numel() == 0:
        return None
    low, high = (int(one) for one in torch.aminmax(value))
    return integer_problem(name, low) or integer_problem(name, high)
