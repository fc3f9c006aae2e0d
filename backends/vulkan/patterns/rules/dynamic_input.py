"""Activations that are quantized to int8 at run time, on a grid of their own values.

    x -> choose_qparams -> (scale, zero point);  x -> quantize -> dequantize -> (moves) -> layer

of the tensor, as XNNPACKQuantizer's is_dynamic=True writes it, of each row (token), or as torchao's
affine ops, which say their granularity by the size of a block. Integers of uint8 are those of int8,
128 higher: where the zero point is chosen with them, they stand for the same values.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch.fx import Node
from torch.fx.node import Argument

from ...custom_ops import INT8_MAX, INT8_MIN
from ..vocabulary.edge_ops import (
    EXPAND,
    PERMUTE,
    TRANSPOSE,
    is_alias,
    is_float32,
    named_argument,
    node_argument,
    op_name,
    same_sizes,
    sizes_of,
)
from ..vocabulary.rejection import NotInt8Error

_EPS = torch.finfo(torch.float32).eps
_QUANTIZES = {
    "quantized_decomposed.quantize_per_tensor.tensor": "quantized_decomposed.dequantize_per_tensor."
    "tensor",
    "quantized_decomposed.quantize_per_token.default": "quantized_decomposed.dequantize_per_token."
    "default",
    "torchao.quantize_affine.default": "torchao.dequantize_affine.default",
}
_PER_TENSOR = "quantized_decomposed.choose_qparams.tensor"
_PER_TENSOR_SYMMETRIC = "quantized_decomposed.choose_qparams_symmetric.tensor"
_PER_TOKEN = "quantized_decomposed.choose_qparams_per_token_asymmetric.default"
_AFFINE = "torchao.choose_qparams_affine.default"
_RULES = {"ASYMMETRIC": "affine", "SYMMETRIC": "symmetric"}  # by torchao's mapping type
_LEAST_EPS = 2.0**-126  # a normal float32
_ABOVE_INT8 = {torch.int8: 0, torch.uint8: 128}


@dataclass(frozen=True)
class RowGrids:
    """How grids follow from values, as et_vk.linear_dq8ca_q8csw takes it."""

    granularity: str
    rule: str
    quant_min: int
    quant_max: int
    eps: float


@dataclass(frozen=True)
class DynamicInput:
    """The float32 input that is quantized at run time.

    Attributes:
        quantize, dequantize: what rounds it.
        grids: how.
        moves: views and other moves between the dequantize and the layer, in order.
        chosen: what computes scale and zero point.
    """

    quantize: Node
    dequantize: Node
    grids: RowGrids
    moves: tuple[Node, ...]
    chosen: tuple[Node, ...]

    @property
    def node(self) -> Node:
        """Its producer as it is now: an earlier rewrite may have replaced it."""
        return node_argument(self.quantize, 0)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return (*self.chosen, self.quantize, self.dequantize, *self.moves)

    @property
    def float_only(self) -> tuple[Node, ...]:
        """All of them: nothing here quantizes so but the layer."""
        return self.nodes

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Of the op, between x and the weights."""
        grids = self.grids
        numbers = (grids.quant_min, grids.quant_max, grids.eps)
        return (grids.granularity, grids.rule, *numbers)

    @property
    def reach(self) -> int:
        """The largest distance of an integer from a zero point."""
        return INT8_MAX - INT8_MIN


def is_dynamic(dequantize: Node) -> bool:
    """True where the scale that `dequantize` reads is computed of values at run time."""
    scale = _scale_and_zero_point(dequantize)[0]
    while isinstance(scale, Node) and scale.op == "call_function":
        if "choose_qparams" in op_name(scale):
            return True
        scale = scale.args[0] if scale.args else None
    return False


def read_dynamic_input(dequantize: Node, moves: list[Node]) -> DynamicInput:
    """The input that `dequantize`, which is_dynamic(), reads.

    Raises:
        NotInt8Error: where it is not quantized to int8, of the tensor or of each row.
    """
    quantize = node_argument(dequantize, 0)
    name = op_name(quantize)
    if _QUANTIZES.get(name) != op_name(dequantize):
        raise _problem(f"it is quantized by {name} and dequantized by {op_name(dequantize)}")
    scale, zero_point = _scale_and_zero_point(quantize)
    choose, chosen = _choice(scale, zero_point)
    x = node_argument(quantize, 0)
    if _choice(*_scale_and_zero_point(dequantize))[0] is not choose or choose.args[0] is not x:
        raise _problem("its scale is not that of the values that it quantizes")
    if not is_float32(x):
        raise NotInt8Error("activation is not float32; call float() on the model and its inputs")
    both = [_bounds(one) for one in (quantize, dequantize)]
    dtype = _chosen_dtype(choose)
    above = _ABOVE_INT8[dtype]
    grids = _grids(choose, x, above)
    wanted = (grids.quant_min + above, grids.quant_max + above, dtype)
    if any(found != wanted for found in both):
        raise _problem(
            f"it is quantized to {', '.join(map(str, both[0]))}, and its scale is for "
            f"{', '.join(map(str, wanted))}"
        )
    _check_moves(x, moves, grids)
    return DynamicInput(quantize, dequantize, grids, tuple(moves), chosen)


def _problem(what: str) -> NotInt8Error:
    return NotInt8Error(
        f"activation: {what}; quantize it to int8 per tensor or per row (token), as "
        "XNNPACKQuantizer(is_dynamic=True) and Int8DynamicActivationInt8WeightConfig do"
    )


