"""The sum of a layer's result and another int8 tensor, computed where the layer's result is.

layer -> (activation) -> (quantize -> dequantize) -> add(dequantized int8) -> (clamps) -> quantize

A quantize and dequantize in between rounds the layer's result; the fused op rounds it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch.fx import Node
from torch.fx.node import Argument

from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import ADD, named_argument, same_sizes, sizes_of
from ..vocabulary.forms import Form, Source
from ..vocabulary.graph_edits import call_after, hand_over
from ..vocabulary.int8_tree import Int8Builder
from ..vocabulary.step import Family, Step
from .activations import NO_ACTIVATION
from .arithmetic import is_plain_add
from .epilogue import Epilogue, find_epilogue
from .int8_op import Int8OpMatch
from .mac import MacMatch
from .mac_rewrite import mac_inputs, padded_bias


@dataclass(frozen=True)
class ResidualMatch:
    """A layer and the add behind it.

    Attributes:
        layer: its tail is an Epilogue where its result is rounded before the sum.
        add: the add node.
        other: the other operand, an int8 tensor of the result's sizes.
        tail: what follows the add.
    """

    layer: MacMatch
    add: Node
    other: Source
    tail: Epilogue


def fold_residuals(
    steps: Sequence[Step], forms: Mapping[Node, Form], constants: Constants | None
) -> list[Step]:
    """The steps, with a layer that can take the add behind it as one step with that.

    The add's own step stays, for layers of which only one can have it, or none.
    """
    adds = {step.anchor: step.match for step in steps if isinstance(step.match, Int8OpMatch)}
    return [_with_add(step, adds, forms, constants) for step in steps]


def _with_add(
    step: Step,
    adds: Mapping[Node, Int8OpMatch],
    forms: Mapping[Node, Form],
    constants: Constants | None,
) -> Step:
    layer = step.match
    if not isinstance(layer, MacMatch) or layer.moves.behind:
        return step
    if layer.epilogue is None:
        match = _with_float_add(layer, forms, constants)
    else:
        match = _with_rounded_add(layer, layer.epilogue, adds)
    return step if match is None else _residual_step(match, step)


def _with_rounded_add(
    layer: MacMatch, epilogue: Epilogue, adds: Mapping[Node, Int8OpMatch]
) -> ResidualMatch | None:
    """A layer whose int8 result is read by an add alone."""
    readers = [reader for quantize in epilogue.quantizes for reader in quantize.users]
    own = readers[0] if len(readers) == 1 else None
    add = adds.get(next(iter(own.users))) if own is not None and len(own.users) == 1 else None
    if add is None or not is_plain_add(add) or len(add.tails) != 1:
        return None
    trees = [form.tree for form in add.operands]
    sources = [tree for tree in trees if isinstance(tree, Source)]
    others = [tree for tree in sources if tree.dequantize is not own]
    if len(sources) != 2 or len(others) != 1:
        return None
    [mine] = [tree for tree in sources if tree.dequantize is own]
    sizes = sizes_of(add.anchor)
    if mine.params != epilogue.params or not _have_sizes(
        (mine.dequantize, others[0].dequantize), sizes
    ):
        return None
    return ResidualMatch(layer, add.anchor, others[0], add.tails[0])


def _with_float_add(
    layer: MacMatch, forms: Mapping[Node, Form], constants: Constants | None
) -> ResidualMatch | None:
    """A layer whose float result is added to an int8 tensor and then quantized."""
    output = layer.moves.float_output
    if output is None or len(output.users) != 1:
        return None
    add = next(iter(output.users))
    if add.target != ADD or named_argument(add, 2, "alpha", 1) != 1:
        return None
    others = [argument for argument in add.args[:2] if argument is not output]
    form = forms.get(others[0]) if len(others) == 1 and isinstance(others[0], Node) else None
    if form is None or not isinstance(form.tree, Source) or not form.is_identity:
        return None
    if not _have_sizes((form.tree.dequantize, output), sizes_of(add)):
        return None
    tail = find_epilogue(add, constants)
    if tail is None or tail.activation != NO_ACTIVATION or tail.params.int8_problem():
        return None
    return ResidualMatch(layer, add, form.tree, tail)


def _have_sizes(nodes: Iterable[Node], sizes: list[int]) -> bool:
    return all(same_sizes(sizes_of(node), sizes) for node in nodes)


def _residual_step(match: ResidualMatch, layer: Step) -> Step:
    tail = match.tail
    # The layer's own quantize and dequantize could run, but not with what they were given.
    absorbed = (*layer.claims, *layer.outputs, *tail.absorbed)
    nodes = (*layer.nodes, match.other.dequantize, match.add, *absorbed, *tail.quantizes)
    own = (node for node in absorbed if node not in tail.moves)
    return Step(
        RESIDUAL,
        match,
        anchor=layer.anchor,
        nodes=tuple(dict.fromkeys(nodes)),
        reads=(*layer.reads, match.other.x),
        outputs=tail.quantizes,
        float_only=(*layer.float_only, match.add, *own),
        listed=(*layer.listed, match.add),
        claims=(match.add, *(node for node in absorbed if node is not layer.anchor)),
        constants=layer.constants,
        fallback=layer,
    )


def rewrite_residual(constants: Constants, match: ResidualMatch) -> None:
    """Put the fused op in the place of the add, where both of its inputs are at hand."""
    layer, tail = match.layer, match.tail
    _, head = mac_inputs(constants, layer)
    bias = padded_bias(constants, layer)
    own = layer.tail
    # Without rounding the layer's own grid says nothing; the output's will do.
    grid, bounds, is_rounded = tail.params, (-128, 127), False
    if isinstance(own, Epilogue):
        grid, bounds, is_rounded = own.params, (own.quant_min, own.quant_max), True
    other = match.other
    args: tuple[Argument, ...] = (*head, grid.scale, grid.zero_point, bias, *layer.arguments)
    args += (*own.activation.args, *bounds, is_rounded)
    x = Int8Builder(constants, match.add).tree(other)
    args += (x, other.params.scale, other.params.zero_point)
    args += (tail.params.scale, tail.params.zero_point, tail.quant_min, tail.quant_max)
    result = call_after(match.add.graph, match.add, layer.ops.residual, args)
    hand_over(result, tail.moves, tail.quantizes)


RESIDUAL = Family("residual", rewrite_residual)
