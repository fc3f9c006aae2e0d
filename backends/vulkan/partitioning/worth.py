"""Whether a delegate is worth a call: what it computes against what it moves in and out.

All in ns. On the other side stands a CPU backend with vector code such as XNNPACK, since one can
have its place in the list of partitioners; ExecuTorch's own kernels take some ten times as long.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    ALIAS_OPS,
    BATCH_NORM,
    BMM,
    CLAMP_TENSOR,
    COPY,
    CUMSUM,
    DEQUANTIZE,
    EXTREME_OPS,
    MAC_OPS,
    MOVE_OPS,
    PAD,
    POOL_OPS,
    QUANTIZE,
    SLICE_SCATTER,
    SPLIT_OPS,
    UPSAMPLE_BILINEAR,
    is_part,
    is_symint,
    largest_size,
    node_argument,
    op_name,
    op_of,
    sizes_of,
    tensor_of,
)
from ..patterns.vocabulary.expressions import is_pointwise
from .creation import CREATION_OPS
from .float_ops import REDUCTION_OPS, ROWS
from .norm_ops import NORM_OPS
from .picks import ARG_OPS, CONVERT_OPS, PICK_OPS
from .scatter_ops import WRITE_OPS

# Submit and wait on a GPU: 31 us for a small MLP on an H100, 20 of them on the device.
CALL_NS = 30_000.0
# From host to device memory or back: 64 MB in 12.6 ms there, one thread.
BYTES_PER_NS = 5.0
# An int8 add and relu of XNNPACK take 0.3 to 0.4 ns an element on one core of an AMD EPYC.
_ELEMENT_NS = 0.3
# A float product and sum of XNNPACK, likewise.
_PRODUCT_NS = 0.05


@dataclass(frozen=True)
class Work:
    """What the CPU would take for an op.

    Attributes:
        ns: for each element.
        of_inputs: the elements are those that the op reads, not those of its result.
    """

    ns: float
    of_inputs: bool = False


_EACH = Work(_ELEMENT_NS)
_SUM = Work(_ELEMENT_NS, of_inputs=True)
# Two walks for statistics of rows, and one for the result.
_NORM = Work(3 * _ELEMENT_NS, of_inputs=True)
# A layer always pays. Left out, its weight is dequantized and transposed in every call, for an
# addmm of 31 ms at 128x384x384; where it is small, so is the loss.
_LAYER = Work(math.inf)

# A dequantize is not here: it is part of the op that reads it. Elementwise ops are `_EACH` too.
_WORK: Mapping[Any, Work] = {
    **dict.fromkeys(
        (
            QUANTIZE,
            UPSAMPLE_BILINEAR,
            PAD,
            SLICE_SCATTER,
            COPY,
            CUMSUM,
            CLAMP_TENSOR,
            *MOVE_OPS,
            *ROWS,
            *PICK_OPS,
            *WRITE_OPS,
            *CONVERT_OPS,
            *CREATION_OPS,
        ),
        _EACH,
    ),
    **dict.fromkeys((BATCH_NORM, *REDUCTION_OPS, *ARG_OPS, *EXTREME_OPS, *POOL_OPS), _SUM),
    **dict.fromkeys(NORM_OPS, _NORM),
    **dict.fromkeys(MAC_OPS, _LAYER),
}


def worth_problem(
    nodes: Sequence[Node], is_constant: Callable[[Node], bool], is_quantized: bool
) -> str | None:
    """Why `nodes` should not be a delegate, or None where they should.

    Weighed are those between ops outside, of which a network may have dozens. At the ends of a
    program there is one each: a quantized one is what its user quantized for, a float one is
    weighed as well. What has no op outside beside it is a program of its own, and always one.

    Args:
        nodes: of the delegate, in graph order.
        is_constant: whether a node is a constant, which is neither moved nor computed.
        is_quantized: whether int8 steps are part of the work.
    """
    sides = _sides_outside(set(nodes), is_constant)
    if sides == 0 or (sides == 1 and is_quantized):
        return None
    saved = sum(work_ns(node) for node in nodes if not is_constant(node))
    moved = moved_bytes(nodes, is_constant)
    cost = CALL_NS + moved / BYTES_PER_NS
    if saved > cost:
        return None
    named = (op_name(op_of(node)) for node in nodes if _is_named(node) and not is_constant(node))
    ops = dict.fromkeys(named) or {"moving data": None}
    return (
        f"not worth a delegate: {', '.join(ops)} would save the CPU about {saved / 1000:.3g} us, "
        f"and the call with its {moved} bytes in and out takes about {cost / 1000:.3g}; next to a "
        "layer on Vulkan it runs there as well"
    )


def work_ns(node: Node) -> float:
    """What the CPU would take for an op, with dynamic sizes at their bounds."""
    if node.target == BMM:  # of two activations, as a rule
        products = _elements(node) * largest_size(sizes_of(node_argument(node, 0))[-1])
        return _PRODUCT_NS * products
    work = _WORK.get(node.target, _EACH if is_part(node) or is_pointwise(node) else None)
    if work is None:
        return 0.0
    if math.isinf(work.ns):
        return work.ns
    return work.ns * (
        sum(map(_elements, node.all_input_nodes)) if work.of_inputs else _elements(node)
    )


def moved_bytes(nodes: Collection[Node], is_constant: Callable[[Node], bool]) -> int:
    """The bytes that a delegate of `nodes` reads from and gives to the rest of the program."""
    members = set(nodes)
    inputs = {source for node in nodes for source in node.all_input_nodes} - members
    outputs = {node for node in nodes if any(user not in members for user in node.users)}
    return sum(_bytes(node) for node in (*inputs, *outputs) if not is_constant(node))


def _sides_outside(members: Collection[Node], is_constant: Callable[[Node], bool]) -> int:
    """On how many sides there are ops outside: 1 where they are read or read a result, or 2."""
    sources = {one for node in members for one in node.all_input_nodes if not is_constant(one)}
    readers = {user for node in members for user in node.users}
    return sum(
        any(_is_op_outside(node, direction, members) for node in nodes)
        for nodes, direction in ((sources, "all_input_nodes"), (readers, "users"))
    )


def _is_op_outside(node: Node, direction: str, members: Collection[Node]) -> bool:
    """True for an op that computes, or a view or result beyond which there is one."""
    if node in members or node.op != "call_function" or is_symint(node):
        return False
    if node.target not in ALIAS_OPS and node.target is not operator.getitem:
        return True
    return any(_is_op_outside(one, direction, members) for one in getattr(node, direction))


def _is_named(node: Node) -> bool:
    moves = (QUANTIZE, DEQUANTIZE, operator.getitem, *ALIAS_OPS, *SPLIT_OPS)
    return node.target not in moves and not is_symint(node)


def _elements(node: Node) -> float:
    tensor = tensor_of(node)
    return 0.0 if tensor is None else math.prod(map(largest_size, tensor.shape))


def _bytes(node: Node) -> int:
    tensor = tensor_of(node)
    return 0 if tensor is None else int(_elements(node)) * tensor.element_size()
