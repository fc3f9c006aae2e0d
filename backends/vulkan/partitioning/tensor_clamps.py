"""Clamps whose bounds are tensors: why our runtime refuses one."""

from __future__ import annotations

import torch
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import INDEX_DTYPES, float_problem
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem


def tensor_clamp_problem(node: Node) -> str | None:
    """Why our runtime can't run a clamp by tensors, or None where it can."""
    operands = node.all_input_nodes
    return (
        float_problem(node)
        or dtype_problem(node, (torch.float32, *INDEX_DTYPES))
        or next(filter(None, (dtype_problem(one, MOVED_DTYPES) for one in operands)), None)
        or rank_problem(node)
        or next(filter(None, map(layout_problem, (*operands, node))), None)
    )
