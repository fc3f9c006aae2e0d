"""RMS norms, which models write out, as one op.

    x -> square -> mean -> (+ eps) -> rsqrt
    x ----------------------------------> mul -> (mul with a weight)      becomes      rms_norm

or with a division by the square root. As of the other norms (`norms.py`), x may be of int8 values,
and the result may be quantized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from executorch.exir.dialects._ops import ops as exir_ops
from torch.fx import Node

from ...custom_ops import Q8TA_RMS_NORM, RMS_NORM
from ..vocabulary.constants import Constants, ops_behind
from ..vocabulary.edge_ops import (
    ADD,
    MEAN,
    MUL,
    is_alias,
    is_contiguous,
    is_float32,
    named_argument,
    node_argument,
    same_sizes,
    sizes_of,
)
from ..vocabulary.forms import Form
from ..vocabulary.graph_edits import call_after
from ..vocabulary.numbers import factor_of, number_of
from ..vocabulary.step import Family, Step
from .norms import NormMatch, norm_step, rewrite_norm

_aten = exir_ops.edge.aten
_DIV = _aten.div.Tensor
_POWER = _aten.pow.Tensor_Scalar
_RSQRT, _SQRT, _RECIPROCAL = _aten.rsqrt.default, _aten.sqrt.default, _aten.reciprocal.default
ENDS = (MUL, _DIV)


@dataclass(frozen=True)
class _Found:
    """A tensor over its root mean square.

    Attributes:
        square: the op that reads it as its first argument.
        nodes: what computes it, from there on.
        eps: what is added to the mean.
        constants: the ops that compute `eps`.
    """

    square: Node
    nodes: tuple[Node, ...]
    eps: float
    constants: tuple[Node, ...]


def match_rms_norm(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> Step | None:
    """The step whose last op is `node`, a product or a quotient, or None."""
    if node.target not in ENDS or not is_float32(node) or not is_contiguous(node):
        return None
    weight, found = None, _normed(node, forms, constants)
    if found is None:
        weighted = _weighted(node, forms, constants)
        if weighted is None:
            return None
        weight, found = weighted
    x = node_argument(found.square, 0)
    members = {*found.nodes, node}
    if not is_contiguous(x) or not _is_whole(found.nodes, members):
        return None
    match = NormMatch(node, node, found.square, None, (), Q8TA_RMS_NORM, (weight, found.eps))
    step = norm_step(RMS_NORM_STEP, match, forms, constants)
    return replace(
        step,
        nodes=tuple(dict.fromkeys((*found.constants, *found.nodes, *step.nodes))),
        # All of them are ops of ours as well.
        float_only=(),
        claims=(*found.nodes, *step.claims),
        constants=found.constants,
        listed=tuple(dict.fromkeys((*found.nodes, *step.listed))),
    )


def _is_whole(nodes: tuple[Node, ...], members: set[Node]) -> bool:
    return all(user in members for one in nodes for user in one.users)


def _weighted(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> tuple[Node, _Found] | None:
    """Of a product with a weight of each element of a row: that, and what it multiplies."""
    if node.target != MUL:
        return None
    for index in (0, 1):
        end, passed = _behind_aliases(node_argument(node, index))
        weight = node_argument(node, 1 - index)
        if end.target not in ENDS or not is_float32(weight) or not is_contiguous(weight):
            continue
        if not same_sizes(sizes_of(weight), sizes_of(node)[-1:]):
            continue
        found = _normed(end, forms, constants)
        if found is not None and same_sizes(sizes_of(node), sizes_of(end)):
            return weight, replace(found, nodes=(*found.nodes, end, *passed))
    return None


def _normed(node: Node, forms: Mapping[Node, Form], constants: Constants | None) -> _Found | None:
    """Of x * rsqrt(mean(x^2) + eps) in one of its forms, the parts."""
    if node.target not in ENDS or not all(isinstance(one, Node) for one in node.args[:2]):
        return None
    for index in (0, 1) if node.target == MUL else (0,):
        x, root = node_argument(node, index), node_argument(node, 1 - index)
        mean = _mean_behind_root(root, node.target == MUL, constants)
        found = None if mean is None else _squared(*mean, constants)
        if found is None or not is_float32(x) or not same_sizes(sizes_of(x), sizes_of(node)):
            continue
        if _same_values(x, node_argument(found.square, 0), forms):
            return found
    return None


def _mean_behind_root(
    root: Node, inverted: bool, constants: Constants | None
) -> tuple[Node, tuple[Node, ...]] | None:
    """What 1 / sqrt(), or sqrt() itself, is taken of, and the ops passed."""
    node, passed = _behind_aliases(root)
    scaled = factor_of(node, constants) if inverted else None
    if scaled is not None and scaled[1] == 1.0:  # 1 / sqrt() is a reciprocal times 1
        passed = (node, *passed)
        node = node_argument(node, scaled[0])
    if inverted and node.target == _RECIPROCAL:
        inner = _mean_behind_root(node_argument(node, 0), False, constants)
        return None if inner is None else (inner[0], (*inner[1], node, *passed))
    exponent = node.args[1] if node.target == _POWER else None
    is_root = (
        (node.target == _RSQRT or exponent == -0.5)
        if inverted
        else (node.target == _SQRT or exponent == 0.5)
    )
    return (node_argument(node, 0), (node, *passed)) if is_root else None


def _squared(node: Node, behind: tuple[Node, ...], constants: Constants | None) -> _Found | None:
    """Of mean(x^2) + eps over the last dimension, the parts."""
    node, passed = _behind_aliases(node)
    made: tuple[Node, ...] = ()
    eps = 0.0
    if node.target in (ADD, _aten.add.Scalar) and named_argument(node, 2, "alpha", 1) == 1:
        added = _plus_number(node, constants)
        if added is None:
            return None
        behind = (node, *passed, *behind)
        (node, passed), eps, made = _behind_aliases(added[0]), added[1], added[2]
    if node.target != MEAN:
        return None
    square, between = _behind_aliases(node_argument(node, 0))
    rank = len(sizes_of(square))
    dims = named_argument(node, 1, "dim")
    if not isinstance(dims, (list, tuple)) or [int(dim) % rank for dim in dims] != [rank - 1]:
        return None
    if named_argument(node, 2, "keepdim", False) is not True or not _is_square(square):
        return None
    return _Found(square, (square, *between, node, *passed, *behind), eps, made)


def _plus_number(
    node: Node, constants: Constants | None
) -> tuple[Node, float, tuple[Node, ...]] | None:
    """Of a tensor and a number, which are added: both, and the ops that compute the number."""
    for one, other in (node.args[:2], node.args[1::-1]):
        if not isinstance(one, Node):
            continue
        if isinstance(other, (int, float)):
            return one, float(other), ()
        if isinstance(other, Node) and (number := number_of(other, constants)) is not None:
            return one, number, tuple(ops_behind([other]))
    return None


def _is_square(node: Node) -> bool:
    if node.target == _POWER:
        return bool(node.args[1] == 2)
    return node.target == MUL and node.args[0] is node.args[1]


def _behind_aliases(node: Node) -> tuple[Node, tuple[Node, ...]]:
    """What has the same sizes and values, and the ops passed."""
    passed: list[Node] = []
    while node.op == "call_function" and is_alias(node):
        source = node_argument(node, 0)
        if not is_float32(source) or not same_sizes(sizes_of(source), sizes_of(node)):
            break
        passed.insert(0, node)
        node = source
    return node, tuple(passed)


def _same_values(one: Node, other: Node, forms: Mapping[Node, Form]) -> bool:
    """True for one tensor, also where it is dequantized twice."""
    if _behind_aliases(one)[0] is _behind_aliases(other)[0]:
        return True
    form, other_form = forms.get(one), forms.get(other)
    if form is None or other_form is None or not form.is_identity or not other_form.is_identity:
        return False
    return bool(form.tree == other_form.tree)


def _rewrite(constants: Constants, match: NormMatch) -> None:
    weight, eps = match.arguments
    x = node_argument(match.reader, 0)
    if weight is None:
        ones = torch.ones(sizes_of(x)[-1])
        weight = constants.add(match.anchor.graph, "rms_norm_ones", ones)
    if match.form is not None or match.tails:
        rewrite_norm(constants, replace(match, arguments=(weight, eps)))
        return
    args: tuple[Any, ...] = (x, weight, eps)
    result = call_after(match.anchor.graph, match.anchor, RMS_NORM, args)
    match.anchor.replace_all_uses_with(result)


RMS_NORM_STEP = Family("norm", _rewrite)
