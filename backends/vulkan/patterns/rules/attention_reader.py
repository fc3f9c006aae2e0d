"""What a product of attention reads, followed back through views, expands, permutes and factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch.fx import Node

from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    EXPAND,
    PERMUTE,
    TRANSPOSE,
    is_alias,
    is_float32,
    node_argument,
    permutation_of,
    same_sizes,
    sizes_of,
    tensor_of,
)
from ..vocabulary.forms import Form, is_rounded_again
from ..vocabulary.numbers import factor_of


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


@dataclass(frozen=True)
class OperandReader:
    """Follows an argument of a bmm back as far as it stays a tensor of `rank` dimensions, or
    becomes one by a view of the batch.

    Attributes:
        rank: of the attention.
        forms: where given, also past quantizes and dequantizes that give back what they get.
    """

    rank: int
    constants: Constants | None
    forms: Mapping[Node, Form] | None = None

    def read(self, product: Node, index: int) -> Operand:
        found = Operand(product, index, (0, 1, 2))
        while (next_one := self._step_back(found)) is not None:
            found = next_one
        return found

    def _step_back(self, own: Operand) -> Operand | None:
        node = own.node
        if node.op != "call_function" or tensor_of(node) is None:
            return None
        if self._is_rounded_again(node):
            pair = (node, node_argument(node, 0))
            return replace(own, reader=pair[1], index=0, nodes=(*own.nodes, *pair))
        if (scaled := factor_of(node, self.constants)) is not None:
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
        source = node.args[0] if node.args else None  # of a cat a list
        if not isinstance(source, Node) or tensor_of(source) is None or not is_float32(source):
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
        if len(sizes_of(source)) == self.rank and len(own.dims) != self.rank:
            batch = tuple(range(self.rank - 2))
            shift = self.rank - len(own.dims)
            return _passing(own, node, (*batch, *(dim + shift for dim in own.dims[-2:])))
        return self._behind_repeated_heads(own, node)

    def _behind_repeated_heads(self, own: Operand, node: Node) -> Operand | None:
        """Behind [B, H, S, D] of [B, H / G, G, S, D], repeated from [B, H / G, 1, S, D]."""
        passed = [node]
        source = self._source(node, passed)
        if source.op == "call_function" and is_alias(source) and len(sizes_of(source)) == 5:
            if not same_sizes(sizes_of(source), sizes_of(node_argument(source, 0))):
                return None
            passed.append(source)
            source = self._source(source, passed)
        if source.target != EXPAND or len(own.dims) != 4 or len(sizes_of(source)) != 5:
            return None
        passed.append(source)
        before = self._source(source, passed)
        if before.op != "call_function" or not is_alias(before):
            return None
        own_sizes, repeated = sizes_of(node_argument(before, 0)), sizes_of(source)
        kept = [repeated[dim] for dim in (0, 1, 3, 4)]
        if len(own_sizes) != 4 or not same_sizes(own_sizes, kept):
            return None
        unrepeated = [*kept[:2], 1, *kept[2:]]
        if not same_sizes(sizes_of(before), unrepeated):
            return None
        return replace(own, reader=before, index=0, nodes=(*own.nodes, *passed, before))

    def _source(self, node: Node, passed: list[Node]) -> Node:
        """What `node` reads, behind roundings that change nothing; these go to `passed`."""
        source = node_argument(node, 0)
        while self._is_rounded_again(source):
            passed += (source, node_argument(source, 0))
            source = node_argument(node_argument(source, 0), 0)
        return source

    def _is_rounded_again(self, node: Node) -> bool:
        return self.forms is not None and is_rounded_again(node, self.forms)


def _passing(own: Operand, node: Node, dims: tuple[int, ...]) -> Operand:
    return replace(own, reader=node, index=0, dims=dims, nodes=(*own.nodes, node))


def _keeps_matrices(own: Operand, node: Node, source: Node) -> bool:
    """Whether a view changes only the batch, whose dimensions are in front and in order."""
    batch = len(own.dims) - 2
    in_front = own.dims[:batch] == tuple(range(batch))
    return in_front and same_sizes(sizes_of(node)[-2:], sizes_of(source)[-2:])


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
