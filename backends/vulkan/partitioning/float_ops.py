"""The ops of the table of elementwise ops and reductions, and why our runtime refuses a node.

They are the rows of the table that the kernels are made of: a new row is taken here by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import Node

from ..custom_ops.definition import edge_op
from ..patterns.vocabulary.edge_ops import arguments_of, float_problem, op_name, tensor_of
from ..patterns.vocabulary.promotions import converted_operands
from ..runtime.graph.ops.glsl import elementwise
from ..runtime.graph.ops.glsl.elementwise import (
    ALL_REDUCTIONS,
    BOOL,
    INT32,
    Binary,
    Reduction,
    Row,
    Ternary,
    Unary,
)
from .integers import integer_problem
from .tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem, rank_problem


def _by_op(rows: Sequence[Row]) -> Mapping[Any, Sequence[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[edge_op(row.aten, "aten")].append(row)
    return dict(found)


# By edge op: its rows, more than one where string arguments or integers tell them apart.
ROWS = _by_op(elementwise.ROWS)
REDUCTION_OPS = frozenset(_by_op(ALL_REDUCTIONS))


def float_op_problem(node: Node) -> str | None:
    """Why our runtime can't run `node`, which calls one of `ROWS`, or None where it can."""
    arguments = arguments_of(node)
    operands = [one for one in node.args if isinstance(one, Node) and is_tensor(one)]
    rows = [row for row in ROWS[node.target] if _has_keywords(row, arguments)]
    if not rows:
        return _keyword_problem(node, arguments)
    converted = converted_operands(node)
    dtypes = [
        _device_dtype(converted.get(index, one.meta["val"].dtype))
        for index, one in enumerate(node.args)
        if isinstance(one, Node) and is_tensor(one)
    ]
    row = next((row for row in rows if _takes(row, dtypes)), _closest(rows, dtypes))
    return (
        float_problem(node)
        or _operand_problem(row, operands, dtypes)
        or _number_problem(node, row, arguments)
        or _result_problem(row, node)
        or rank_problem(node)
        or next(filter(None, map(layout_problem, (*operands, node))), None)
    )


def is_tensor(value: Any) -> bool:
    return isinstance(value, Node) and tensor_of(value) is not None


def _is_of_integers(row: Row) -> bool:
    return not isinstance(row, Ternary) and INT32 in row.operands


def _takes(row: Row, dtypes: Sequence[str]) -> bool:
    return isinstance(row, Ternary) or all(dtype in row.operands for dtype in dtypes)


def _closest(rows: Sequence[Row], dtypes: Sequence[str]) -> Row:
    """The one to name in a reason: of integers where an operand is."""
    of_integers = INT32 in dtypes
    return next((row for row in rows if _is_of_integers(row) == of_integers), rows[0])


def _keywords(row: Row) -> dict[str, str | None]:
    return dict(row.keywords) if isinstance(row, (Unary, Binary)) else {}


def _has_keywords(row: Row, arguments: Mapping[str, Any]) -> bool:
    return all(arguments[name] == value for name, value in _keywords(row).items())


def _keyword_problem(node: Node, arguments: Mapping[str, Any]) -> str:
    known = [_keywords(row) for row in ROWS[node.target]]
    name = next(iter(known[0]))
    values = ", ".join(str(keywords[name]) for keywords in known)
    return f"{op_name(node)} has {name} {arguments[name]}; those that run here are {values}"


def _operand_problem(row: Row, operands: Sequence[Node], dtypes: Sequence[str]) -> str | None:
    """Of operands that PyTorch converts to `dtypes`, if they are of others."""
    problems = (dtype_problem(one, MOVED_DTYPES) for one in operands)
    if problem := next(filter(None, problems), None):
        return problem
    if isinstance(row, Ternary):
        is_bool = dtypes[0] == BOOL
        return None if is_bool else f"{operands[0].name} is {dtypes[0]}; convert it to bool before"
    allowed = row.operands
    for operand, dtype in zip(operands, dtypes, strict=True):
        if dtype not in allowed:
            given = str(operand.meta["val"].dtype).removeprefix("torch.")
            return (
                f"{operand.name} is {given}, and this op runs here on {' and '.join(allowed)}; "
                "convert it before"
            )
    return None


def _number_problem(node: Node, row: Row, arguments: Mapping[str, Any]) -> str | None:
    """Dimensions and numbers are in the blob, so a program must not compute them."""
    for name, value in arguments.items():
        if any(isinstance(one, Node) and not is_tensor(one) for one in _listed(value)):
            return f"{name} is computed at run time; give {op_name(node)} a number or a tensor"
        if _is_of_integers(row) and (problem := _integer_number_problem(name, value)):
            return problem
        if isinstance(value, (complex, torch.SymInt, torch.SymFloat)):
            return f"{name} is {value!r}; give {op_name(node)} a real number"
        if isinstance(row, Binary) and isinstance(value, float) and 0 < abs(value) < 2.0**-126:
            return f"{name} is {value!r}, a subnormal float32, which devices may take for zero"
    parameters = row.parameters if isinstance(row, Unary) else ()
    for name, default in parameters:
        if default is None and arguments[name] is None:
            return f"{name} is None; give {op_name(node)} a number"
    return None


def _integer_number_problem(name: str, value: Any) -> str | None:
    if isinstance(value, float) and not value.is_integer():
        return f"{name} is {value!r}, and with integers it must be one; convert them before"
    return integer_problem(name, int(value)) if isinstance(value, (int, float)) else None


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _result_problem(row: Row, node: Node) -> str | None:
    if isinstance(row, Ternary):
        return dtype_problem(node, MOVED_DTYPES)
    wanted = row.operands[0] if isinstance(row, Reduction) else row.result
    found = _device_dtype(node.meta["val"].dtype)
    if found == wanted:
        return None
    return float_problem(node) or (
        f"its result is {found}, and this op gives {wanted} here; convert it behind"
    )


def _device_dtype(dtype: torch.dtype) -> str:
    """Its name as the device has it: int64 is int32 there."""
    return INT32 if dtype == torch.int64 else str(dtype).removeprefix("torch.")
