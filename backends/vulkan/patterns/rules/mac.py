"""One multiply-accumulate layer that runs in int8, as a value, and the step that it is.

    int8 x -> dequantize -> (moves) -> layer -> (late bias, activation, clamps, moves)
           -> quantize -> int8, or float32 without the quantize

A match is complete: `mac_rewrite.py` needs nothing else, and can rewrite every one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ..vocabulary.constants import Constants, ops_behind
from ..vocabulary.edge_ops import is_alias
from ..vocabulary.step import Family, Step
from .dynamic_input import DynamicInput
from .epilogue import Epilogue, FloatTail
from .mac_moves import Moves
from .mac_operands import Arrange, Int8Input, Weight

# Every int8 sum over no more products than this fits int32, whatever the weights are.
SAFE_K = 65_536


@dataclass(frozen=True)
class MacOps:
    """The int8 ops of a kind of layer, by their results.

    Attributes:
        bounded: int8.
        residual: int8, of the sum with another int8 tensor.
        float_out: float32.
    """

    bounded: Any
    residual: Any
    float_out: Any


@dataclass(frozen=True)
class StockOp:
    """The op that the stock partitioner writes for a layer of which the stock schema says all.

    Attributes:
        target: the op.
        runs_there: the stock runtime computes this layer rightly.
        arguments: those between the bias and the activation.
        arranged: makes its weights of [N, K]; None where they are these.
    """

    target: Any
    runs_there: bool
    arguments: tuple[Argument, ...] = ()
    arranged: Arrange | None = None


@dataclass(frozen=True)
class MacMatch:
    """A layer y[..., n] = activation(sum_k x[k] w[n, k] + bias[n]).

    Attributes:
        op: the node, such as an addmm.
        ops: the int8 ops to choose from.
        x: the int8 input, or the float32 one that is quantized at run time.
        weight: the constant weight; its zero points are zero, as far as their values are known.
        bias: constant float32 with one value for each of N channels, or one for all; or None.
        tail: what follows, for an int8 or a float32 result.
        moves: those that are redone, and the node that a float32 result replaces.
        arguments: of our ops, those between the bias and the activation.
        stock: what to write instead where it says all; None where our ops must.
    """

    op: Node
    ops: MacOps
    x: Int8Input | DynamicInput
    weight: Weight
    bias: Node | None
    tail: Epilogue | FloatTail
    moves: Moves
    arguments: tuple[Argument, ...] = ()
    stock: StockOp | None = None

    @property
    def epilogue(self) -> Epilogue | None:
        """The tail of an int8 result."""
        return self.tail if isinstance(self.tail, Epilogue) else None

    @property
    def outputs(self) -> tuple[Node, ...]:
        """What the int8 op takes the place of."""
        if self.epilogue is not None:
            return self.epilogue.quantizes
        return () if self.moves.float_output is None else (self.moves.float_output,)


def mac_step(family: Family, match: MacMatch) -> Step:
    """The step that a matched layer is."""
    tail, outputs = match.tail, match.outputs
    bias = () if match.bias is None else ops_behind([match.bias])
    constants = (*match.weight.nodes, *bias)
    own = [node for node in (*tail.absorbed, match.op) if node not in outputs]
    return Step(
        family,
        match,
        anchor=match.op,
        nodes=_each((*match.x.nodes, *constants, match.op, *tail.absorbed, *outputs)),
        reads=(match.x.node,),
        outputs=outputs,
        float_only=(
            *match.x.float_only,
            *constants,
            *(node for node in own if node not in tail.moves),
        ),
        listed=(match.op, *(node for node in tail.absorbed if not is_alias(node))),
        claims=tail.absorbed,
        constants=constants,
        on_stock=match.stock is not None and match.stock.runs_there,
    )


def value_problem(match: MacMatch, constants: Constants) -> str | None:
    """What the constants' values forbid, or None.

    Zero points that can't be read are taken to be zero, as symmetric quantizers make them; once
    the real program is at hand, this is asked again. A large K needs the weights now.
    """
    constant = match.weight.constant
    zero_points = constant.zero_points
    if isinstance(zero_points, Node):
        is_zero = not any(bool(one.any()) for one in constants.values(zero_points))
    else:
        is_zero = not zero_points
    if not is_zero:
        return "weight zero points are not all zero; quantize weights symmetrically"
    k = match.weight.shape[1]
    if k <= SAFE_K:
        return None
    weights = [match.weight.rows(one) for one in constants.values(constant.integers)]
    if weights and all(_largest_row_sum(one) * match.x.reach < 2**31 for one in weights):
        return None
    return (
        f"K = {k} is above {SAFE_K} and the weights do not rule out an int32 overflow; split the "
        "layer along K"
    )


def _largest_row_sum(weight: torch.Tensor) -> int:
    """max over n of sum_k |w[n, k]|."""
    return max(int(row.to(torch.int64).abs().sum()) for row in weight)


def _each(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(dict.fromkeys(nodes))
