"""The float32 poolings that our runtime runs, and why it refuses one."""

from __future__ import annotations

import torch
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import first_result, node_argument
from ..patterns.vocabulary.pool_arguments import pool_arguments
from ..patterns.vocabulary.rejection import NotInt8Error
from .tensor_problems import dtype_problem, layout_problem


def pool_problem(node: Node) -> str | None:
    """Why our runtime can't run `node`, which calls one of POOL_OPS, or None where it can."""
    try:
        pool_arguments(node)
    except NotInt8Error as error:
        return str(error)
    result = first_result(node)
    assert result is not None
    for one in (node_argument(node, 0), result):
        if problem := dtype_problem(one, (torch.float32,)) or layout_problem(one):
            return problem
    return None
