"""Layers with constant weights, of an exported graph."""

from __future__ import annotations

from torch import Tensor
from torch.fx import Graph, Node

from .op_kinds import LAYERS, changes_its_input, is_float32, kind_of

_GROUPS = 6  # a convolution's argument, transposed or not


def constants_of(graph: Graph) -> set[Node]:
    """The nodes that are parameters, or computed from nothing else."""
    found: set[Node] = set()
    for node in graph.nodes:
        if node.op == "get_attr":
            is_constant = not any(map(changes_its_input, node.users))
        else:
            inputs = node.all_input_nodes
            is_constant = bool(kind_of(node) and inputs) and all(one in found for one in inputs)
        if is_constant:
            found.add(node)
    return found


def is_layer(node: Node, constants: set[Node]) -> bool:
    """True for a layer whose weight is a constant and which computes in float32."""
    layer = LAYERS.get(kind_of(node))
    if layer is None or not is_float32(node) or len(node.args) <= layer.weight:
        return False
    x, weight = node.args[layer.x], node.args[layer.weight]
    if not (isinstance(x, Node) and isinstance(weight, Node) and is_float32(weight)):
        return False
    if x in constants or weight not in constants:
        return False
    return layer.axis == 0 or is_convolution(node) or weight.meta["val"].dim() == 2


def is_convolution(layer: Node) -> bool:
    return kind_of(layer).startswith("conv")


def spatial_rank(layer: Node) -> int:
    """How many dimensions a layer's input and result have behind their channels."""
    return int(kind_of(layer)[-2]) if is_convolution(layer) else 0


def input_of(layer: Node) -> Node:
    x = layer.args[LAYERS[kind_of(layer)].x]
    assert isinstance(x, Node)
    return x


def input_axis(layer: Node) -> int:
    """Of a layer's input, the dimension of its channels."""
    return input_of(layer).meta["val"].dim() - 1 - spatial_rank(layer)


def has_own_weight(layer: Node) -> bool:
    """False where something else reads the weight as well."""
    weight = layer.args[LAYERS[kind_of(layer)].weight]
    assert isinstance(weight, Node)
    return _is_read_once(weight)


def _is_read_once(constant: Node) -> bool:
    return len(constant.users) == 1 and all(map(_is_read_once, constant.all_input_nodes))


def groups_of(layer: Node) -> int:
    """Of a convolution; 1 of another layer."""
    groups = layer.args[_GROUPS] if is_convolution(layer) and len(layer.args) > _GROUPS else 1
    assert isinstance(groups, int)
    return groups


def weight_by_channels(layer: Node, weight: Tensor) -> Tensor:
    """A view of a layer's weight as [groups, N / groups, K / groups, taps].

    N and K are the numbers of output and input channels, those of a group side by side.
    """
    by_group = weight[..., None].unflatten(0, (groups_of(layer), -1)).flatten(3)
    return by_group.transpose(1, 2) if LAYERS[kind_of(layer)].axis == 1 else by_group
