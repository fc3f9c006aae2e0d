"""Ops of an ATen program that are compositions of others, which kernels have.

ExecuTorch refuses most of these where they are, for they are none of the core ops, or leaves them
to the CPU. `composed` writes them out before the program is decomposed; each file has ops of one
kind.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.export import ExportedProgram
from torch.fx import Graph, Node

from ..vocabulary.edge_ops import arguments_of
from ..vocabulary.graph_edits import edited_copy
from .bags import BAGS
from .builder import Builder, Composition, is_read
from .convolutions import CONVOLUTIONS
from .functions import FUNCTIONS
from .picks import PICKS, VIEWS, writes_in_place
from .pooling import POOLINGS
from .products import PRODUCTS
from .reductions import REDUCTIONS
from .resizing import RESIZING
from .sampling import SAMPLING
from .scans import SCANS
from .shifts import SHIFTS

_aten = torch.ops.aten

_COMPOSITIONS: Mapping[object, Composition] = {
    **BAGS,
    **CONVOLUTIONS,
    **FUNCTIONS,
    **PICKS,
    **POOLINGS,
    **PRODUCTS,
    **REDUCTIONS,
    **RESIZING,
    **SAMPLING,
    **SCANS,
    **SHIFTS,
}


def composed(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where it has none of these, or else a copy in which they are written out,
    but for forms that a composition does not have.

    Views that become picks by index must not be written to: where a program has such views and
    writes in place, it is made functional before."""
    written_out = _written_out(program)
    graph = written_out.graph
    if not _has_picks(graph) or not writes_in_place(graph):
        return written_out
    return _written_out(written_out.run_decompositions({}))


def _has_picks(graph: Graph) -> bool:
    return any(node.target in VIEWS for node in graph.nodes)


def _written_out(program: ExportedProgram) -> ExportedProgram:
    has_picks = _has_picks(program.graph)

    def is_wanted(node: Node) -> bool:
        return node.target in _COMPOSITIONS or (has_picks and node.target == _aten.view.default)

    return edited_copy(program, is_wanted, _replace)


def _replace(node: Node) -> None:
    if node.target == _aten.view.default:
        # The strides of a pick are others than the view's, and may not allow it.
        node.target = _aten.reshape.default
        return
    results = _COMPOSITIONS[node.target](Builder(node), **arguments_of(node))
    if isinstance(results, Node):
        node.replace_all_uses_with(results)
        return
    if results is None:
        return
    for item in filter(is_read, list(node.users)):
        index = item.args[1]
        assert isinstance(index, int)
        item.replace_all_uses_with(results[index])