def _is_affine(node: Node) -> bool:
    return "torchao" in op_name(node)


def _scale_and_zero_point(node: Node) -> tuple[Argument, Argument]:
    """Of a quantize or dequantize."""
    first = 2 if _is_affine(node) else 1
    arguments = (*node.args, None, None, None)
    return arguments[first], arguments[first + 1]


def _choice(scale: Argument, zero_point: Argument) -> tuple[Node, tuple[Node, ...]]:
    """(what chooses both, and the nodes from there on)."""
    found: list[Node] = []
    passed: list[Node] = []
    for index, one in enumerate((scale, zero_point)):
        while isinstance(one, Node) and is_alias(one):
            passed.append(one)
            one = node_argument(one, 0)
        is_result = isinstance(one, Node) and one.target is operator.getitem
        if not is_result or one.args[1] != index:  # type: ignore[union-attr]
            raise _problem("its scale and zero point are not those that one op has chosen")
        assert isinstance(one, Node)
        passed.append(one)
        found.append(node_argument(one, 0))
    if found[0] is not found[1]:
        raise _problem("its scale and zero point are not those that one op has chosen")
    return found[0], (found[0], *passed)


def _chosen_dtype(choose: Node) -> torch.dtype:
    """Of the integers that a scale and zero point are chosen for."""
    place = {_PER_TENSOR: 4, _AFFINE: 3}.get(op_name(choose))
    is_uint8 = place is not None and choose.args[place] == torch.uint8
    return torch.uint8 if is_uint8 else torch.int8


def _grids(choose: Node, x: Node, above: int) -> RowGrids:
    """Of int8, whose integers are by `above` less than the graph's."""
    name = op_name(choose)
    if name in (_PER_TENSOR, _PER_TENSOR_SYMMETRIC):
        _, quant_min, quant_max, eps, _ = choose.args
        rule = "affine" if name == _PER_TENSOR else "symmetric"
        return _checked("per_tensor", rule, quant_min, quant_max, eps, above)
    if name == _PER_TOKEN:
        return _checked("per_row", "xnnpack", INT8_MIN, INT8_MAX, _EPS, above)
    if name != _AFFINE:
        raise _problem(f"{name} chooses its scale")
    _, mapping, block, _, quant_min, quant_max, eps = (*choose.args, None, None, None)[:7]
    if mapping not in _RULES:
        raise _problem(f"its mapping type is {mapping}")
    low = INT8_MIN + above if quant_min is None else quant_min
    high = INT8_MAX + above if quant_max is None else quant_max
    least = _LEAST_EPS if eps is None else eps
    rule = _RULES[mapping]  # type: ignore[index]
    return _checked(_granularity(block, x), rule, low, high, least, above)


def _checked(
    granularity: str,
    rule: str,
    quant_min: Argument,
    quant_max: Argument,
    eps: Argument,
    above: int,
) -> RowGrids:
    assert isinstance(quant_min, (int, float)) and isinstance(quant_max, (int, float))
    assert isinstance(eps, (int, float))
    low, high = int(quant_min) - above, int(quant_max) - above
    # A symmetric grid's zero point of uint8 differs from op to op.
    is_centered = low + high in (-1, 0) and above == 0
    if not INT8_MIN <= low < high <= INT8_MAX or (rule == "symmetric" and not is_centered):
        raise _problem(f"its range is {low + above} to {high + above}")
    if not _LEAST_EPS <= eps <= 2.0**100:
        raise _problem(f"eps, its least scale, is {eps}")
    return RowGrids(granularity, rule, low, high, float(eps))


def _granularity(block: Argument, x: Node) -> str:
    assert isinstance(block, (list, tuple))
    block = [one.meta["val"] if isinstance(one, Node) else one for one in block]
    sizes = sizes_of(x)
    if same_sizes(block, [*[1] * (len(sizes) - 1), sizes[-1]]):  # type: ignore[arg-type]
        return "per_row"
    if same_sizes(block, sizes):  # type: ignore[arg-type]
        return "per_tensor"
    raise _problem(f"it is quantized in blocks of {list(block)}, of a tensor of {sizes}")


def _bounds(node: Node) -> tuple[Argument, Argument, Argument]:
    """(quant_min, quant_max, dtype) of a quantize or dequantize."""
    if not _is_affine(node):
        return tuple(node.args[3:6])  # type: ignore[return-value]
    dtype = node.args[4]
    low, high = named_argument(node, 5, "quant_min"), named_argument(node, 6, "quant_max")
    return INT8_MIN if low is None else low, INT8_MAX if high is None else high, dtype


def _check_moves(x: Node, moves: list[Node], grids: RowGrids) -> None:
    """The op quantizes behind the moves: they must leave what has a grid as it is."""
    for move in moves:
        # A linear of what is not contiguous is decomposed with an expand.
        keeps = is_alias(move) or move.target == EXPAND
        if grids.granularity == "per_tensor":
            keeps = keeps or move.target in (PERMUTE, TRANSPOSE)
        else:
            keeps = keeps and same_sizes(sizes_of(move)[-1:], sizes_of(x)[-1:])
        if not keeps:
            what = "the tensor" if grids.granularity == "per_tensor" else "its rows"
            raise NotInt8Error(
                f"activation is quantized at run time, and then {move.name} changes {what}; move "
                "that before the quantize"
            )
