"""The float32 ops that our runtime runs, and why it refuses a node of one.

They are the rows of the table that the kernels are made of: a new row is taken here by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import Node

from ..custom_ops.definition import edge_op
from ..patterns.vocabulary.edge_ops import float_problem, op_name, tensor_of
from ..runtime.graph.ops.glsl import elementwise
from ..runtime.graph.ops.glsl.elementwise import (
    BOOL,
    FLOAT32,
    REDUCTIONS,
    Binary,
    Reduction,
    Row,
    Ternary,
    Unary,
)
from .tensor_problems import layout_problem, rank_problem


def _by_op(rows: Sequence[Row]) -> Mapping[Any, Sequence[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[edge_op(row.aten, "aten")].append(row)
    return dict(found)


# By edge op: its rows, more than one where string arguments tell them apart.
ROWS = _by_op(elementwise.ROWS)
REDUCTION_OPS = frozenset(_by_op(REDUCTIONS))


def float_op_problem(node: Node) -> str | None:
    """Why our runtime can't run `node`, which calls one of `ROWS`, or None where it can."""
    arguments = _arguments(node)
    rows = [row for row in ROWS[node.target] if _has_keywords(row, arguments)]
    if not rows:
        return _keyword_problem(node, arguments)
    [row] = rows
    operands = [value for value in arguments.values() if _is_tensor(value)]
    return (
        _operand_problem(row, operands)
        or _number_problem(node, row, arguments)
        or _result_problem(row, node)
        or rank_problem(node)
        or next(filter(None, map(layout_problem, (*operands, node))), None)
    )


def _arguments(node: Node) -> dict[str, Any]:
    """By name, with the schema's defaults."""
    found = {}
    for index, argument in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
        if not argument.kwarg_only and index < len(node.args):
            found[argument.name] = node.args[index]
        else:
            found[argument.name] = node.kwargs.get(argument.name, argument.default_value)
    return found


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Node) and tensor_of(value) is not None


def _keywords(row: Row) -> dict[str, str | None]:
    return dict(row.keywords) if isinstance(row, (Unary, Binary)) else {}


def _has_keywords(row: Row, arguments: Mapping[str, Any]) -> bool:
    return all(arguments[name] == value for name, value in _keywords(row).items())


def _keyword_problem(node: Node, arguments: Mapping[str, Any]) -> str:
    known = [_keywords(row) for row in ROWS[node.target]]
    name = next(iter(known[0]))
    values = ", ".join(str(keywords[name]) for keywords in known)
    return f"{op_name(node)} has {name} {arguments[name]}; those that run here are {values}"


def _operand_problem(row: Row, operands: Sequence[Node]) -> str | None:
    if isinstance(row, Ternary):
        allowed: list[tuple[str, ...]] = [(BOOL,), (FLOAT32,), (FLOAT32,)]
    else:
        dtypes = (FLOAT32,) if isinstance(row, Reduction) else row.operands
        allowed = [dtypes] * len(operands)
    for operand, dtypes in zip(operands, allowed, strict=True):
        if _dtype(operand) not in dtypes:
            return float_problem(operand) or (
                f"{operand.name} is {_dtype(operand)}, and this op runs here on "
                f"{' and '.join(dtypes)}; convert it before"
            )
    if isinstance(row, Binary) and len(set(map(_dtype, operands))) > 1:
        return "its operands have two dtypes; convert one of them before"
    return None


def _number_problem(node: Node, row: Row, arguments: Mapping[str, Any]) -> str | None:
    """Dimensions and numbers are in the blob, so a program must not compute them."""
    for name, value in arguments.items():
        if any(isinstance(one, Node) and not _is_tensor(one) for one in _listed(value)):
            return f"{name} is computed at run time; give {op_name(node)} a number or a tensor"
        if isinstance(value, (complex, torch.SymInt, torch.SymFloat)):
            return f"{name} is {value!r}; give {op_name(node)} a real number"
        if isinstance(row, Binary) and isinstance(value, float) and 0 < abs(value) < 2.0**-126:
            return f"{name} is {value!r}, a subnormal float32, which devices may take for zero"
    parameters = row.parameters if isinstance(row, Unary) else ()
    for name, default in parameters:
        if default is None and arguments[name] is None:
            return f"{name} is None; give {op_name(node)} a number"
    return None


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _result_problem(row: Row, node: Node) -> str | None:
    wanted = FLOAT32 if isinstance(row, Reduction) else row.result
    if _dtype(node) == wanted:
        return None
    return float_problem(node) or (
        f"its result is {_dtype(node)}, and this op gives {wanted} here; convert it behind"
    )


def _dtype(node: Node) -> str:
    tensor = tensor_of(node)
    return "no tensor" if tensor is None else str(tensor.dtype).removeprefix("torch.")
