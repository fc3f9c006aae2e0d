"""Why a node is not run on Vulkan."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import Node


@dataclass(frozen=True)
class Rejection:
    """Why a node is not run on Vulkan.

    Attributes:
        node: the linear, or another op that the user may have expected there.
        reason: a sentence for the user.
        is_static: input and weight are statically quantized, so the case was ours to decide;
            otherwise the stock rules may still take it.
    """

    node: Node
    reason: str
    is_static: bool = True
