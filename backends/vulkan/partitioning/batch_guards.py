"""Dynamic batches of delegated convolutions keep their upper bounds.

`to_executorch()` runs a delegate's graph on fake tensors once more, where PyTorch's fake
convolution asks which CPU kernel it would be. On some machines and for some windows that compares
the batch with 16, and from then on ExecuTorch takes 15 for the bound where the example's batch was
less. A partitioner may not change the graph, so the answer is given beforehand: a comparison that
is known makes no guard. Nothing but the fake convolution asks this.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import CONVOLUTION, tensor_of

_FEWEST = 16  # images for which PyTorch takes some of its CPU kernels


def keep_batches(nodes: Iterable[Node]) -> None:
    """Let no fake run of the convolutions among `nodes` narrow their batch."""
    for node in nodes:
        tensor = tensor_of(node) if node.target == CONVOLUTION else None
        batch = tensor.shape[0] if tensor is not None else None
        if isinstance(batch, torch.SymInt) and not batch.node.expr.is_number:
            env, expr = batch.node.shape_env, batch.node.expr
            env.axioms.update(env.get_implications(env.simplify(expr < _FEWEST)))
