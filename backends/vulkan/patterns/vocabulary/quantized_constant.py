"""Constants that the graph dequantizes, of any rank: the weights of layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from .edge_ops import (
    DEQUANTIZE,
    DEQUANTIZE_AFFINE,
    DEQUANTIZE_PER_CHANNEL,
    DEQUANTIZE_TENSOR,
    is_part,
    named_argument,
    node_argument,
    op_name,
    part_as_slice,
    sizes_of,
    without_copy,
)
from .rejection import NotInt8Error


@dataclass(frozen=True)
class QuantizedConstant:
    """Integers with scales, as ops that move elements arrange them.

    Attributes:
        integers: the constant.
        scales: constant, one for each index of `axis`; without an axis one number.
        zero_points: likewise.
        axis: of `integers`, or None where one scale is for all.
        dequantize: what makes float of it.
        moves: the ops behind that, in order, each of one tensor and of static sizes.
    """

    integers: Node
    scales: Node | float
    zero_points: Node | int | None
    axis: int | None
    dequantize: Node
    moves: tuple[Node, ...]

    @property
    def constants(self) -> dict[str, Node]:
        """The tensors by what they are."""
        named = {"": self.integers, " scale": self.scales, " zero point": self.zero_points}
        return {what: node for what, node in named.items() if isinstance(node, Node)}

    def arranged(self, tensor: torch.Tensor) -> torch.Tensor:
        """The moves done on a tensor of the sizes of `integers`, as a view where one is enough."""
        for move in self.moves:
            target, args = part_as_slice(move) or (move.target, move.args[1:])
            kwargs = {} if is_part(move) else move.kwargs
            tensor = without_copy(target)(tensor, *args, **kwargs)
        return tensor

    def scale_indices(self) -> torch.Tensor:
        """int64 of the sizes of `integers`, one element in memory a scale: which one each has."""
        sizes = sizes_of(self.integers)
        if self.axis is None:
            return torch.zeros((), dtype=torch.int64).expand(sizes)
        indices = torch.arange(sizes[self.axis])
        indices = indices.reshape([-1 if axis == self.axis else 1 for axis in range(len(sizes))])
        return indices.expand(sizes)


_AFFINE = "torchao.dequantize_affine.default"


def _affine_axes(dequantize: Node) -> list[int] | None:
    """The axis that scales lie along, if any, where a block of one scale is all of the others."""
    block = dequantize.args[1]
    sizes = sizes_of(node_argument(dequantize, 0))
    assert isinstance(block, (list, tuple))
    parts = [axis for axis, size in enumerate(sizes) if block[axis] != size]
    fits = len(parts) <= 1 and all(block[axis] == 1 for axis in parts)
    return parts if fits else None


def read_quantized_constant(
    dequantize: Node, moves: Iterable[Node], what: str = "weight"
) -> QuantizedConstant:
    """The constant behind `dequantize`; whether it is one is left to the caller.

    Raises:
        NotInt8Error: for a dequantize that is neither per channel nor per tensor.
    """
    name = op_name(dequantize)
    if name == _AFFINE and (axes := _affine_axes(dequantize)) is not None:
        integers = node_argument(dequantize, 0)
        scales: Any = named_argument(dequantize, 2, "scale")
        zero_points: Any = named_argument(dequantize, 3, "zero_point")
        axis = axes[0] if axes else None
        return QuantizedConstant(integers, scales, zero_points, axis, dequantize, tuple(moves))
    if DEQUANTIZE_AFFINE in name or "per_channel_group" in name:
        raise NotInt8Error(
            f"{what} is quantized per group ({name}); quantize it per channel or per tensor"
        )
    if dequantize.target not in (DEQUANTIZE, DEQUANTIZE_TENSOR, DEQUANTIZE_PER_CHANNEL):
        raise NotInt8Error(
            f"{what} is dequantized by {name}; quantize it per channel or per tensor"
        )
    integers = node_argument(dequantize, 0)
    scales = named_argument(dequantize, 1, "scales")
    zero_points = named_argument(dequantize, 2, "zero_points")
    axis = None
    if dequantize.target == DEQUANTIZE_PER_CHANNEL:
        axis = int(named_argument(dequantize, 3, "axis")) % len(sizes_of(integers))
    return QuantizedConstant(integers, scales, zero_points, axis, dequantize, tuple(moves))
