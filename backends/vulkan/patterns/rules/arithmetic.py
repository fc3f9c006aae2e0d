"""add, sub and mul of two int8 tensors; the mean and the bilinear resize of one.

int8 a, b -> dequantize -> (moves) -> add -> (clamps, moves) -> quantize   becomes   q8ta_binary
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import Q8TA_BINARY, Q8TA_MEAN, Q8TA_UPSAMPLE_BILINEAR
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    ADD,
    DEQUANTIZE,
    MEAN,
    MEAN_ALL,
    MUL,
    QUANTIZE,
    SUB,
    UPSAMPLE_BILINEAR,
    QuantParams,
    float_problem,
    is_float32,
    largest_size,
    named_argument,
    op_name,
    sizes_of,
    static_quant_params,
    tensor_of,
)
from ..vocabulary.forms import Form, sources
from ..vocabulary.graph_edits import call_after, hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.rejection import Rejection
from ..vocabulary.step import Family, Step
from .activations import NO_ACTIVATION
from .epilogue import Epilogue, equal_quantizes, find_epilogue

_BINARY = {ADD: "add", SUB: "sub", MUL: "mul"}
_MEAN_OPS = (MEAN, MEAN_ALL)
_UNARY = (*_MEAN_OPS, UPSAMPLE_BILINEAR)
ARITHMETIC_OPS = frozenset({*_BINARY, *_UNARY})
MOST_SUMMED = (2**31 - 1) // 255  # an element is at most 255 steps from its zero point


@dataclass(frozen=True)
class ArithmeticMatch:
    """An op of `ARITHMETIC_OPS` whose operands and result are int8.

    Attributes:
        anchor: the op.
        operands: what its tensors are of int8 values; moves on one grid each.
        tails: what follows; more than one where the result is quantized in several ways.
        op: add, sub, mul, mean or resize.
        factor: of the second operand's scale, the size of an alpha.
        dims: for a mean, the dimensions, none negative.
    """

    anchor: Node
    operands: tuple[Form, ...]
    tails: tuple[Epilogue, ...]
    op: str
    factor: float = 1.0
    dims: tuple[int, ...] = ()


def match_arithmetic(
    node: Node, forms: Mapping[Node, Form], constants: Constants | None
) -> Step | Rejection | None:
    """`node` as an int8 step; None where none of its tensors is int8 or a table does it."""
    if node.target not in ARITHMETIC_OPS or node in forms:
        return None
    arguments = [node.args[0]] if node.target in _UNARY else list(node.args[:2])
    if not any(isinstance(argument, Node) and argument in forms for argument in arguments):
        return None
    operands = []
    for argument in arguments:
        form = forms.get(argument) if isinstance(argument, Node) else None
        if form is None or not form.is_identity or form.params is None:
            return Rejection(node, _operand_problem(node, argument, form, constants))
        operands.append(form)
    if problem := float_problem(node):
        return Rejection(node, problem)
    if not is_float32(node):
        tensor = tensor_of(node)
        return Rejection(node, f"its result is {tensor.dtype if tensor is not None else None}")
    tails = int8_tails(node, constants)
    if isinstance(tails, str):
        return Rejection(node, tails)
    if node.target == UPSAMPLE_BILINEAR:
        return _step(ArithmeticMatch(node, tuple(operands), tails, "resize"))
    if node.target in _MEAN_OPS:
        dims = _mean_dims(node)
        assert isinstance(arguments[0], Node)
        sizes = sizes_of(arguments[0])
        count = math.prod(largest_size(sizes[dim]) for dim in dims)
        if count > MOST_SUMMED:
            return Rejection(
                node,
                f"it sums up to {count} elements, which could overflow 32 bits; the limit is "
                f"{MOST_SUMMED}, so take the mean in two steps or bound the sizes",
            )
        return _step(ArithmeticMatch(node, tuple(operands), tails, "mean", dims=dims))
    alpha = named_argument(node, 2, "alpha", 1)
    if not isinstance(alpha, (int, float)) or not math.isfinite(alpha) or alpha == 0:
        return Rejection(node, f"alpha is {alpha}; only a finite number other than 0 is supported")
    op = _BINARY[node.target]
    if alpha < 0:
        op = {"add": "sub", "sub": "add"}[op]
    second = operands[1].params
    assert second is not None
    if not 1e-37 < second.scale * abs(alpha) < 1e37:
        return Rejection(node, f"alpha {alpha} times the scale {second.scale} is no normal float32")
    return _step(ArithmeticMatch(node, tuple(operands), tails, op, float(abs(alpha))))


def _step(match: ArithmeticMatch) -> Step:
    return int8_step(ARITHMETIC, match, match.anchor, match.operands, match.tails)


def int8_step(
    family: Family,
    match: Any,
    anchor: Node,
    forms: Sequence[Form],
    tails: Sequence[Epilogue],
    results: tuple[Node, ...] = (),
) -> Step:
    """The step of an op whose operands have these forms and whose result has these tails.

    Args:
        results: nodes between `anchor` and the tails.
    """
    outputs = tuple(quantize for tail in tails for quantize in tail.quantizes)
    absorbed = tuple(node for tail in tails for node in tail.absorbed)
    moves = {move for tail in tails for move in tail.moves}
    nodes = [node for form in forms for node in form.nodes]
    nodes += [anchor, *results]
    for tail in tails:
        nodes += [*tail.absorbed, *tail.quantizes]
    can_run = (QUANTIZE, DEQUANTIZE)
    own = (node for node in absorbed if node not in moves and node.target not in can_run)
    return Step(
        family,
        match,
        anchor=anchor,
        nodes=tuple(dict.fromkeys(nodes)),
        reads=tuple(source.x for form in forms for source in sources(form.tree)),
        outputs=outputs,
        float_only=(anchor, *results, *own),
        listed=tuple(node for node in nodes if node.target not in can_run),
        claims=absorbed,
    )


def _operand_problem(
    node: Node, argument: object, form: Form | None, constants: Constants | None
) -> str:
    if not isinstance(argument, Node):
        return f"its operand {argument!r} is not a tensor"
    if form is not None and form.params is None:
        return f"{argument.name} is made of tensors on several grids; quantize it"
    if form is not None:
        return f"{argument.name} is computed in float; quantize it as well"
    if constants is not None and argument.op == "placeholder" and constants.is_constant(argument):
        return f"its constant operand {argument.name} is float; quantize it as well"
    return f"its operand {argument.name} ({op_name(argument)}) is not int8; quantize it as well"


def int8_tails(node: Node, constants: Constants | None) -> tuple[Epilogue, ...] | str:
    """What follows `node`, each tail to quantizes of one kind, or why that is not int8."""
    if equal_quantizes(node) is None and _all_quantized(node):
        groups: dict[QuantParams | None, list[Node]] = {}
        for user in node.users:
            groups.setdefault(static_quant_params(user), []).append(user)
        tails = [_bare_tail(params, users) for params, users in groups.items() if params]
    else:
        tail = find_epilogue(node, constants)
        if tail is None:
            reader = next((user for user in node.users if user.target != QUANTIZE), None)
            what = "is not used" if reader is None else f"is read in float by {reader.name}"
            return f"its result {what}; quantize it"
        if tail.activation != NO_ACTIVATION:
            return f"{tail.activation.name} behind it is computed in float; quantize its input"
        tails = [tail]
    for tail in tails:
        if problem := tail.params.int8_problem():
            return f"output quantize {problem}"
    return tuple(tails)


def _all_quantized(node: Node) -> bool:
    return bool(node.users) and all(
        user.target == QUANTIZE and static_quant_params(user) is not None for user in node.users
    )


def _bare_tail(params: QuantParams, quantizes: list[Node]) -> Epilogue:
    bounds = (params.quant_min, params.quant_max)
    return Epilogue(tuple(quantizes), params, NO_ACTIVATION, *bounds, False, (), ())


def _mean_dims(node: Node) -> tuple[int, ...]:
    source = node.args[0]
    assert isinstance(source, Node)
    rank = len(sizes_of(source))
    dims = named_argument(node, 1, "dim") if node.target == MEAN else None
    return tuple(sorted({int(dim) % rank for dim in dims})) if dims else tuple(range(rank))


def rewrite_arithmetic(constants: Constants, match: ArithmeticMatch) -> None:
    """Put one int8 op for each tail in the place of its quantizes."""
    for tail in match.tails:
        builder = Int8Builder(constants, match.anchor)
        target, args = _call(builder, match)
        output = (tail.params.scale, tail.params.zero_point, tail.quant_min, tail.quant_max)
        result = call_after(builder.place.graph, builder.place, target, (*args, *output))
        hand_over(result, tail.moves, tail.quantizes)


def _call(builder: Int8Builder, match: ArithmeticMatch) -> tuple[object, tuple[Argument, ...]]:
    """The op and its arguments up to the output's grid."""
    inputs: list[Argument] = []
    factors = (1.0, match.factor)
    for form, factor in zip(match.operands, factors):  # noqa: B905
        params = form.params
        assert params is not None
        inputs += [builder.tree(form.tree), params.scale * factor, params.zero_point]
    if match.op == "resize":
        names = ((1, "output_size"), (2, "align_corners"), (3, "scale_factors"))
        arguments = (named_argument(match.anchor, *name) for name in names)
        return Q8TA_UPSAMPLE_BILINEAR, (*inputs, *arguments)
    if match.op != "mean":
        return Q8TA_BINARY, (*inputs, match.op)
    keepdim = named_argument(match.anchor, 2, "keepdim", False)
    return Q8TA_MEAN, (
        *inputs,
        list(match.dims),
        bool(keepdim) and match.anchor.target == MEAN,
    )


ARITHMETIC = Family("arithmetic", rewrite_arithmetic)
