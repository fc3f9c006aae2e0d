"""Float ops whose tensors are int8 on both sides, as one int8 op each.

int8 x ... -> dequantize -> (moves) -> op -> (clamps, moves) -> quantize     becomes     an int8 op

Which op, and what it is called with, says the rule of its family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.fx import Node
from torch.fx.node import Argument

from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    DEQUANTIZE,
    QUANTIZE,
    QuantParams,
    float_problem,
    is_float32,
    op_name,
    static_quant_params,
    tensor_of,
)
from ..vocabulary.forms import Form, sources
from ..vocabulary.graph_edits import call_after, hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.rejection import NotInt8Error
from ..vocabulary.step import Family, Step
from .activations import NO_ACTIVATION
from .epilogue import Epilogue, equal_quantizes, find_epilogue


@dataclass(frozen=True)
class Int8OpMatch:
    """An op whose operands and result are int8.

    Attributes:
        anchor: the op.
        result: the node that is its result: the op itself, or the one that takes its first result.
        operands: what its tensors are of int8 values; moves on one grid each.
        tails: what follows; more than one where the result is quantized in several ways.
        target: the int8 op, called with each operand, its scale and zero point, `arguments`, and
            the result's scale, zero point and range.
        factors: of the operands' scales.
        arguments: those of the op itself.
    """

    anchor: Node
    result: Node
    operands: tuple[Form, ...]
    tails: tuple[Epilogue, ...]
    target: Any
    factors: tuple[float, ...]
    arguments: tuple[Argument, ...]


def has_int8_operand(arguments: Sequence[object], forms: Mapping[Node, Form]) -> bool:
    """True where one of them is of int8 values."""
    return any(isinstance(argument, Node) and argument in forms for argument in arguments)


def read_operands(
    arguments: Sequence[object], forms: Mapping[Node, Form], constants: Constants | None
) -> tuple[Form, ...]:
    """What each is of int8 values. Raises NotInt8Error where one is something else."""
    operands = []
    for argument in arguments:
        form = forms.get(argument) if isinstance(argument, Node) else None
        if form is None or not form.is_identity or form.params is None:
            raise NotInt8Error(_operand_problem(argument, form, constants))
        operands.append(form)
    return tuple(operands)


def read_tails(result: Node, constants: Constants | None) -> tuple[Epilogue, ...]:
    """What follows a result. Raises NotInt8Error where that is not int8."""
    if problem := float_problem(result):
        raise NotInt8Error(problem)
    if not is_float32(result):
        tensor = tensor_of(result)
        raise NotInt8Error(f"its result is {tensor.dtype if tensor is not None else None}")
    if equal_quantizes(result) is None and _all_quantized(result):
        groups: dict[QuantParams | None, list[Node]] = {}
        for user in result.users:
            groups.setdefault(static_quant_params(user), []).append(user)
        tails = [_bare_tail(params, users) for params, users in groups.items() if params]
    else:
        tail = find_epilogue(result, constants)
        if tail is None:
            reader = next((user for user in result.users if user.target != QUANTIZE), None)
            what = "is not used" if reader is None else f"is read in float by {reader.name}"
            raise NotInt8Error(f"its result {what}; quantize it")
        if tail.activation != NO_ACTIVATION:
            raise NotInt8Error(
                f"{tail.activation.name} behind it is computed in float; quantize its input"
            )
        tails = [tail]
    for tail in tails:
        if problem := tail.params.int8_problem():
            raise NotInt8Error(f"output quantize {problem}")
    return tuple(tails)


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
        listed=tuple(node for node in nodes if node.target not in can_run and node not in results),
        claims=absorbed,
    )


def int8_op_step(family: Family, match: Int8OpMatch) -> Step:
    """The match as a step of a family whose rewrite is `rewrite_int8_op`."""
    results = () if match.result is match.anchor else (match.result,)
    return int8_step(family, match, match.anchor, match.operands, match.tails, results)


def rewrite_int8_op(constants: Constants, match: Int8OpMatch) -> None:
    """Put one int8 op for each tail in the place of its quantizes."""
    for tail in match.tails:
        builder = Int8Builder(constants, match.anchor)
        inputs: list[Argument] = []
        for form, factor in zip(match.operands, match.factors):  # noqa: B905
            params = form.params
            assert params is not None
            inputs += [builder.tree(form.tree), params.scale * factor, params.zero_point]
        output = (tail.params.scale, tail.params.zero_point, tail.quant_min, tail.quant_max)
        args = (*inputs, *match.arguments, *output)
        result = call_after(builder.place.graph, builder.place, match.target, args)
        hand_over(result, tail.moves, tail.quantizes)


def _operand_problem(argument: object, form: Form | None, constants: Constants | None) -> str:
    if not isinstance(argument, Node):
        return f"its operand {argument!r} is not a tensor"
    if form is not None and form.params is None:
        return f"{argument.name} is made of tensors on several grids; quantize it"
    if form is not None:
        return f"{argument.name} is computed in float; quantize it as well"
    if constants is not None and argument.op == "placeholder" and constants.is_constant(argument):
        return f"its constant operand {argument.name} is float; quantize it as well"
    return f"its operand {argument.name} ({op_name(argument)}) is not int8; quantize it as well"


def _all_quantized(node: Node) -> bool:
    return bool(node.users) and all(
        user.target == QUANTIZE and static_quant_params(user) is not None for user in node.users
    )


def _bare_tail(params: QuantParams, quantizes: list[Node]) -> Epilogue:
    bounds = (params.quant_min, params.quant_max)
    return Epilogue(tuple(quantizes), params, NO_ACTIVATION, *bounds, False, (), ())
