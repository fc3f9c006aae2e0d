"""Functions of one float32 number, written as the graph's own elementwise ops.

An expression is a value: it keeps ops and arguments as they were when it was made, so that it can
be evaluated after the graph has been rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.fx.node import map_arg

from ...runtime.graph.ops.glsl.activations import ACTIVATIONS
from .constants import Constants, is_computed_from, ops_behind
from .edge_ops import overload_of, same_sizes, sizes_of, tensor_of

# These lack the tag that says so.
_UNTAGGED = frozenset(row.aten for row in ACTIVATIONS) | {"_prelu_kernel.default"}


@dataclass(frozen=True, eq=False)
class Input:
    """The number that an expression is a function of."""


@dataclass(frozen=True, eq=False)
class Uniform:
    """A constant of one element."""

    node: Node


@dataclass(frozen=True, eq=False)
class Apply:
    """An elementwise op; expressions stand among its arguments in the place of nodes."""

    op: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


Expression: TypeAlias = "Input | Uniform | Apply"

INPUT = Input()


def is_pointwise(node: Node) -> bool:
    """True for an op that computes each element of its result from those at the same place."""
    op = overload_of(node)
    if op is None or tensor_of(node) is None or torch.Tag.nondeterministic_seeded in op.tags:
        return False
    return torch.Tag.pointwise in op.tags or str(op).removeprefix("aten.") in _UNTAGGED


def is_uniform(node: Node, constants: Constants | None) -> bool:
    """True where `node` has one element and depends on constants only."""
    tensor = tensor_of(node)
    if tensor is None or any(not statically_known_true(size == 1) for size in tensor.shape):
        return False
    if constants is None:
        return is_computed_from(node, lambda placeholder: False)
    return constants.is_constant(node)


def apply_pointwise(
    node: Node, operands: Mapping[Node, Expression], constants: Constants | None
) -> Apply | None:
    """`node` as a function of what its operands are functions of, or None where it is not one.

    Args:
        operands: expressions of the tensors that vary; every other one must be uniform.
    """
    if not is_pointwise(node):
        return None
    leaves: dict[Node, Expression] = {}
    for source in node.all_input_nodes:
        if source in operands:
            leaves[source] = operands[source]
            if not same_sizes(sizes_of(source), sizes_of(node)):
                return None
        elif is_uniform(source, constants):
            leaves[source] = Uniform(source)
        else:
            return None
    if not any(source in operands for source in node.all_input_nodes):
        return None
    # Expressions stand where nodes stood, which the declared types don't foresee.
    args, kwargs = map_arg((node.args, dict(node.kwargs)), cast(Any, leaves.__getitem__))
    return Apply(overload_of(node), args, kwargs)


def constant_ops(node: Node, operands: Collection[Node]) -> list[Node]:
    """The ops that compute the uniform arguments of `node`; `operands` are the others."""
    return ops_behind(source for source in node.all_input_nodes if source not in operands)


def evaluate(
    expression: Expression, values: torch.Tensor, constant: Callable[[Node], torch.Tensor]
) -> torch.Tensor:
    """The expression on each of `values`, by the very ops of the graph.

    Args:
        values: float32 [n].
        constant: gives the value of a constant node.
    """
    done: dict[int, torch.Tensor] = {}

    def value_of(part: Expression) -> torch.Tensor:
        if isinstance(part, Input):
            return values
        if id(part) not in done:
            if isinstance(part, Uniform):
                tensor = constant(part.node)
                # Rank 0 and rank 1 differ in how they decide the result's dtype.
                done[id(part)] = tensor.reshape([1] if tensor.dim() else [])
            else:
                args, kwargs = _replace(part.args, value_of), _replace(part.kwargs, value_of)
                done[id(part)] = part.op(*args, **kwargs)
        return done[id(part)]

    with torch.no_grad():
        return value_of(expression)


def _replace(value: Any, value_of: Callable[[Expression], torch.Tensor]) -> Any:
    if isinstance(value, (Input, Uniform, Apply)):
        return value_of(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_replace(item, value_of) for item in value)
    if isinstance(value, Mapping):
        return {key: _replace(item, value_of) for key, item in value.items()}
    return value


def literals(expression: Expression, constant: Callable[[Node], torch.Tensor]) -> list[float]:
    """The numbers that the expression names, each once."""
    found: dict[float, None] = {}
    seen: set[int] = set()

    def visit(value: Any) -> None:
        if isinstance(value, Uniform):
            found.setdefault(float(constant(value.node)))
        elif isinstance(value, Apply):
            if id(value) not in seen:
                seen.add(id(value))
                visit(value.args)
                visit(list(value.kwargs.values()))
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)
        elif isinstance(value, (int, float)):
            found.setdefault(float(value))

    visit(expression)
    return list(found)
