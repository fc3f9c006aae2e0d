"""A quantized graph's int8 values beside eager mode's, each made from ours before it.

A rounding near a tie may fall either way, and what follows tells the two apart: the results of deep
networks say little, on any machine. One quantize's values say much.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

SHARE = 200  # one element in so many may differ, by one step


def _quantizes(module: fx.GraphModule) -> list[fx.Node]:
    return list(
        module.graph.find_nodes(
            op="call_function", target=torch.ops.quantized_decomposed.quantize_per_tensor.default
        )
    )


def shown(module: fx.GraphModule) -> fx.GraphModule:
    """A copy that returns each of its int8 values behind its own results."""
    module = copy.deepcopy(module)
    output = module.graph.output_node()
    results = output.args[0]
    assert isinstance(results, (tuple, list))
    output.args = ((*results, *_quantizes(module)),)
    module.graph.set_codegen(fx.graph.CodeGen())  # PT2E's own packs the results that were
    module.recompile()
    return module


class _Eager(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, values: Sequence[torch.Tensor]) -> None:
        super().__init__(module)
        self.values = dict(zip(_quantizes(module), values, strict=True))

    def run_node(self, n: fx.Node) -> Any:
        wanted = super().run_node(n)
        if n not in self.values:
            return wanted
        value = self.values[n]
        apart = (value.int() - wanted.int()).abs()
        differing = int((apart > 0).sum())
        assert int(apart.max()) <= 1, (n.name, int(apart.max()))
        assert differing <= 1 + apart.numel() // SHARE, (n.name, differing, apart.numel())
        return value


def eager_results(
    module: fx.GraphModule, inputs: Sequence[torch.Tensor], values: Sequence[torch.Tensor]
) -> Any:
    """What eager mode makes of `values`, ours of `shown(module)`; asserts that each is right."""
    return _Eager(module, values).run(*inputs)
