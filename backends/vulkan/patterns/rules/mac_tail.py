"""What follows a layer: a late bias, then an epilogue or a float tail."""

from __future__ import annotations

from dataclasses import replace

from torch.fx import Node

from ..vocabulary.constants import Constants
from ..vocabulary.rejection import NotInt8Error
from .epilogue import Epilogue, FloatTail, find_epilogue, find_float_tail
from .mac_operands import find_late_bias


def find_tail(
    layer: Node,
    n: int,
    bias: Node | None,
    constants: Constants | None,
    dim: int = -1,
    in_float: bool = False,
) -> tuple[Node | None, Epilogue | FloatTail]:
    """(bias, tail) of a layer with `n` channels in the dimension `dim` of its result.

    Args:
        bias: its own, if it has one.
        in_float: its op has no int8 result.

    Raises:
        NotInt8Error: where the result is quantized to what is not int8.
    """
    late = find_late_bias(layer, n, dim, constants) if bias is None else None
    start = layer if late is None else late.add
    epilogue = None if in_float else find_epilogue(start, constants)
    tail = epilogue or find_float_tail(start, constants)
    if isinstance(tail, Epilogue) and (problem := tail.params.int8_problem()):
        raise NotInt8Error(f"output quantize {problem}")
    if late is None:
        return bias, tail
    passed = (*late.views, late.add)
    moves, absorbed = (*late.views, *tail.moves), (*passed, *tail.absorbed)
    return late.bias, replace(tail, moves=moves, absorbed=absorbed)
