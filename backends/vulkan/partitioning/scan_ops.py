"""Cumulative sums: why our runtime refuses one."""

from __future__ import annotations

import torch
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import INDEX_DTYPES, node_argument
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem


def scan_problem(node: Node) -> str | None:
    """Why our runtime can't run a cumsum, or None where it can."""
    x = node_argument(node, 0)
    return (
        dtype_problem(x, MOVED_DTYPES)
        or dtype_problem(node, (torch.float32, *INDEX_DTYPES))
        or rank_problem(node)
        or layout_problem(x)
        or layout_problem(node)
    )
