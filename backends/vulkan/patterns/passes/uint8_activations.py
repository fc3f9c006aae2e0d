"""uint8 activations as int8 ones, 128 lower.

A quantize to 0..255 with zero point z and one to -128..127 with z - 128 give values that differ by
128 and stand for the same real numbers. So quantizes and dequantizes are changed to int8, and every
rule behind this one sees int8 alone. Where a delegate takes or gives uint8, a table converts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.fx import Graph, Node

from ...custom_ops import Q8TA_TABLE
from ..vocabulary.constants import Constants
from ..vocabulary.edge_ops import (
    DEQUANTIZE,
    QUANTIZE,
    SPLIT_OPS,
    node_argument,
    static_quant_params,
    tensor_of,
)
from ..vocabulary.graph_edits import call_after, fake_result
from ..vocabulary.moves import moved_inputs, moves_elements

_SHIFT = 128


def has_uint8(graph: Graph) -> bool:
    """True where a static quantize or dequantize is of uint8."""
    return any(map(_is_uint8, graph.nodes))


def change_to_int8(graph: Graph, is_constant: Callable[[Node], bool]) -> dict[Node, Node]:
    """Change quantizes, dequantizes and moves of uint8 in place.

    Inputs of the graph that are dequantized keep their dtype: `fake_result` of what reads them may
    be wrong until they are converted.

    Args:
        is_constant: whether a placeholder is a constant; those are left alone, with their readers.

    Returns:
        From each uint8 input that is read as int8 to itself, and from each node that gives int8
        now to itself, in order.
    """
    changed = {node: node for node in _dequantized_inputs(graph, is_constant)}
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        if moves_elements(node) and all(one in changed for one in moved_inputs(node)):
            _set_int8(node)
            changed[node] = node
            continue
        params = static_quant_params(node)
        if params is None or params.dtype != torch.uint8:
            continue
        if node.target == QUANTIZE:
            _set_int8(node)
            changed[node] = node
        elif node_argument(node, 0) not in changed:
            continue
        bounds = (params.quant_min - _SHIFT, params.quant_max - _SHIFT, torch.int8)
        head = (node.args[0], params.scale, params.zero_point - _SHIFT)
        node.args = (*head, *bounds, *node.args[6:])
    return changed


def _dequantized_inputs(graph: Graph, is_constant: Callable[[Node], bool]) -> Iterator[Node]:
    """Inputs of the graph that a dequantize of uint8 reads, directly or behind moves."""
    dequantizes = graph.find_nodes(op="call_function", target=DEQUANTIZE)
    queue = [node_argument(node, 0) for node in dequantizes if _is_uint8(node)]
    for node in queue:
        if moves_elements(node):
            queue.extend(moved_inputs(node))
        elif node.op == "placeholder" and not is_constant(node):
            yield node


def _is_uint8(node: Node) -> bool:
    params = static_quant_params(node)
    return params is not None and params.dtype == torch.uint8


def plan_as_int8(graph: Graph, is_constant: Callable[[Node], bool]) -> None:
    """Make a copy of a graph look as if its uint8 activations were int8, inputs included."""
    for node in change_to_int8(graph, is_constant):
        if node.op == "placeholder":
            _set_int8(node)


def rewrite_uint8(constants: Constants, graph: Graph) -> None:
    """Change a delegate's graph; its inputs and outputs keep their dtypes."""
    if not has_uint8(graph):
        return
    changed = change_to_int8(graph, constants.is_constant)
    for node in changed:
        if node.op == "placeholder":
            # Moves with other inputs that stay uint8 are not among them.
            readers = [
                user
                for user in node.users
                if user in changed or user.target in SPLIT_OPS or static_quant_params(user)
            ]
            place = next(n for n in graph.nodes if n.op != "placeholder").prev
            converted = _converted(constants, node, place, torch.int8)
            for reader in readers:
                reader.replace_input_with(node, converted)
    output = graph.output_node()
    for result in output.all_input_nodes:
        if result in changed and result.op != "placeholder":
            converted = _converted(constants, result, output.prev, torch.uint8)
            output.replace_input_with(result, converted)


def _set_int8(node: Node) -> None:
    tensor = tensor_of(node)
    assert tensor is not None
    like = (torch.empty_like, (tensor,), {"dtype": torch.int8})
    node.meta["val"] = fake_result(*like)


def _converted(constants: Constants, x: Node, place: Node, dtype: torch.dtype) -> Node:
    """`x` plus or minus 128 in the other dtype. A table reads the bits of uint8 as int8."""

    values = torch.arange(256)
    if dtype == torch.int8:
        values = (values + _SHIFT) % 256 - _SHIFT
    table = constants.add(x.graph, "q8ta_table", values.to(dtype))
    return call_after(x.graph, place, Q8TA_TABLE, (x, table))
