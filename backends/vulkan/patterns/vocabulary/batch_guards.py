"""Dynamic batches of convolutions keep their upper bounds.

A convolution of fake tensors asks which CPU kernel it would be, as where `to_executorch()` runs a
delegate's graph once more. On some machines and for some windows that compares the batch with 16,
and from then on 15 is taken for the bound where the example's batch was less. So the answer is
given beforehand: a comparison that is known makes no guard. Nothing else asks this.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.fx import Node

from .edge_ops import CONVOLUTION, tensor_of

_FEWEST = 16  # images for which PyTorch takes some of its CPU kernels


def keep_batches(nodes: Iterable[Node]) -> None:
    """Let no fake run of the convolutions among `nodes` narrow their batch.

    A partitioner may not change the graph, so these are told what their results have.
    """
    for node in nodes:
        if node.target == CONVOLUTION:
            keep_batch(node)


def keep_batch(node: Node) -> None:
    """Let no fake convolution of the node's tensor, or that gives it, narrow its batch."""
    tensor = tensor_of(node)
    batch = tensor.shape[0] if tensor is not None else None
    if isinstance(batch, torch.SymInt) and not batch.node.expr.is_number:
        env, expr = batch.node.shape_env, batch.node.expr
        env.axioms.update(env.get_implications(env.simplify(expr < _FEWEST)))
