"""The constants that ops of an exported module read: their values, and others in their place."""

from __future__ import annotations

import operator

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from ..layers import constants_of


def states_of(model: GraphModule) -> list[Tensor]:
    """The tensors that running `model` changes."""
    constants = constants_of(model.graph)
    return [
        operator.attrgetter(str(node.target))(model)
        for node in model.graph.nodes
        if node.op == "get_attr" and node not in constants
    ]


def constant_of(model: GraphModule, op: Node, at: int) -> Tensor | None:
    """The value of an op's argument, a constant; None where it has none."""
    node = op.args[at] if len(op.args) > at else None
    return _computed(model, node, {}).detach() if isinstance(node, Node) else None


def _computed(model: GraphModule, node: Node, found: dict[Node, Tensor]) -> Tensor:
    """Each of the nodes behind it once, however many read it."""
    if node in found:
        return found[node]
    if node.op == "get_attr":
        found[node] = operator.attrgetter(str(node.target))(model)
    else:
        args, kwargs = map_arg((node.args, node.kwargs), lambda one: _computed(model, one, found))
        assert callable(node.target)
        found[node] = node.target(*args, **kwargs)
    return found[node]


def set_constant(model: GraphModule, op: Node, at: int, value: Tensor) -> None:
    """Give an op another value for an argument, and no other op.

    A parameter that nothing else reads keeps its name.
    """
    old = op.args[at] if len(op.args) > at else None
    if isinstance(old, Node) and len(old.users) == 1 and _is_only_getter(old):
        _drop_parameter(model, old)
        _add_parameter(model, str(old.target), value)
        return
    name = f"{op.name}_argument{at}"
    _add_parameter(model, name, value)
    with model.graph.inserting_before(op):
        node = model.graph.get_attr(name)
    node.meta["val"] = torch.empty_like(value, device="meta")
    op.args = (*op.args[:at], *(None,) * (at - len(op.args)), node, *op.args[at + 1 :])
    if isinstance(old, Node):
        _erase_unread(model, old)


def _add_parameter(model: GraphModule, name: str, value: Tensor) -> None:
    path, _, attribute = name.rpartition(".")
    model.get_submodule(path).register_parameter(attribute, nn.Parameter(value))


def _drop_parameter(model: GraphModule, getter: Node) -> None:
    path, _, attribute = str(getter.target).rpartition(".")
    delattr(model.get_submodule(path), attribute)


def _is_only_getter(node: Node) -> bool:
    is_getter = node.op == "get_attr"
    return is_getter and len(node.graph.find_nodes(op="get_attr", target=node.target)) == 1


def _erase_unread(model: GraphModule, node: Node) -> None:
    if node.users:
        return
    inputs = node.all_input_nodes
    if _is_only_getter(node):
        _drop_parameter(model, node)
    node.graph.erase_node(node)
    for one in inputs:
        _erase_unread(model, one)
