"""One call that makes an op known to PyTorch, to the stock export passes, and to our own tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import executorch.backends.vulkan.custom_ops_lib  # noqa: F401  (defines the et_vk namespace)
import torch
from executorch.backends.vulkan.op_registry import OpFeatures, vulkan_supported_ops
from executorch.backends.vulkan.utils import ANY_STORAGE_INCL_PACKED_INT8, NO_STORAGE
from executorch.exir.dialects._ops import ops as exir_ops

_LIBRARY = torch.library.Library("et_vk", "FRAGMENT")

# Exact meaning of each op that our rewrites emit, by edge op; the stock implementations round
# differently.
REFERENCES: dict[Any, Callable[..., torch.Tensor]] = {}


def define(
    name: str,
    arguments: str,
    reference: Callable[..., torch.Tensor],
    meta: Callable[..., torch.Tensor],
    runtime_tensors: Sequence[str] = ("x",),
) -> Any:
    """Define et_vk.`name` and tell the stock passes that it exists and packs its own constants.

    Our runtime has one layout, so every storage is accepted for what is computed at run time.

    Args:
        name: with an overload, or the default one.
        arguments: the schema's.
        reference: the eager implementation, which defines what kernels return.
        meta: gives the result's shape and dtype; it must not fix dynamic sizes.
        runtime_tensors: names of the arguments that are computed at run time.

    Returns:
        The edge op.
    """
    _LIBRARY.define(f"{name}({arguments}) -> Tensor")
    _LIBRARY.impl(name, reference, "CompositeExplicitAutograd")
    _LIBRARY.impl(name, meta, "Meta")
    op = edge_op(name)
    REFERENCES[op] = reference
    vulkan_supported_ops[op] = OpFeatures(
        inputs_storage=[
            ANY_STORAGE_INCL_PACKED_INT8 if argument.name in runtime_tensors else NO_STORAGE
            for argument in op._schema.arguments
        ],
        outputs_storage=[ANY_STORAGE_INCL_PACKED_INT8],
        supports_resize=True,
        supports_highdim=True,
        supports_prepacking=True,
    )
    return op


def adopt(
    name: str, reference: Callable[..., torch.Tensor], meta: Callable[..., torch.Tensor]
) -> Any:
    """Give an op of the stock library our exact meaning; returns the edge op.

    Its stock implementation stands in for its own shape function and fails on dynamic shapes.
    """
    _LIBRARY.impl(name, meta, "Meta")
    op = edge_op(name)
    REFERENCES[op] = reference
    return op


def edge_op(name: str, namespace: str = "et_vk") -> Any:
    """`namespace`.`name`, with an overload or the default one, in the edge dialect."""
    packet, _, overload = name.partition(".")
    return getattr(getattr(getattr(exir_ops.edge, namespace), packet), overload or "default")
