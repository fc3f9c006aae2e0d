"""Float32 matrix products: why our runtime refuses one.

A layer that is quantized runs in int8 where a rule takes it; what is asked here is what remains.
"""

from __future__ import annotations

from torch.fx import Node

from ..patterns.vocabulary.edge_ops import (
    ADDMM,
    LINEAR,
    TRANSPOSE_OPS,
    float_problem,
    named_argument,
    node_argument,
    op_name,
    second_matrix,
    sizes_of,
    tensor_of,
    transposes_nothing,
)
from .tensor_problems import layout_problem


def matmul_problem(node: Node) -> str | None:
    """Why our runtime can't run `node`, a mm, bmm, addmm or linear, or None where it can."""
    tensors = [one for one in (*node.all_input_nodes, node) if tensor_of(one) is not None]
    for one in tensors:
        problem = float_problem(one) or _dtype_problem(one) or layout_problem(one)
        if problem is not None:
            return problem
    if node.target == LINEAR:
        return _bias_problem(node)
    return _factor_problem(node) or _transpose_problem(node)


def _dtype_problem(node: Node) -> str | None:
    tensor = tensor_of(node)
    if tensor is None or tensor.is_floating_point():
        return None
    return f"{node.name} is {tensor.dtype}, and products run here on float32; convert it before"


def _bias_problem(linear: Node) -> str | None:
    bias = named_argument(linear, 2, "bias")
    if bias is None or len(sizes_of(bias)) < 2 or len(sizes_of(node_argument(linear, 0))) == 2:
        return None
    return f"its bias has {len(sizes_of(bias))} dimensions; give it one, or add it behind the layer"


def _factor_problem(product: Node) -> str | None:
    if product.target != ADDMM:
        return None
    factors = {name: product.kwargs.get(name, 1) for name in ("alpha", "beta")}
    for name, factor in factors.items():
        if not isinstance(factor, (int, float)):
            return f"{name} is computed at run time; give {op_name(product)} a number"
        # ExecuTorch's passes make a linear of such a product, and drop the factors.
        if factor != 1 and second_matrix(product).target in TRANSPOSE_OPS:
            return (
                f"{name} is {factor}, of a transposed matrix; multiply the product or addend by it"
            )
    return None


def _transpose_problem(product: Node) -> str | None:
    if not transposes_nothing(product):
        return None
    return "its second matrix is permuted to the order that it has; leave that out"
