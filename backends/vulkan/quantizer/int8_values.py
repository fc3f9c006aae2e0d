"""Which values of an exported graph are kept in int8.

Two passes. Forwards: what may be int8, because a layer or attention computes it, or int8 ops of
that. Backwards: what its readers ask for. A value that one reader needs in float stays float, so a
residual stream that a norm reads is never rounded; the layers that read it, too, each get an int8
copy. A program's results ask for nothing: layers give them in float, other ops in int8.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from torch.fx import Graph, Node

from .attention import find_attention
from .layers import constants_of, is_layer
from .op_kinds import (
    ACTIVATIONS,
    ARITHMETIC,
    CLAMPS,
    FUNCTIONS,
    JOIN,
    LAYERS,
    MEANS,
    PARTS,
    PERMUTATIONS,
    SEVERAL_RESULTS,
    WITH_NUMBERS,
    changes_its_input,
    is_float32,
    kind_of,
    tensor_arguments,
)


class Demand(Enum):
    """What those who read a value ask for."""

    INT8 = "int8"
    FLOAT = "float"
    NOTHING = "nothing"


class Int8Values:
    """The plan of a graph, which must not change meanwhile.

    Args:
        is_static: whether the user wants an op's activations on fixed grids.

    Attributes:
        constants: nodes that are parameters, or computed from nothing else.
        attention: edges (tensor, reader) by which q, k and v enter attention.
        ends: by layer or arithmetic op, the last op that its kernel applies before it rounds.
    """

    def __init__(self, graph: Graph, is_static: Callable[[Node], bool]) -> None:
        self._is_static = is_static
        self.constants = constants_of(graph)
        found = [
            one
            for one in find_attention(graph)
            if is_static(one.result) and not any(self.is_layer(reader) for _, reader in one.edges)
        ]
        self.attention = dict.fromkeys(edge for one in found for edge in one.edges)
        self._attention_results = {one.result for one in found}
        self.ends: dict[Node, Node] = {}
        self._inner: set[Node] = set()  # between a layer or arithmetic op and its end, and the end
        self._layer_ends: set[Node] = set()
        self._may: set[Node] = set()
        for node in graph.nodes:
            self._find_end(node)
        for node in graph.nodes:
            if self._may_be_int8(node):
                self._may.add(node)
        self._demands: dict[Node, Demand] = {}
        for node in reversed(graph.nodes):
            self._demands[node] = self._asked_of(node)

    def is_layer(self, node: Node) -> bool:
        """True for a layer whose weight is a constant and which computes in float32."""
        return is_layer(node, self.constants)

    def is_attention(self, node: Node) -> bool:
        return node in self._attention_results

    def summed_layer(self, node: Node) -> Node | None:
        """The operand of an int8 sum that the sum is computed behind, before rounding, or None.

        It is a layer's end that nothing else reads and that is as large as the sum.
        """
        if kind_of(node) != "add" or not is_sum(node) or node.kwargs.get("alpha", 1) != 1:
            return None
        for operand in reversed(node.args[:2]):
            assert isinstance(operand, Node)
            is_end = operand in self._layer_ends and len(operand.users) == 1
            if is_end and operand.meta["val"].shape == node.meta["val"].shape:
                return operand
        return None

    def asked_of(self, node: Node) -> Demand:
        """What the readers of a value ask for."""
        return self._demands[node]

    def is_int8_op(self, node: Node) -> bool:
        """True for an op besides layers and attention that takes and gives int8."""
        if kind_of(node) == "getitem":
            source = node.args[0]
            return isinstance(source, Node) and is_move(source) and self.is_int8_op(source)
        if node in self._inner or not (node in self._may or self._only_permutes(node)):
            return False
        asked = self._demands[self.ends.get(node, node)]
        if is_move(node):
            return asked is Demand.INT8
        return is_computed(node) and asked is not Demand.FLOAT

    def _only_permutes(self, node: Node) -> bool:
        """True for a move before which rounding is the same as behind it."""
        if kind_of(node) not in PERMUTATIONS or not is_float32(node) or not self._is_static(node):
            return False
        [x, *_] = node.all_input_nodes
        is_tensor = is_float32(x) and x not in self.constants
        return is_tensor and not self._reads_what_changes(node)

    def _find_end(self, node: Node) -> None:
        """Note how far the kernel of a layer or of arithmetic goes."""
        is_layer = self.is_layer(node)
        if not is_layer and not is_sum(node):
            return
        end = node
        if is_layer and (late := self._late_bias(node)) is not None:
            end = late
        reader = _only_reader(end)
        names = ACTIVATIONS if is_layer else CLAMPS
        if reader is not None and kind_of(reader) in names and self._is_static(reader):
            end = reader
        if is_layer and self._is_static(node):
            self._layer_ends.add(end)
        if end is not node:
            self.ends[node] = end
            step = node
            while step is not end:
                step = next(iter(step.users))
                self._inner.add(step)

    def _late_bias(self, layer: Node) -> Node | None:
        """The addition of a constant behind a layer that has no bias."""
        at = LAYERS[kind_of(layer)].bias
        if at is not None and len(layer.args) > at and layer.args[at] is not None:
            return None
        reader = _only_reader(layer)
        if reader is None or kind_of(reader) != "add" or reader.kwargs:
            return None
        other = next((one for one in reader.args if one is not layer), None)
        if not isinstance(other, Node) or other not in self.constants or not is_float32(other):
            return None
        sizes, bias = layer.meta["val"].shape, other.meta["val"].shape
        channels = 1 if kind_of(layer).startswith("conv") else len(sizes) - 1
        at = channels - len(sizes) + len(bias)
        is_row = all(size == 1 for place, size in enumerate(bias) if place != at)
        return reader if is_row and 0 <= at < len(bias) and bias[at] == sizes[channels] else None

    def _may_be_int8(self, node: Node) -> bool:
        kind = kind_of(node)
        if node.op == "placeholder":
            # A layer will round it anyway.
            return is_float32(node) and any(self._is_static_layer(one) for one in node.users)
        if kind == "getitem":
            return node.args[0] in self._may
        has_values = is_float32(node) or kind in SEVERAL_RESULTS
        if not kind or not has_values or self._reads_what_changes(node):
            return False
        if not self._is_static(node):
            return False
        if node in self._attention_results or self.is_layer(node):
            return True
        inputs = tensor_arguments(node)
        if node in self._inner:
            return all(one in self._may for one in inputs if one not in self.constants)
        if not is_computed(node) and not is_move(node):
            return False
        # Of a batch norm and of means over windows, all else is constant.
        if kind in MEANS:
            inputs = inputs[:1]
        return bool(inputs) and all(one in self._may for one in inputs)

    def _is_static_layer(self, node: Node) -> bool:
        return self.is_layer(node) and self._is_static(node)

    def _reads_what_changes(self, node: Node) -> bool:
        """True where an op in place changes what others read as well, or this one reads."""
        if changes_its_input(node):
            return len(node.all_input_nodes[0].users) > 1
        return any(
            changes_its_input(reader) and reader.all_input_nodes[0] is one
            for one in node.all_input_nodes
            for reader in one.users
            if reader is not node
        )

    def _asked_of(self, node: Node) -> Demand:
        asked = {self._asked_by(reader, node) for reader in node.users}
        if Demand.FLOAT in asked:
            return Demand.FLOAT
        return Demand.INT8 if Demand.INT8 in asked else Demand.NOTHING

    def _asked_by(self, reader: Node, value: Node) -> Demand:
        if reader.op == "output" or not _is_tensor(reader):
            return Demand.NOTHING
        if (value, reader) in self.attention:
            return Demand.INT8
        layer = LAYERS.get(kind_of(reader))
        if layer is not None and self.is_layer(reader):
            is_input = reader.args[layer.x] is value and reader.args[layer.weight] is not value
            return Demand.INT8 if is_input and self._is_static(reader) else Demand.FLOAT
        if reader in self._inner:
            return Demand.FLOAT  # what is asked of the end counts
        if kind_of(reader) == "getitem":
            return self._demands[reader]
        if self.is_int8_op(reader):
            return Demand.INT8
        if is_move(reader) and self._demands[reader] is Demand.NOTHING:
            return Demand.NOTHING
        return Demand.FLOAT


def is_sum(node: Node) -> bool:
    """True for arithmetic of two tensors."""
    return kind_of(node) in ARITHMETIC and _operands(node) == 2


def is_move(node: Node) -> bool:
    """True for an op whose results are elements of its inputs."""
    kind = kind_of(node)
    return kind in PERMUTATIONS or kind in PARTS or kind == JOIN


def is_computed(node: Node) -> bool:
    """True for an op whose result is on a grid of its own."""
    kind = kind_of(node)
    if kind in WITH_NUMBERS and _operands(node) == 1:
        return node.args[0] is tensor_arguments(node)[0] if kind == "div" else True
    if kind == "batch_norm":
        return node.args[5] is False  # with fixed statistics
    return kind in FUNCTIONS or kind in MEANS or is_sum(node)


def _operands(node: Node) -> int:
    """How many of an arithmetic op's operands are tensors."""
    return sum(isinstance(one, Node) and _is_tensor(one) for one in node.args[:2])


def _only_reader(node: Node) -> Node | None:
    [*readers] = node.users
    return readers[0] if len(readers) == 1 else None


def _is_tensor(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, (list, tuple)) or hasattr(value, "dtype")
