"""Why a node does not run on Vulkan, or not in int8."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import Node


class NotInt8Error(Exception):
    """A layer does not run in int8; the message is for the user.

    Attributes:
        is_static: input and weight are statically quantized, so the case was ours to decide.
    """

    def __init__(self, reason: str, is_static: bool = True) -> None:
        super().__init__(reason)
        self.is_static = is_static


@dataclass(frozen=True)
class Rejection:
    """Why a node is no step, so that it runs in float32 or not on Vulkan.

    Attributes:
        node: the linear, or another op that the user may have expected there.
        reason: a sentence for the user.
        is_static: input and weight are statically quantized, so the case was ours to decide;
            otherwise the stock rules may still take it.
    """

    node: Node
    reason: str
    is_static: bool = True
