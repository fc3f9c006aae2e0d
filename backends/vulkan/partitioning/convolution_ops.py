"""Float32 convolutions: why our runtime refuses one.

One that is quantized runs in int8 where a rule takes it; what is asked here is what remains.
"""

from __future__ import annotations

import torch
from torch.fx import Node

from ..patterns.rules.convolution_operands import read_geometry
from ..patterns.rules.mac_operands import not_constant
from ..patterns.vocabulary.constants import Constants, ops_behind
from ..patterns.vocabulary.edge_ops import CONVOLUTION
from ..patterns.vocabulary.rejection import NotInt8Error
from .tensor_problems import dtype_problem, layout_problem


def convolution_problem(node: Node) -> str | None:
    """Why our runtime can't run `node`, an aten.convolution, or None where it can."""
    for one in (*node.all_input_nodes, node):
        if problem := dtype_problem(one, (torch.float32,)) or layout_problem(one):
            return problem
    try:
        read_geometry(node)
    except NotInt8Error as error:
        return str(error)
    return None


def computed_weight_problem(node: Node, constants: Constants) -> str | None:
    """Why weight or bias of a convolution can't be constants of its delegate, or None."""
    if node.target != CONVOLUTION:
        return None
    for what, operand in zip(("weight", "bias"), node.args[1:3], strict=True):
        if not isinstance(operand, Node):
            continue
        if not constants.is_constant(operand):
            return not_constant(what, operand)
        for op in ops_behind([operand]):
            if len(op.users) > 1:
                other = next(user for user in op.users if user is not node)
                return (
                    f"{op.name}, which its {what} is computed by, is also read by {other.name}; "
                    f"give the convolution a {what} of its own"
                )
    return None
