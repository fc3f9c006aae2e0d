"""Recognize an elementwise expression as one of the activations that kernels can apply.

An export may hold an activation as one op, decomposed in one of several ways, or written out by
hand. So its form does not count: an expression is an activation if it is the same function, which
both are evaluated for, at thousands of points around everything that can be special there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch.fx import Node

from ...custom_ops import activate
from ...runtime.graph.ops.glsl.activations import ACTIVATIONS
from ..vocabulary.constants import Constants, UnknownValueError
from ..vocabulary.expressions import Expression, evaluate, literals

# exp stays finite up to here, so forms written with it must be too. Further out they may overflow
# to inf or NaN, and only what is finite is compared.
_REACH = 80.0
_FAR = 1e30
_MOST_LITERALS = 12


@dataclass(frozen=True)
class ActivationCall:
    """A row of the activation table and its parameters, as our ops take them."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    @property
    def args(self) -> tuple[str, float, float]:
        return self.name, self.alpha, self.beta


NO_ACTIVATION = ActivationCall("none")


def match_activation(expression: Expression, constants: Constants | None) -> ActivationCall | None:
    """The activation that `expression` is, or None where it is another function.

    Parameters are taken from the defaults, from the numbers that the expression names, and from its
    values far out, which bounds show in.
    """

    def constant(node: Node) -> torch.Tensor:
        if constants is None:
            raise UnknownValueError(node.name)
        return constants.value(node)

    try:
        numbers = literals(expression, constant)
        points = _points(numbers)
        wanted = evaluate(expression, points, constant)
    except UnknownValueError:
        return None
    finite = torch.isfinite(wanted)
    if wanted.dtype != torch.float32 or not bool(finite[points.abs() <= _REACH].all()):
        return None
    points, wanted = points[finite], wanted[finite]
    ends = [float(wanted[points.argmin()]), float(wanted[points.argmax()])]
    for call in _candidates([*dict.fromkeys([*ends, *numbers])]):
        if _same(activate(points, *call.args), wanted, points):
            return call
    return None


def _candidates(numbers: list[float]) -> Iterator[ActivationCall]:
    numbers = [number for number in numbers if not math.isnan(number)][:_MOST_LITERALS]
    for row in ACTIVATIONS:
        if row.aten:
            for values in product(*(_values(default, numbers) for _, default in row.parameters)):
                yield ActivationCall(row.name, *_both(values))


def _values(default: float, numbers: list[float]) -> list[float]:
    return [default, *(number for number in numbers if number != default)]


def _both(values: tuple[float, ...]) -> tuple[float, float]:
    alpha, beta = (*values, 0.0, 0.0)[:2]
    return alpha, beta


def _points(numbers: list[float]) -> torch.Tensor:
    """float32 [n]: dense near zero, all magnitudes, both sides of each number named."""
    near_zero = torch.logspace(-20, math.log10(_REACH), 400)
    far = torch.logspace(math.log10(_REACH), math.log10(_FAR), 200)
    parts = [torch.linspace(-12, 12, 4001), torch.zeros(1)]
    parts += [near_zero, -near_zero, far, -far]
    near = torch.tensor([-1.0, -1e-3, -1e-5, 0.0, 1e-5, 1e-3, 1.0])
    for number in numbers:
        if abs(number) <= _FAR:
            parts += [number + near, -number + near]
    return torch.cat(parts)


def _same(actual: torch.Tensor, wanted: torch.Tensor, points: torch.Tensor) -> bool:
    # Forms differ by rounding in their steps, which are about as large as their argument.
    tolerance = 2e-6 * (1 + points.abs())
    return bool(((actual - wanted).abs() <= tolerance).all())
