"""Numbers in a graph: tensors all of whose elements are one, and multiplications by them."""

from __future__ import annotations

from typing import Any

from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node

from .constants import Constants, UnknownValueError, ops_behind
from .edge_ops import MUL, is_float32, op_name, tensor_of

_aten = exir_ops.edge.aten
_DIV = _aten.div.Tensor
_FULLS = ("full", "full_like", "scalar_tensor", "zeros_like", "zeros")


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
