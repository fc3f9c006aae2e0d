"""Edge graphs with quantize and dequantize nodes written by hand, to vary one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from executorch.exir import EdgeCompileConfig, to_edge
from torch import nn
from torch.export import ExportedProgram
from torch.fx import Node

from executorch_vulkan.patterns.vocabulary.edge_ops import LINEAR_OPS

_ops = torch.ops.quantized_decomposed
Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Grid:
    """Static quantization parameters, int8 unless said otherwise."""

    scale: float = 0.05
    zero_point: int = 3
    quant_min: int = -128
    quant_max: int = 127
    dtype: torch.dtype = torch.int8

    @property
    def args(self) -> tuple[Any, ...]:
        return (self.scale, self.zero_point, self.quant_min, self.quant_max, self.dtype)

    def quantize(self, x: torch.Tensor) -> torch.Tensor:
        return _ops.quantize_per_tensor(x, *self.args)

    def dequantize(self, x: torch.Tensor) -> torch.Tensor:
        return _ops.dequantize_per_tensor(x, *self.args)

    def round_trip(self, x: torch.Tensor) -> torch.Tensor:
        return self.dequantize(self.quantize(x))


class QuantizedWeight(nn.Module):
    """Constant int8 weight [n, k] with one scale per row; calling it dequantizes."""

    def __init__(self, n: int = 6, k: int = 8, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randint(-127, 128, (n, k), generator=generator, dtype=torch.int8)
        self.register_buffer("weight", weight)
        self.register_buffer("scales", torch.rand(n, generator=generator) * 0.01 + 0.001)
        self.register_buffer("zeros", torch.zeros(n, dtype=torch.int64))

    def forward(self) -> torch.Tensor:
        return _ops.dequantize_per_channel(
            self.weight, self.scales, self.zeros, 0, -127, 127, torch.int8
        )


class Layer(nn.Module):
    """quantize -> dequantize -> linear -> `after`, with each part replaceable.

    Args:
        after: what follows the linear; by default a quantize and dequantize.
        weight: module that gives the float weight.
        x_grid: the activation's quantization.
        linear: called with (x, weight, bias).
        before: applied to the dequantized activation.
    """

    def __init__(
        self,
        after: Callable[[torch.Tensor], Any] = Grid(0.1, -7).round_trip,
        weight: nn.Module | None = None,
        x_grid: Grid | None = None,
        linear: Callable[..., torch.Tensor] = nn.functional.linear,
        before: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
        bias: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.weight = weight if weight is not None else QuantizedWeight()
        if bias is None:
            bias = torch.linspace(-1, 1, self.weight().shape[0])
        self.bias = nn.Parameter(bias)
        self.x_grid = x_grid or Grid()
        self.after, self.linear, self.before = after, linear, before

    def forward(self, x: torch.Tensor) -> Any:
        x = self.before(self.x_grid.round_trip(x))
        return self.after(self.linear(x, self.weight(), self.bias))


def edge_program(
    module: nn.Module, *shape: int, inputs: Tensors | None = None, dynamic_shapes: Any = None
) -> ExportedProgram:
    """The module in the edge dialect, traced with one float32 input of `shape`."""
    inputs = inputs or (torch.zeros(shape),)
    exported = torch.export.export(module.eval(), inputs, dynamic_shapes=dynamic_shapes)
    config = EdgeCompileConfig(_check_ir_validity=False)
    return to_edge(exported, compile_config=config).exported_program()


def linears(program: ExportedProgram) -> list[Node]:
    """The linear, mm, addmm and bmm nodes."""
    return [node for node in program.graph.nodes if node.target in LINEAR_OPS]
