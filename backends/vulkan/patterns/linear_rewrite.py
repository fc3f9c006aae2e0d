"""Replace a matched linear by its int8 op, with the constants as the stock runtime wants them."""

from __future__ import annotations

from typing import Any

import torch
from executorch.backends.vulkan.utils import get_tensor_name
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.node import Argument

from ..custom_ops import LINEAR_FLOAT_OUT, Q8TA_LINEAR, Q8TA_LINEAR_BOUNDED, Q8TA_LINEAR_GEMV
from .constants import add_constant, padded_to_4, real_tensor
from .edge_ops import sizes_of
from .epilogue import FloatTail
from .graph_edits import call_after, hand_over, redo_on
from .quantized_linear import QuantizedLinearMatch


def rewrite_quantized_linear(
    program: ExportedProgram, graph_module: GraphModule, match: QuantizedLinearMatch
) -> None:
    """Rewrite in place; the nodes that lose their last user are left for dead code elimination.

    Raises:
        ValueError: where a constant's values are not at hand.
    """
    place, head = linear_inputs(program, graph_module, match)
    bias = padded_bias(program, graph_module, match)
    graph = graph_module.graph
    tail = match.tail
    if isinstance(tail, FloatTail):
        assert match.views.float_output is not None
        args: tuple[Argument, ...] = (*head, bias, *tail.activation.args)
        result = call_after(graph, place, LINEAR_FLOAT_OUT, args)
    else:
        args = (*head, tail.params.scale, tail.params.zero_point, bias)
        if tail.fits_stock_schema:
            args += ("relu" if tail.is_relu else "none",)
            result = call_after(graph, place, _stock_target(match), args)
        else:
            args += (*tail.activation.args, tail.quant_min, tail.quant_max)
            result = call_after(graph, place, Q8TA_LINEAR_BOUNDED, args)
    hand_over(result, match.views.behind, match.output_nodes)


def linear_inputs(
    program: ExportedProgram, graph_module: GraphModule, match: QuantizedLinearMatch
) -> tuple[Node, tuple[Argument, ...]]:
    """(the node behind which the op can stand, its arguments up to the weight scales)."""
    weight_sums = _sums(program, graph_module, match)
    weight_scales = _scales(program, graph_module, match)
    place = match.anchor_node
    x = match.activation.x
    for move in match.views.before:
        x = place = redo_on(move, (x,), place)
    params = match.activation.params
    head: tuple[Argument, ...] = (x, params.scale, params.zero_point)
    return place, (*head, match.weight.weight, weight_sums, weight_scales)


def padded_bias(
    program: ExportedProgram, graph_module: GraphModule, match: QuantizedLinearMatch
) -> Node | None:
    """The bias with a size that is a multiple of 4, or None."""
    if match.bias is None:
        return None
    return padded_to_4(program, graph_module, match.bias, match.shape[0])


def _stock_target(match: QuantizedLinearMatch) -> Any:
    """The name that the stock rule gives: gemv where the last dimension but one is 1."""
    sizes = sizes_of(match.activation.x)
    rows = sizes[-2] if len(sizes) >= 2 else 1
    return Q8TA_LINEAR_GEMV if isinstance(rows, int) and rows == 1 else Q8TA_LINEAR


def _sums(program: ExportedProgram, graph_module: GraphModule, match: QuantizedLinearMatch) -> Node:
    """int32 [N rounded up to 4]: sum_k w[n, k], with which kernels apply the input zero point."""
    weight = real_tensor(program, match.weight.weight)

    def make() -> torch.Tensor:
        sums = weight.sum(dim=1, dtype=torch.int64).to(torch.int32)
        return torch.nn.functional.pad(sums, (0, -sums.shape[0] % 4)).contiguous()

    name = get_tensor_name(program, match.weight.weight)
    return add_constant(program, graph_module, f"{name}_sums", make)


def _scales(
    program: ExportedProgram, graph_module: GraphModule, match: QuantizedLinearMatch
) -> Node:
    """float32 [N rounded up to 4]; one scale for the whole weight is repeated."""
    n, _ = match.shape
    scales = match.weight.scales
    name = get_tensor_name(program, match.weight.weight)
    if not isinstance(scales, Node):
        value = scales

        def repeated() -> torch.Tensor:
            filled = torch.full((n,), value, dtype=torch.float32)
            return torch.nn.functional.pad(filled, (0, -n % 4)).contiguous()

        # The scale is part of the name, for the same weight may be read with two scales.
        return add_constant(
            program, graph_module, f"{name}_scales_{value.hex().replace('+', '')}", repeated
        )
    values = real_tensor(program, scales)
    if values.dtype == torch.float32:
        return padded_to_4(program, graph_module, scales, n)

    def narrowed() -> torch.Tensor:
        narrow = values[:n].to(torch.float32)
        return torch.nn.functional.pad(narrow, (0, -n % 4)).contiguous()

    return add_constant(
        program, graph_module, f"{get_tensor_name(program, scales)}_float32", narrowed
    )
