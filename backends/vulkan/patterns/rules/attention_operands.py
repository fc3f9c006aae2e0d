"""What a product of attention reads, followed back through views, expands, permutes and factors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node

from ...custom_ops import INT8_MAX, INT8_MIN
from ..vocabulary.constants import Constants, UnknownValueError, ops_behind
from ..vocabulary.edge_ops import (
    EXPAND,
    MUL,
    PERMUTE,
    QUANTIZE,
    TRANSPOSE,
    QuantParams,
    activation_dequantize_params,
    is_alias,
    is_contiguous,
    is_float32,
    node_argument,
    op_name,
    permutation_of,
    same_sizes,
    sizes_of,
    static_quant_params,
    tensor_of,
)
from ..vocabulary.forms import Source

_aten = exir_ops.edge.aten
_DIV = _aten.div.Tensor
_FULLS = ("full", "full_like", "scalar_tensor", "zeros_like", "zeros")


@dataclass(frozen=True)
class Operand:
    """A tensor that an op of ours reads with its dimensions permuted.

    Attributes:
        reader, index: the op that reads it now, and as which argument: another step may replace it.
        dims: what they are permuted by.
        factor: by which it is multiplied.
        nodes: what was passed.
        constants: what computes the factor.
    """

    reader: Node
    index: int
    dims: tuple[int, ...]
    factor: float = 1.0
    nodes: tuple[Node, ...] = ()
    constants: tuple[Node, ...] = ()

    @property
    def node(self) -> Node:
        return node_argument(self.reader, self.index)

    @property
    def sizes(self) -> list[int]:
        own = sizes_of(self.node)
        return [own[dim] for dim in self.dims]

    def transposed(self) -> Operand:
        *batch, rows, columns = self.dims
        return replace(self, dims=(*batch, columns, rows))


def read_operand(product: Node, index: int, rank: int, constants: Constants | None) -> Operand:
    """Argument `index` of a bmm, followed back as far as it stays a tensor of `rank` dimensions, or
    becomes one by a view of the batch."""
    found = Operand(product, index, (0, 1, 2))
    while (next_one := _step_back(found, rank, constants)) is not None:
        found = next_one
    return found


@dataclass(frozen=True)
class Int8Operand:
    """An operand that is an int8 tensor behind a dequantize.

    Attributes:
        source: the tensor.
        operand: how the op reads it; its `node` is the dequantize.
    """

    source: Source
    operand: Operand


def as_int8(
    own: Operand, rank: int, constants: Constants | None, through_moves: bool
) -> Int8Operand | None:
    """The operand, if it is dequantized; followed back further through moves between int8 tensors,
    if wanted: what is quantized on the grid that it came from is what it was."""
    found: Int8Operand | None = None
    while (source := _source(own.node)) is not None:
        if found is not None and not _is_on_grid(source, found.source.params):
            break
        found = Int8Operand(source, own)
        if (
            not through_moves
            or source.x.target != QUANTIZE
            or static_quant_params(source.x) != source.params
        ):
            break
        passed = (*own.nodes, own.node, source.x)
        inner = replace(own, reader=source.x, index=0, nodes=passed)
        while (further := _step_back(inner, rank, constants)) is not None:
            inner = further
        if inner.factor != own.factor:
            break
        own = inner
    return found


def _is_on_grid(source: Source, params: QuantParams) -> bool:
    """Whether quantizing `source` by `params` gives it back: none of its values is clamped."""
    bounds = (params.quant_min, params.quant_max)
    is_within = bounds == (INT8_MIN, INT8_MAX) or static_quant_params(source.x) == params
    return source.params == params and is_within


def _source(node: Node) -> Source | None:
    params = activation_dequantize_params(node)
    if params is None or params.int8_problem() or not is_float32(node):
        return None
    x = node_argument(node, 0)
    tensor = tensor_of(x)
    is_usable = tensor is not None and tensor.dtype == torch.int8 and is_contiguous(x)
    return Source(x, params, node) if is_usable else None


def _step_back(own: Operand, rank: int, constants: Constants | None) -> Operand | None:
    node = own.node
    if node.op != "call_function" or tensor_of(node) is None:
        return None
    if (scaled := factor_of(node, constants)) is not None:
        index, factor, made = scaled
        if not same_sizes(sizes_of(node), sizes_of(node_argument(node, index))):
            return None
        return replace(
            own,
            reader=node,
            index=index,
            factor=own.factor * factor,
            nodes=(*own.nodes, node),
            constants=(*own.constants, *made),
        )
    if node.target in (PERMUTE, TRANSPOSE):
        moved = permutation_of(node)
        return _passing(own, node, tuple(moved[dim] for dim in own.dims))
    source = node_argument(node, 0) if node.all_input_nodes else None
    if source is None or tensor_of(source) is None or not is_float32(source):
        return None
    if is_alias(node) and same_sizes(sizes_of(node), sizes_of(source)):
        return _passing(own, node, own.dims)
    if node.target == EXPAND:
        # Along the batch; what repeats rows or columns is no operand of the op.
        same_rank = len(sizes_of(source)) == len(sizes_of(node))
        kept = own.dims[-2:]
        is_kept = same_rank and all(
            same_sizes([sizes_of(source)[dim]], [sizes_of(node)[dim]]) for dim in kept
        )
        return _passing(own, node, own.dims) if is_kept else None
    if not is_alias(node) or not _keeps_matrices(own, node, source):
        return None
    if len(sizes_of(source)) == rank and len(own.dims) != rank:
        batch = tuple(range(rank - 2))
        shift = rank - len(own.dims)
        return _passing(own, node, (*batch, *(dim + shift for dim in own.dims[-2:])))
    return _behind_repeated_heads(own, node, source)


def _passing(own: Operand, node: Node, dims: tuple[int, ...]) -> Operand:
    return replace(own, reader=node, index=0, dims=dims, nodes=(*own.nodes, node))


def _keeps_matrices(own: Operand, node: Node, source: Node) -> bool:
    """Whether a view changes only the batch, whose dimensions are in front and in order."""
    batch = len(own.dims) - 2
    in_front = own.dims[:batch] == tuple(range(batch))
    return in_front and same_sizes(sizes_of(node)[-2:], sizes_of(source)[-2:])


def _behind_repeated_heads(own: Operand, node: Node, source: Node) -> Operand | None:
    """Behind [B, H, S, D] of [B, H / G, G, S, D], repeated from [B, H / G, 1, S, D]."""
    passed = [node]
    if source.op == "call_function" and is_alias(source) and len(sizes_of(source)) == 5:
        if not same_sizes(sizes_of(source), sizes_of(node_argument(source, 0))):
            return None
        passed.append(source)
        source = node_argument(source, 0)
    if source.target != EXPAND or len(own.dims) != 4 or len(sizes_of(source)) != 5:
        return None
    before = node_argument(source, 0)
    if before.op != "call_function" or not is_alias(before):
        return None
    heads = node_argument(before, 0)
    own_sizes, repeated = sizes_of(heads), sizes_of(source)
    kept = [repeated[dim] for dim in (0, 1, 3, 4)]
    if len(own_sizes) != 4 or not same_sizes(own_sizes, kept):
        return None
    unrepeated = [*kept[:2], 1, *kept[2:]]
    if not same_sizes(sizes_of(before), unrepeated):
        return None
    return replace(own, reader=before, index=0, nodes=(*own.nodes, *passed, source, before))


def without_views(node: Node) -> tuple[Node, list[Node]]:
    """What gives the same matrices in the same order, and the ops passed."""
    passed: list[Node] = []
    while node.op == "call_function" and (is_alias(node) or node.target == EXPAND):
        source = node_argument(node, 0)
        if tensor_of(source) is None or len(sizes_of(source)) < 2:
            break
        same = same_sizes(sizes_of(node), sizes_of(source))
        if not same and (
            node.target == EXPAND or not same_sizes(sizes_of(node)[-2:], sizes_of(source)[-2:])
        ):
            break
        passed.append(node)
        node = source
    return node, passed


def factor_of(node: Node, constants: Constants | None) -> tuple[int, float, list[Node]] | None:
    """Of an op that multiplies a tensor by a number: the tensor's argument, the number, and what
    computes it."""
    if node.target in (_aten.mul.Scalar, _aten.div.Scalar):
        value = _number(node.args[1])
        if value is None:
            return None
        return _factor(node, 0, value, [])
    if node.target not in (MUL, _DIV):
        return None
    for index in (0, 1) if node.target == MUL else (0,):
        other = node.args[1 - index]
        if isinstance(other, Node):
            value = number_of(other, constants)
            if value is not None and isinstance(node.args[index], Node):
                return _factor(node, index, value, ops_behind([other]))
    return None


def _factor(
    node: Node, index: int, value: float, made: list[Node]
) -> tuple[int, float, list[Node]] | None:
    if node.target in (_DIV, _aten.div.Scalar):
        return None if value == 0 else (index, 1.0 / value, made)
    return index, value, made


def number_of(node: Node, constants: Constants | None) -> float | None:
    """The number that all elements of a tensor are, where that is known: a full, or a constant of
    one element."""
    name = op_name(node).removeprefix("aten.").partition(".")[0] if node.op != "placeholder" else ""
    if name in _FULLS:
        if name.startswith("zeros"):
            return 0.0
        return _number(node.args[0] if name == "scalar_tensor" else node.args[1])
    tensor = tensor_of(node)
    if tensor is None or constants is None or tensor.numel() != 1 or not is_float32(node):
        return None
    if not constants.is_constant(node):
        return None
    try:
        return float(constants.value(node))
    except UnknownValueError:
        return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
