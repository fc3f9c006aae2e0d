"""The arguments of poolings in the edge dialect, with what PyTorch takes for those left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch.fx import Node
from torch.fx.node import Argument

from .edge_ops import (
    ADAPTIVE_AVG_POOL,
    ADAPTIVE_MAX_POOL,
    MAX_POOL,
    first_result,
    largest_size,
    named_argument,
    node_argument,
    sizes_of,
)
from .rejection import NotInt8Error

MOST_TAPS = 8191  # elements of a window: PoolWindow.cpp


def pool_arguments(node: Node) -> tuple[Argument, ...]:
    """Those behind the tensor, lists with two numbers each.

    Raises:
        NotInt8Error: for what kernels do not take, in float either.
    """
    if first_result(node) is None:
        raise NotInt8Error(
            "more than its values is read: the indices are not on Vulkan; leave return_indices out"
        )
    if node.target in (ADAPTIVE_MAX_POOL, ADAPTIVE_AVG_POOL):
        output = _pair(node, 1, "output_size")
        image = (largest_size(size) for size in sizes_of(node_argument(node, 0))[-2:])
        _check_area([math.ceil(a / b) + 1 for a, b in zip(image, output, strict=True)])
        return (output,)
    kernel = _pair(node, 1, "kernel_size")
    _check_area(kernel)
    window = [kernel, _pair(node, 2, "stride", kernel), _pair(node, 3, "padding", [0, 0])]
    if node.target == MAX_POOL:
        dilation = _pair(node, 4, "dilation", [1, 1])
        return (*window, dilation, bool(named_argument(node, 5, "ceil_mode", False)))
    ceil_mode = bool(named_argument(node, 4, "ceil_mode", False))
    count_include_pad = bool(named_argument(node, 5, "count_include_pad", True))
    divisor = named_argument(node, 6, "divisor_override")
    if divisor is not None and not isinstance(divisor, int):
        raise NotInt8Error(f"divisor_override is {divisor}, which is computed at run time")
    return (*window, ceil_mode, count_include_pad, divisor)


def _pair(node: Node, index: int, name: str, absent: list[int] | None = None) -> list[int]:
    given = named_argument(node, index, name)
    numbers = list(given) if isinstance(given, Sequence) else [] if given is None else [given]
    if not all(isinstance(number, int) for number in numbers):
        raise NotInt8Error(f"{name} {given} is computed at run time; give it numbers")
    if not numbers and absent is not None:
        return absent
    return numbers * 2 if len(numbers) == 1 else numbers


def _check_area(window: Sequence[int]) -> None:
    if math.prod(window) > MOST_TAPS:
        sizes = " x ".join(map(str, window))
        raise NotInt8Error(
            f"its windows have up to {sizes} elements; the limit is {MOST_TAPS}, so pool in two "
            "steps, or take a mean or amax over the whole image"
        )
