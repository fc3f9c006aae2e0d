"""What attention reads: q, k and v, in int8 where they are of int8 values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.fx import Node

from ..vocabulary.constants import Constants, UnknownValueError
from ..vocabulary.edge_ops import is_float32, largest_size, same_sizes
from ..vocabulary.expressions import INPUT
from ..vocabulary.forms import Form
from ..vocabulary.table_values import table_values
from .attention_reader import Operand, OperandReader

_MOST_SIZE = 256  # of the vectors of a head


@dataclass(frozen=True)
class Operands:
    """q, k and v.

    Attributes:
        read: how the op reads them.
        forms: what these are of int8 values; empty: they are read in float32.
        factor: of the scores.
    """

    read: tuple[Operand, Operand, Operand]
    forms: tuple[Form, ...]
    factor: float


def read_operands(
    first: Node,
    second: Node,
    scores: Sequence[int],
    forms: Mapping[Node, Form],
    constants: Constants | None,
) -> Operands | None:
    """Those of two products, in int8 if all three can be, and from as far back as they fit.

    Args:
        first, second: of q and k, and of what the softmax gives and v.
        scores: the sizes of the scores; those of the product, or with its batch viewed as several
            dimensions.

    Returns:
        None where they are not what the op takes.
    """
    for passed in (forms, None):
        reader = OperandReader(len(scores), constants, passed)
        k = reader.read(first, 1).transposed()
        read = (reader.read(first, 0), k, reader.read(second, 1))
        if not _fits(scores, *read):
            continue
        if (found := _in_int8(read, forms, constants)) is not None:
            return found
        if passed is None and read[2].factor == 1.0:
            return Operands(read, (), read[0].factor * k.factor)
    return None


def _in_int8(
    read: tuple[Operand, Operand, Operand],
    forms: Mapping[Node, Form],
    constants: Constants | None,
) -> Operands | None:
    found = tuple(forms[one.node] for one in read if one.node in forms)
    if len(found) < len(read):
        return None
    factors = [_factor_of_form(form, constants) for form in found]
    q, k, v = (one.factor * factor for one, factor in zip(read, factors, strict=True))
    return Operands(read, found, q * k) if v == 1.0 and math.isfinite(q * k) else None


def _factor_of_form(form: Form, constants: Constants | None) -> float:
    """What multiplies the int8 tensor's real values; NaN where they are on several grids, or
    something else is done to them."""
    params = form.params
    if params is None or form.is_identity:
        return math.nan if params is None else 1.0
    try:
        values = table_values(form.expression, params, None, constants).double()
    except UnknownValueError:
        return math.nan
    own = table_values(INPUT, params, None, constants).double()
    farthest = own.abs().argmax()
    factor = float(values[farthest] / own[farthest])
    is_product = torch.allclose(values, factor * own, rtol=1e-6, atol=0.0)
    return factor if is_product else math.nan


def _fits(scores: Sequence[int], q: Operand, k: Operand, v: Operand) -> bool:
    """Whether the operands are what the op takes for scores of these sizes."""
    if not all(map(is_float32, (q.node, k.node, v.node))):
        return False
    *batch, rows, positions = scores
    q_sizes, k_sizes, v_sizes = q.sizes, k.sizes, v.sizes
    if not same_sizes(q_sizes[:-1], [*batch, rows]) or len(k_sizes) != len(scores):
        return False
    if not same_sizes(k_sizes[:-1], v_sizes[:-1]) or not same_sizes(k_sizes[-2:-1], [positions]):
        return False
    if not same_sizes(q_sizes[-1:], k_sizes[-1:]):
        return False
    if max(map(largest_size, (q_sizes[-1], v_sizes[-1]))) > _MOST_SIZE:
        return False
    # What is in front of the heads, and the heads in groups.
    *outer, heads = batch
    *k_outer, groups = k_sizes[:-2]
    return all(
        same_sizes([size], [1]) or same_sizes([size], [wanted])
        for size, wanted in zip(k_outer, outer, strict=True)
    ) and (
        same_sizes([groups], [heads])
        or (isinstance(heads, int) and isinstance(groups, int) and heads % groups == 0)
    )
