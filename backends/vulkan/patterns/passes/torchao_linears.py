"""Linears that torchao's tensors of int8 weights export, as dequantizes and a linear.

Int8DynamicActivationInt8WeightConfig multiplies integers with aten._int_mm, which ExecuTorch's edge
programs don't allow, and scales the product by steps:

    q = quantize_affine(x);  c = _int_mm(q, w.t());  y = c.float() * x_scale * w_scale

on some CPUs with q + 128 as uint8 and 128 times the weights' sums taken off again, and asymmetric
with the zero point's part taken off. It becomes linear(dequantize(q), dequantize(w)), in the ATen
program: the same numbers but for the order of float steps.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Graph, Node

from ..vocabulary.graph_edits import call_before, edited_copy

_aten = torch.ops.aten
_INT_MM = _aten._int_mm.default
_CASTS = frozenset({_aten.to.dtype, _aten._to_copy.default, _aten.contiguous.default})
_VIEWS = frozenset(
    {
        _aten.reshape.default,
        _aten.view.default,
        _aten.flatten.using_ints,
        _aten._reshape_alias.default,
    }
)
_SUBS = frozenset({_aten.sub.Tensor, _aten.sub_.Tensor})
_MULS = frozenset({_aten.mul.Tensor, _aten.mul_.Tensor})
_QUANTIZE = "torchao.quantize_affine.default"
_SHIFT = 128  # of int8 to uint8


@dataclass(frozen=True)
class _Product:
    """One such linear.

    Attributes:
        x: [M, K], the quantized activation or a view of it.
        quantize: what quantizes it.
        weight, scales: int8 [N, K] and a float of each channel, or one.
        result: [M, N], scaled, without bias.
    """

    x: Node
    quantize: Node
    weight: Node
    scales: Node
    result: Node


def linears_for_int_products(program: ExportedProgram) -> ExportedProgram:
    """`program` itself where it has no such linear, or else a copy without them."""
    return edited_copy(program, _find, _replace, _erase_unused)


def _find(node: Node) -> _Product | None:
    """The linear whose integers `node` multiplies, or None."""
    if node.target != _INT_MM:
        return None
    left, right = node.args
    assert isinstance(left, Node) and isinstance(right, Node)
    x, is_shifted = _behind_shift(left)
    quantize = _behind(x, _VIEWS)
    if right.target != _aten.t.default or str(quantize.target) != _QUANTIZE:
        return None
    transposed = right.args[0]
    assert isinstance(transposed, Node)
    weight = _behind(transposed, _CASTS)
    scale, zero_point = quantize.args[2:4]
    product: Node | None = node
    if is_shifted:
        product = _only_reader(node, _SUBS)
        if product is None or not _is_scaled_sum(product.args[1], right, _SHIFT):
            return None
    product = _times(product, scale)
    if product is None:
        return None
    reader = _only_reader(product, _SUBS)
    if reader is not None:
        if not _is_correction(reader.args[1], zero_point, scale, weight):
            return None
        product = reader
    scaled = _only_reader(product, _MULS)
    if scaled is None:
        return None
    scales = scaled.args[1]
    if not isinstance(scales, Node) or scales.meta["val"].dim() != 1:
        return None
    return _Product(x, quantize, weight, scales, scaled)


# ---- Ways through the graph.


def _behind(node: Any, passed: frozenset[Any]) -> Any:
    while isinstance(node, Node) and node.target in passed:
        node = node.args[0]
    return node


def _is_same(node: Any, wanted: Any) -> bool:
    """True for `wanted`, cast and viewed; results of one op are the same where their index is."""
    node, wanted = _behind(node, _CASTS | _VIEWS), _behind(wanted, _CASTS | _VIEWS)
    if node is wanted:
        return True
    both = isinstance(node, Node) and isinstance(wanted, Node)
    return both and node.target is wanted.target is operator.getitem and node.args == wanted.args


def _only_reader(node: Node, targets: frozenset[Any]) -> Node | None:
    """The one that reads `node` as its first operand, behind casts; asserts do not count."""
    while True:
        readers = [user for user in node.users if user.users or user.op == "output"]
        if len(readers) != 1:
            return None
        if readers[0].target in targets and readers[0].args[0] is node:
            return readers[0]
        if readers[0].target not in _CASTS:
            return None
        node = readers[0]


def _behind_shift(left: Node) -> tuple[Node, bool]:
    """(int8 activation, whether it was shifted to uint8)."""
    add = _behind(left, _CASTS)
    if isinstance(add, Node) and add.target == _aten.add.Tensor and add.args[1] == _SHIFT:
        return _behind(add.args[0], _CASTS), True
    return left, False


def _times(product: Node | None, scale: Any) -> Node | None:
    """product * scale"""
    scaled = None if product is None else _only_reader(product, _MULS)
    return scaled if scaled is not None and _is_same(scaled.args[1], scale) else None


def _is_scaled_sum(node: Any, summed: Node, factor: int) -> bool:
    """sum(summed, 0) * factor"""
    if not isinstance(node, Node) or node.target not in _MULS or node.args[1] != factor:
        return False
    total = node.args[0]
    return (
        isinstance(total, Node)
        and total.target == _aten.sum.dim_IntList
        and total.args[0] is summed
        and total.args[1] == [0]
    )


def _is_correction(node: Any, zero_point: Any, scale: Any, weight: Node) -> bool:
    """(zero_point * scale) * sum(weight, -1)"""
    node = _behind(node, _CASTS)
    if not isinstance(node, Node) or node.target not in _MULS:
        return False
    product, total = node.args[0], _behind(node.args[1], _CASTS)
    if not isinstance(product, Node) or product.target not in _MULS:
        return False
    sums_weight = (
        isinstance(total, Node)
        and total.target == _aten.sum.dim_IntList
        and _behind(total.args[0], _CASTS) is weight
        and total.args[1] in ([-1], [1])
    )
    factors = product.args
    return sums_weight and _is_same(factors[0], zero_point) and _is_same(factors[1], scale)


# ---- In its place.


def _replace(node: Node) -> None:
    product = _find(node)
    assert product is not None
    quantize, result = product.quantize, product.result
    block, scale, zero_point, dtype, *bounds = quantize.args[1:]
    dequantize = torch.ops.torchao.dequantize_affine.default
    rounded = call_before(result, dequantize, quantize, block, scale, zero_point, dtype, *bounds)
    if product.x is not quantize:
        sizes = [-1, product.x.meta["val"].shape[-1]]
        rounded = call_before(result, _aten.reshape.default, rounded, sizes)
    n = product.weight.meta["val"].shape[0]
    scales = product.scales
    if scales.meta["val"].shape[0] != n:
        scales = call_before(result, _aten.expand.default, scales, [n])
    of_channel = torch.ops.quantized_decomposed.dequantize_per_channel.default
    channels = (scales, None, 0, -128, 127, torch.int8)
    weight = call_before(result, of_channel, product.weight, *channels)
    result.replace_all_uses_with(call_before(result, _aten.linear.default, rounded, weight))


def _erase_unused(graph: Graph) -> None:
    """As dead code elimination, for what it takes to have effects: asserts, writes in place."""
    in_place = _SUBS | _MULS | {_aten._assert_tensor_metadata.default}
    for node in reversed(graph.nodes):
        is_pure = node.op == "call_function" and not node.is_impure()
        if not node.users and (is_pure or (node.target in in_place and _is_of_product(node))):
            graph.erase_node(node)


def _is_of_product(node: Node) -> bool:
    """True for what reads integers, or the float product of them that nothing else reads."""
    while node.args and isinstance(node.args[0], Node):
        node = node.args[0]
        if node.target == _INT_MM or str(node.target) == _QUANTIZE:
            return True
    return False
