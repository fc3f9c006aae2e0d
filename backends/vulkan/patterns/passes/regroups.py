"""view -> permute -> view, where the first view only splits dimensions into pieces and the last one
only joins pieces to dimensions: one copy, from and to any order of a tensor.

So are pixel_shuffle, pixel_unshuffle and channel_shuffle, which between convolutions would be
copied to row-major, permuted, and copied back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.experimental.symbolic_shapes import statically_known_true

from ...custom_ops import FIXED_VIEW, REGROUP
from ..vocabulary.edge_ops import (
    CLONE_OPS,
    PERMUTE,
    TRANSPOSE,
    VIEW,
    node_argument,
    permutation_of,
    same_sizes,
    sizes_of,
)
from ..vocabulary.graph_edits import call_after, standing_for
from ..vocabulary.node_match import NodeMatch

_MOST_PIECES = 8  # that a kernel walks through
_RANKS = (3, 4)  # of what may be channels-last
_VIEWS = (VIEW, FIXED_VIEW)


@dataclass(frozen=True)
class RegroupMatch(NodeMatch):
    """Two views and a permute between them.

    Attributes:
        anchor_node: the last view.
        x: what the first one reads.
        arguments: of the op, behind x.
        passed: the nodes from the first view on.
    """

    x: Node
    arguments: tuple[list[int], list[int], list[int], list[int]]
    passed: tuple[Node, ...]


def match_regroup(node: Node) -> RegroupMatch | None:
    """`node` as a match where it is the last view of such a chain, which nothing else reads."""
    if node.target not in _VIEWS or len(sizes_of(node)) not in _RANKS:
        return None
    passed = [node]
    permute = _source(node, passed)
    if permute.target not in (PERMUTE, TRANSPOSE) or len(permute.users) != 1:
        return None
    passed.append(permute)
    view = _source(permute, passed)
    if view.target not in _VIEWS or len(view.users) != 1:
        return None
    x = node_argument(view, 0)
    if len(sizes_of(x)) not in _RANKS or len(sizes_of(view)) > _MOST_PIECES:
        return None
    dims = permutation_of(permute)
    pieces = sizes_of(view)
    counts = _counts(sizes_of(x), pieces)
    groups = _counts(sizes_of(node), [pieces[dim] for dim in dims])
    sizes = None if counts is None else _literal(pieces, counts)
    if counts is None or groups is None or sizes is None:
        return None
    return RegroupMatch(node, x, (counts, sizes, dims, groups), (view, *reversed(passed)))


def rewrite_regroup(
    program: ExportedProgram, graph_module: GraphModule, match: RegroupMatch
) -> None:
    """Put the op in the place of the last view."""
    node = match.anchor_node
    with standing_for(match.passed):
        result = call_after(node.graph, node, REGROUP, (match.x, *match.arguments))
    node.replace_all_uses_with(result)


def _source(node: Node, passed: list[Node]) -> Node:
    """What `node` reads, behind clones that nothing else reads."""
    source = node_argument(node, 0)
    while source.target in CLONE_OPS and len(source.users) == 1:
        passed.append(source)
        source = node_argument(source, 0)
    return source


def _counts(sizes: Sequence[int], pieces: Sequence[int]) -> list[int] | None:
    """How many of the pieces, one behind the other, make each size; None where they don't."""
    counts: list[int] = []
    at = 0
    for size in sizes:
        count = 1
        while at + count <= len(pieces):
            if statically_known_true(math.prod(pieces[at : at + count]) == size):
                break
            count += 1
        if at + count > len(pieces):
            return None
        counts.append(count)
        at += count
    left = pieces[at:]
    if not counts or not same_sizes(left, [1] * len(left)):
        return None
    counts[-1] += len(left)
    return counts


def _literal(pieces: Sequence[int], counts: Sequence[int]) -> list[int] | None:
    """The pieces with -1 for dynamic ones; None where a dimension has two of these."""
    found = [piece if isinstance(piece, int) else -1 for piece in pieces]
    at = 0
    for count in counts:
        if found[at : at + count].count(-1) > 1:
            return None
        at += count
    return found
