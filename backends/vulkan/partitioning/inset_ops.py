"""Pads, writes to slices, and repeats: why our runtime refuses one."""

from __future__ import annotations

from collections.abc import Sequence

from torch.fx import Node

from ..patterns.vocabulary.edge_ops import named_argument, node_argument, sizes_of, tensor_of
from .creation import fill_problem
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem

_MOST_INSET_LOOPS = 6  # Inset.h
_MOST_LOOPS = 8  # Loops.h


def pad_problem(node: Node) -> str | None:
    """Why our runtime can't run a constant_pad_nd, or None where it can."""
    rank = len(sizes_of(node))
    pads = named_argument(node, 1, "pad")
    pairs = list(zip(pads[::2], pads[1::2], strict=True))[::-1]
    padded = [False] * (rank - len(pairs)) + [pair != (0, 0) for pair in pairs]
    return (
        _moved_problem(node, (node_argument(node, 0), node))
        or fill_problem(node, "value", named_argument(node, 2, "value", 0))
        or _loops_problem(_runs(padded))
    )


def two_tensors_problem(node: Node) -> str | None:
    """Why our runtime can't run a slice_scatter or copy, or None where it can."""
    tensors = (node_argument(node, 0), node_argument(node, 1), node)
    dtypes = {tensor.dtype for one in tensors if (tensor := tensor_of(one)) is not None}
    if len(dtypes) > 1:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
        return f"its tensors have several dtypes, {names}; convert what is copied before"
    return _moved_problem(node, tensors)


def repeat_problem(node: Node) -> str | None:
    """Why our runtime can't run a repeat, or None where it can."""
    repeated = sum(one != 1 for one in named_argument(node, 1, "repeats"))
    loops = repeated + sum(size != 1 for size in sizes_of(node_argument(node, 0)))
    problem = _moved_problem(node, (node_argument(node, 0), node))
    if problem is None and loops > _MOST_LOOPS:
        return f"its repeats take {loops} nested loops, and {_MOST_LOOPS} run here"
    return problem


def _moved_problem(node: Node, tensors: Sequence[Node]) -> str | None:
    problems = (dtype_problem(one, MOVED_DTYPES) or layout_problem(one) for one in tensors)
    return rank_problem(node) or next(filter(None, problems), None)


def _runs(padded: Sequence[bool]) -> int:
    """Loops over dimensions: each that is padded, and neighbours that are not."""
    count, in_run = 0, False
    for one in padded:
        count += one or not in_run
        in_run = not one
    return count


def _loops_problem(loops: int) -> str | None:
    if loops <= _MOST_INSET_LOOPS:
        return None
    return f"it pads {loops} dimensions apart, more than {_MOST_INSET_LOOPS}; pad in two steps"
