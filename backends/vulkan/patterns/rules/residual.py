"""The sum of a layer's result and another int8 tensor, computed where the layer's result is.

linear -> (activation) -> (quantize -> dequantize) -> add(dequantized int8) -> (clamps) -> quantize

A quantize and dequantize in between rounds the layer's result; the fused op rounds it too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import Q8TA_LINEAR_RESIDUAL
from ..quantized_linear import QuantizedLinearMatch
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import ADD, named_argument, same_sizes, sizes_of
from ..vocabulary.forms import Form, Source
from ..vocabulary.graph_edits import call_after, hand_over
from ..vocabulary.int8_tree import Int8Builder
from .activations import NO_ACTIVATION, ActivationCall
from .arithmetic import ArithmeticMatch
from .epilogue import Epilogue, find_epilogue
from .linear_rewrite import linear_inputs, padded_bias


@dataclass(frozen=True)
class ResidualMatch:
    """A linear layer and the add behind it.

    Attributes:
        linear: the layer; its tail is an Epilogue where its result is rounded before the sum.
        add: the add node.
        other: the other operand, an int8 tensor of the result's sizes.
        tail: what follows the add.
    """

    linear: QuantizedLinearMatch
    add: Node
    other: Source
    tail: Epilogue

    @property
    def anchor_node(self) -> Node:
        return self.linear.anchor_node

    @property
    def inner_nodes(self) -> tuple[Node, ...]:
        nodes = [*self.linear.inner_nodes, self.other.dequantize, self.add]
        nodes += [*self.absorbed, *self.tail.quantizes]
        return tuple(dict.fromkeys(nodes))

    @property
    def input_nodes(self) -> list[Node]:
        return [*self.linear.input_nodes, self.other.x]

    @property
    def output_nodes(self) -> list[Node]:
        return list(self.tail.quantizes)

    @property
    def absorbed(self) -> tuple[Node, ...]:
        return (*self.linear.absorbed, *self.linear.output_nodes, *self.tail.absorbed)

    @property
    def computing_nodes(self) -> tuple[Node, ...]:
        # The layer's own quantize and dequantize could run, but not with what they were given.
        own = [node for node in self.absorbed if node not in self.tail.moves]
        return (*self.linear.computing_nodes, self.add, *own)

    @property
    def is_work(self) -> bool:
        return True

    @property
    def runs_on_stock(self) -> bool:
        return False


def fold_rounded(linear: QuantizedLinearMatch, add: ArithmeticMatch) -> ResidualMatch | None:
    """`linear` and `add` as one step, where the add is the only reader of the quantized layer."""
    epilogue = linear.epilogue
    if epilogue is None or add.op != "add" or add.factor != 1.0 or len(add.tails) != 1:
        return None
    if linear.views.behind:
        return None
    readers = [reader for quantize in epilogue.quantizes for reader in quantize.users]
    trees = [form.tree for form in add.operands]
    if len(readers) != 1 or list(readers[0].users) != [add.anchor_node]:
        return None
    if not all(isinstance(tree, Source) for tree in trees):
        return None
    own = [tree for tree in trees if isinstance(tree, Source) and tree.dequantize is readers[0]]
    others = [tree for tree in trees if isinstance(tree, Source) and tree not in own]
    if len(own) != 1 or len(others) != 1 or own[0].params != epilogue.params:
        return None
    sizes = sizes_of(add.anchor_node)
    if not all(same_sizes(sizes_of(tree.dequantize), sizes) for tree in (*own, *others)):
        return None
    return ResidualMatch(linear, add.anchor_node, others[0], add.tails[0])


def fold_float(
    linear: QuantizedLinearMatch, forms: Mapping[Node, Form], constants: Constants | None
) -> ResidualMatch | None:
    """A layer whose float result is added to an int8 tensor and then quantized."""
    output = linear.views.float_output
    if linear.epilogue is not None or output is None or len(output.users) != 1:
        return None
    add = next(iter(output.users))
    if add.target != ADD or named_argument(add, 2, "alpha", 1) != 1 or linear.views.behind:
        return None
    others = [argument for argument in add.args[:2] if argument is not output]
    form = forms.get(others[0]) if len(others) == 1 and isinstance(others[0], Node) else None
    if form is None or not isinstance(form.tree, Source) or not form.is_identity:
        return None
    sizes = sizes_of(add)
    if not same_sizes(sizes_of(form.tree.dequantize), sizes):
        return None
    if not same_sizes(sizes_of(output), sizes):
        return None
    tail = find_epilogue(add, constants)
    if tail is None or tail.activation != NO_ACTIVATION or tail.params.int8_problem():
        return None
    return ResidualMatch(linear, add, form.tree, tail)


def fold_residuals(
    steps: Sequence[Any],
    forms: Mapping[Node, Form],
    constants: Constants | None,
    excluded: Collection[Node] = (),
    unfolded: Collection[Node] = (),
) -> list[Any]:
    """The steps, with every layer and add joined that can be.

    Of two layers that are added, the later one takes the other's int8 result.

    Args:
        excluded: adds that stay as they are.
        unfolded: linears that stay as they are.
    """
    adds = {step.anchor_node: step for step in steps if isinstance(step, ArithmeticMatch)}
    taken: set[Node] = set(excluded)
    folded: list[Any] = []
    for step in reversed(steps):
        joined = None
        if isinstance(step, QuantizedLinearMatch) and step.anchor_node not in unfolded:
            joined = _fold(step, adds, forms, constants)
        if joined is not None and joined.add not in taken:
            taken.add(joined.add)
            step = joined
        folded.append(step)
    return [step for step in reversed(folded) if step.anchor_node not in taken]


def _fold(
    linear: QuantizedLinearMatch,
    adds: Mapping[Node, ArithmeticMatch],
    forms: Mapping[Node, Form],
    constants: Constants | None,
) -> ResidualMatch | None:
    if linear.epilogue is None:
        return fold_float(linear, forms, constants)
    for quantize in linear.epilogue.quantizes:
        for dequantize in quantize.users:
            for reader in dequantize.users:
                if reader in adds and (found := fold_rounded(linear, adds[reader])) is not None:
                    return found
    return None


def rewrite_residual(constants: Constants, match: ResidualMatch) -> None:
    """Put the fused op in the place of the add, where both of its inputs are at hand."""
    linear, tail = match.linear, match.tail
    _, head = linear_inputs(constants, linear)
    bias = padded_bias(constants, linear)
    own = linear.tail
    activation: ActivationCall = own.activation
    # Without rounding the layer's own grid says nothing; the output's will do.
    grid, bounds, is_rounded = tail.params, (-128, 127), False
    if isinstance(own, Epilogue):
        grid, bounds, is_rounded = own.params, (own.quant_min, own.quant_max), True
    other = match.other
    args: tuple[Argument, ...] = (*head, grid.scale, grid.zero_point, bias, *activation.args)
    args += (*bounds, is_rounded)
    x = Int8Builder(constants, match.add).tree(other)
    args += (x, other.params.scale, other.params.zero_point)
    args += (tail.params.scale, tail.params.zero_point, tail.quant_min, tail.quant_max)
    result = call_after(match.add.graph, match.add, Q8TA_LINEAR_RESIDUAL, args)
    hand_over(result, tail.moves, tail.quantizes)
