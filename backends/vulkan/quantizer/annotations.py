"""PT2E annotations of a planned graph: which edges and results get an observer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from torch.fx import Graph, Node
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpecBase,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from .int8_values import Demand, Int8Values, is_move, is_sum
from .layers import groups_of, is_convolution
from .op_kinds import LAYERS, kind_of, tensor_arguments
from .specs import Int8Config, activation_spec, dynamic_spec, weight_spec

Specs = Mapping[Node, QuantizationSpecBase | None]


def annotate_layer(node: Node, values: Int8Values, config: Int8Config) -> None:
    """A layer's input, weight and, where int8 is asked for, result."""
    layer = LAYERS[kind_of(node)]
    x, weight = node.args[layer.x], node.args[layer.weight]
    assert isinstance(x, Node) and isinstance(weight, Node)
    # A grouped transposed convolution has its channels along two axes.
    is_grouped = layer.axis == 1 and groups_of(node) != 1
    axis = layer.axis if config.per_channel and not is_grouped else None
    # The last dimension of an image is no row that a convolution reads.
    per_token = config.per_token and not is_convolution(node)
    spec = dynamic_spec(per_token) if config.dynamic else activation_spec()
    _annotate(node, {x: spec, weight: weight_spec(axis)})
    end = values.ends.get(node, node)
    if not config.dynamic and values.asked_of(end) is Demand.INT8:
        [*readers] = end.users
        if not any(values.is_int8_op(one) and values.summed_layer(one) is end for one in readers):
            _annotate(end, output=activation_spec())


def annotate_int8_ops(graph: Graph, values: Int8Values) -> None:
    """Attention, and arithmetic, functions, means and moves of int8 values."""
    attention: dict[Node, list[Node]] = defaultdict(list)
    for tensor, reader in values.attention:
        attention[reader].append(tensor)
    for reader, tensors in attention.items():
        _annotate(reader, dict.fromkeys(tensors, activation_spec()))
    for node in graph.nodes:
        if values.is_attention(node) and values.asked_of(node) is Demand.INT8:
            _annotate(node, output=activation_spec())
        elif values.is_int8_op(node):
            if is_move(node) or kind_of(node) == "getitem":
                _annotate_move(node)
            else:
                _annotate_computed(node, values)


def _annotate_move(node: Node) -> None:
    """Its inputs and its result are on one grid."""
    first, *others = tensor_arguments(node)
    if kind_of(node) == "getitem":
        [first, *_] = tensor_arguments(first)
        _annotate(node, output=SharedQuantizationSpec((first, node.args[0])))
        return
    shared = SharedQuantizationSpec((first, node))
    has_result = not isinstance(node.meta["val"], (list, tuple))
    reads = {first: activation_spec(), **dict.fromkeys(others, shared)}
    _annotate(node, reads, shared if has_result else None)


def _annotate_computed(node: Node, values: Int8Values) -> None:
    inputs = tensor_arguments(node)
    if is_sum(node):
        summed = values.summed_layer(node)
        inputs = [one for one in inputs if one is not summed]
    else:
        inputs = inputs[:1]
    _annotate(node, dict.fromkeys(inputs, activation_spec()))
    _annotate(values.ends.get(node, node), output=activation_spec())


def _annotate(
    node: Node, inputs: Specs | None = None, output: QuantizationSpecBase | None = None
) -> None:
    """Add to what is annotated at a node."""
    known = node.meta.get(Q_ANNOTATION_KEY) or QuantizationAnnotation(_annotated=True)
    known.input_qspec_map.update(inputs or {})
    known.output_qspec = output or known.output_qspec
    node.meta[Q_ANNOTATION_KEY] = known
