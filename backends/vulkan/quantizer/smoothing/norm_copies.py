"""A norm for the layers alone, where something else reads the norm's result too.

In encoders that norm behind each addition the next residual does. To layers that are quantized a
second norm costs next to nothing: it takes the place of the op that quantizes the first one's.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import Graph, Node

from ..layers import constants_of, is_layer
from ..op_kinds import kind_of
from .channels import hands_on, moves_all, reads_no_values

_NORMS = frozenset({"layer_norm", "rms_norm"})


@dataclass(frozen=True)
class NormCopy:
    """A norm, and what of the same values follows it; and copies of these, for layers."""

    originals: list[Node]
    copies: list[Node]

    @property
    def norm(self) -> Node:
        return self.copies[0]

    def take_back(self) -> None:
        for original, copy in zip(reversed(self.originals), reversed(self.copies), strict=True):
            copy.replace_all_uses_with(original)
            copy.graph.erase_node(copy)


def copy_norms(graph: Graph) -> list[NormCopy]:
    """Give layers copies of the norms that others read as well."""
    constants = constants_of(graph)
    found = []
    for norm in [node for node in graph.nodes if kind_of(node) in _NORMS]:
        originals = _chain(norm)
        readers = [one for one in originals[-1].users if not reads_no_values(one)]
        layers = [reader for reader in readers if _leads_to_layers(reader, constants)]
        if 0 < len(layers) < len(readers):
            copies = _copied(originals)
            for layer in layers:
                layer.replace_input_with(originals[-1], copies[-1])
            found.append(NormCopy(originals, copies))
    return found


def _leads_to_layers(reader: Node, constants: set[Node]) -> bool:
    """True for a layer, and for what moves all elements to nothing but layers."""
    if is_layer(reader, constants):
        return True
    readers = [one for one in reader.users if not reads_no_values(one)]
    is_move = moves_all(reader) and bool(readers)
    return is_move and all(_leads_to_layers(one, constants) for one in readers)


def _copied(chain: list[Node]) -> list[Node]:
    copies: dict[Node, Node] = {}
    for node in chain:
        with node.graph.inserting_after(node):
            copies[node] = node.graph.node_copy(node, lambda one: copies.get(one, one))
    return [*copies.values()]


def _chain(norm: Node) -> list[Node]:
    """A norm and what only hands on its values."""
    chain = [norm]
    while len(chain[-1].users) == 1:
        [reader] = chain[-1].users
        if not hands_on(reader):
            break
        chain.append(reader)
    return chain
