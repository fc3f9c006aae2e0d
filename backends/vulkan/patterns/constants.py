"""Constants of an exported program: what is known of their values, and new ones.

A constant is a parameter or buffer that nothing writes, or what ops compute from constants alone:
casts, views and permutes that passes put in, quantizes that PT2E did not fold.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from typing import Any

import torch
from executorch.backends.transforms.utils import (
    create_constant_placeholder,
    get_param_tensor,
    is_param_node,
)
from executorch.backends.vulkan.utils import get_tensor_name
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg
from torch.utils.weak import TensorWeakRef

from ..external_constants import share_data_file
from .edge_ops import is_symint, overload_of, without_copy

# Values of constants by state dict name. Weak, so that a partitioner keeps no model alive.
KnownValues = Mapping[str, TensorWeakRef]


class UnknownValueError(ValueError):
    """A constant's value is not at hand."""


def known_values(program: ExportedProgram) -> KnownValues:
    """The constants of `program`, while it lives."""
    return {
        name: TensorWeakRef(tensor)
        for name, tensor in {**program.constants, **program.state_dict}.items()
        if isinstance(tensor, torch.Tensor) and not isinstance(tensor, FakeTensor)
    }


def is_computed_from(node: Node, is_leaf: Callable[[Node], bool]) -> bool:
    """True where ops that always give the same compute `node` from such placeholders alone."""
    queue, seen = [node], {node}
    while queue:
        one = queue.pop()
        if one.op == "placeholder":
            if not is_leaf(one):
                return False
        elif not _gives_the_same(one):
            return False
        new = [source for source in one.all_input_nodes if source not in seen]
        seen.update(new)
        queue += new
    return True


def _gives_the_same(node: Node) -> bool:
    if node.op != "call_function" or is_symint(node):
        return False
    op = overload_of(node)
    if op is None:
        return node.target is operator.getitem
    return torch.Tag.nondeterministic_seeded not in op.tags


def ops_behind(nodes: Iterable[Node]) -> list[Node]:
    """The ops that compute constants, themselves included, each once."""
    found: dict[Node, None] = {}
    queue = list(nodes)
    while queue:
        node = queue.pop()
        if node.op == "call_function" and node not in found:
            found[node] = None
            queue += node.all_input_nodes
    return list(found)


def _placeholders_behind(node: Node) -> list[Node]:
    sources = [node, *(source for op in ops_behind([node]) for source in op.all_input_nodes)]
    return [source for source in sources if source.op == "placeholder"]


class Constants:
    """Answers about the constants of one program.

    While a program is partitioned its state dict holds fake tensors; `known` then supplies the
    real ones. A question that can't be answered gives None.
    """

    def __init__(self, program: ExportedProgram, known: Iterable[KnownValues] = ()) -> None:
        self._program = program
        self._known = tuple(known)

    def is_constant(self, node: Node) -> bool:
        """True for a placeholder that nothing writes, and for what is computed from such alone."""
        return is_computed_from(node, self._is_unchanged)

    def _is_unchanged(self, placeholder: Node) -> bool:
        if not is_param_node(self._program, placeholder):
            return False
        signature = self._program.graph_signature
        name = signature.inputs_to_buffers.get(placeholder.name)
        return name not in signature.buffers_to_mutate.values()

    def values(self, node: Node) -> tuple[torch.Tensor, ...]:
        """The values that the constant `node` may have; empty where nothing is known.

        More than one where several programs share a partitioner and a tensor name.
        """
        try:
            return (self._evaluate(node, {}),)
        except UnknownValueError:
            pass
        found = []
        for known in self._known:
            try:
                found.append(self._evaluate(node, known))
            except UnknownValueError:
                continue
        return tuple(found)

    def value(self, node: Node) -> torch.Tensor:
        """The value of the constant `node`; it must not be written to.

        Raises:
            UnknownValueError: where it is not at hand, or `node` is no constant.
        """
        if not self.is_constant(node):
            raise UnknownValueError(f"{node.name} is not a constant")
        first, *others = self.values(node) or (None,)
        if first is None or not all(
            one is not None and one.dtype == first.dtype and torch.equal(one, first)
            for one in others
        ):
            raise UnknownValueError(f"the value of {node.name} is not known")
        return first

    def _evaluate(self, node: Node, known: KnownValues) -> Any:
        if node.op == "placeholder":
            return self._leaf(node, known)
        args, kwargs = map_arg(
            (node.args, dict(node.kwargs)), lambda source: self._evaluate(source, known)
        )
        with torch.no_grad():
            return without_copy(node.target)(*args, **kwargs)

    def _leaf(self, node: Node, known: KnownValues) -> torch.Tensor:
        tensor = get_param_tensor(self._program, node)
        if tensor is None:
            raise UnknownValueError(f"{node.name} is not a constant")
        if not isinstance(tensor, FakeTensor):
            return tensor.detach()
        # Numbers that lowering itself turned into constants keep their values.
        if tensor.constant is not None:
            return tensor.constant
        name = get_tensor_name(self._program, node)
        real = known[name]() if name in known else None
        if real is None or (real.shape, real.dtype) != (tensor.shape, tensor.dtype):
            raise UnknownValueError(f"the value of {node.name} is not known")
        return real.detach()


def add_constant(
    program: ExportedProgram,
    graph_module: GraphModule,
    what: str,
    values: torch.Tensor,
    source: Node | None = None,
) -> Node:
    """A constant placeholder with these values, one for all that ask for the same.

    Args:
        what: what it is, the first part of its name; the digest of the values is the rest.
        source: the constant that it is made of, whose data file it shares.
    """
    tensor = torch.empty(values.shape, dtype=values.dtype).copy_(values)
    digest = hashlib.sha1(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    name = f"{what}_{digest.hexdigest()[:16]}"
    graph = graph_module.graph
    for node in takewhile(lambda node: node.op == "placeholder", graph.nodes):
        if node.meta.get("requested_name") == name:
            return node
    with graph.inserting_before(next(iter(graph.nodes))):
        constant = create_constant_placeholder(
            exp_program=program,
            graph=graph,
            name=name,
            kind=InputKind.PARAMETER,
            data=tensor,
        )
    for placeholder in () if source is None else _placeholders_behind(source):
        share_data_file(constant, placeholder)
    return constant


def as_placeholder(
    program: ExportedProgram,
    graph_module: GraphModule,
    what: str,
    node: Node,
    arrange: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor,
) -> Node:
    """The constant `node` as a placeholder: itself where it is one already, or a new one.

    Args:
        what: as for `add_constant`.
        arrange: moves its elements first.

    Raises:
        UnknownValueError: where its value is not at hand, or it is no constant.
    """
    value = Constants(program).value(node)
    arranged = arrange(value)
    # The serializer writes a tensor's whole storage, so a part of a larger one is copied.
    is_whole = value.untyped_storage().nbytes() <= value.nbytes
    if node.op == "placeholder" and is_whole and arranged.is_set_to(value):
        return node
    return add_constant(program, graph_module, what, arranged, node)
