"""Several index tensors as one, over the dimensions that they index seen as one.

    x[:, i, j]   becomes   view(x)[:, i * J + j]    where J is the size of j's dimension

Dimensions that are not neighbours are brought together first, in front, where PyTorch puts what is
picked from such. The kernels take one index. What is written by a mask becomes a choice.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any

from torch.fx import Graph, Node

from ...custom_ops.definition import edge_op
from ..vocabulary.edge_ops import (
    EXPAND,
    INDEX,
    INDEX_PUT,
    PERMUTE,
    SYM_SIZE,
    UNSQUEEZE,
    VIEW,
    named_argument,
    node_argument,
    sizes_of,
)
from ..vocabulary.graph_edits import call_after, standing_for
from ..vocabulary.indexed_writes import target_sizes, values_need_expanding, written_mask
from ..vocabulary.indices import index_tensors

_WHERE = edge_op("where.self", "aten")
_ADD = edge_op("add.Tensor", "aten")
_ARANGE = edge_op("arange.start_step", "aten")
# By a number, and by a tensor.
_MUL, _REMAINDER = (
    (edge_op(f"{name}.Scalar", "aten"), edge_op(f"{name}.Tensor", "aten"))
    for name in ("mul", "remainder")
)


class Joined:
    """What several indices of a tensor become. New nodes stand one behind the other.

    Attributes:
        place: the node that was added last.
        dim: that the one index is of.
        dims: the dimensions of the tensor in the order that they are seen in.
    """

    def __init__(self, place: Node, x: Node, indices: Sequence[Node | None]) -> None:
        self.place = place
        given = [dim for dim, index in enumerate(indices) if index is not None]
        others = [dim for dim in range(len(sizes_of(x))) if dim not in given]
        are_neighbours = given == list(range(given[0], given[-1] + 1))
        self.dim = given[0] if are_neighbours else 0
        self.dims = others[: self.dim] + given + others[self.dim :]
        self._count = len(given)
        self._sizes = sizes_of(x)
        self._x = x
        self._indices = [index for index in indices if index is not None]

    def call(self, target: Any, *args: Any) -> Node:
        self.place = call_after(self.place.graph, self.place, target, args)
        return self.place

    def index(self) -> Node:
        """The place along the joined dimension; negative where the first index is."""
        index, *others = self._indices
        for other, dim in zip(others, self.dims[self.dim + 1 :], strict=False):
            size = self._size_to_compute_with(dim)
            is_tensor = isinstance(size, Node)
            counted = self.call(_REMAINDER[is_tensor], other, size)
            index = self.call(_ADD, self.call(_MUL[is_tensor], index, size), counted)
        return index

    def _size_to_compute_with(self, dim: int) -> Any:
        """A number, or a tensor [1] of it where it is dynamic: kernels take no other."""
        size = self._size(dim)
        if isinstance(size, int):
            return size
        # The range from the size to the next number.
        return self.call(_ARANGE, size, self.call(operator.add, size, 1), 1)

    def joined(self, x: Node) -> Node:
        """`x`, of the tensor's shape, with the indexed dimensions as one."""
        if self.dims != sorted(self.dims):
            x = self.call(PERMUTE, x, self.dims)
        sizes = [self._size(dim) for dim in self.dims]
        end = self.dim + self._count
        rows = reduce(operator.mul, (self._sizes[dim] for dim in self.dims[self.dim : end]))
        first = rows if isinstance(rows, int) else -1
        return self.call(VIEW, x, [*sizes[: self.dim], first, *sizes[end:]])

    def parted(self, x: Node) -> Node:
        """What `joined` has made of the tensor's shape in that shape again."""
        x = self.call(VIEW, x, [self._size(dim) for dim in self.dims])
        if self.dims != sorted(self.dims):
            x = self.call(PERMUTE, x, [self.dims.index(dim) for dim in range(len(self.dims))])
        return x

    def _size(self, dim: int) -> Any:
        size = self._sizes[dim]
        return size if isinstance(size, int) else self.call(SYM_SIZE, self._x, dim)


def join_indices(graph: Graph) -> None:
    """Change ops of several indices in place; dead nodes are left for dead code elimination."""
    for target in (INDEX, INDEX_PUT):
        for node in graph.find_nodes(op="call_function", target=target):
            if target == INDEX_PUT and (found := written_mask(node)) is not None:
                with standing_for((node,)):
                    node.replace_all_uses_with(_chosen(node, *found))
                continue
            is_joined = sum(index is not None for index in index_tensors(node)) == 1
            needs_values = target == INDEX_PUT and values_need_expanding(node)
            if not is_joined or needs_values:
                with standing_for((node,)):
                    node.replace_all_uses_with(_with_one_index(node))


def _chosen(put: Node, dim: int, mask: Node) -> Node:
    """What writes by a mask of bool, as a choice."""
    x = node_argument(put, 0)
    behind = len(sizes_of(x)) - dim - len(sizes_of(mask))
    place = put
    for _ in range(behind):
        mask = place = call_after(put.graph, place, UNSQUEEZE, (mask, -1))
    return call_after(put.graph, place, _WHERE, (mask, node_argument(put, 2), x))


def _with_one_index(node: Node) -> Node:
    x = node_argument(node, 0)
    joined = Joined(node, x, index_tensors(node))
    index = joined.index()
    x = joined.joined(x)
    indices = [*[None] * joined.dim, index]
    if node.target == INDEX:
        return joined.call(INDEX, x, indices)
    values = node_argument(node, 2)
    if values_need_expanding(node):
        values = joined.call(EXPAND, values, target_sizes(node))
    accumulates = named_argument(node, 3, "accumulate", False)
    return joined.parted(joined.call(INDEX_PUT, x, indices, values, accumulates))
