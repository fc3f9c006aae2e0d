"""A quantized network beside eager mode, step by step.

In deep networks a rounding that falls the other way moves all that is behind it: eager mode's own
CPU implementations are several steps apart, or agree, as the machine has it. So what each quantize
makes (of a dynamic one: what it reads) is compared with what eager mode makes of ours before it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from torch import fx

from executorch_vulkan import VulkanPartitioner
from programs import load
from whole_models import Inputs, listed, pte_of, whole

FLOAT = 1e-5  # of a tensor's largest element: what one op may be off by
SHARE = 200  # one int8 element in so many may differ, by one step


def _points(module: fx.GraphModule) -> list[fx.Node]:
    """The nodes at which both start anew."""
    points: dict[fx.Node, None] = {}
    for node in module.graph.nodes:
        name = str(getattr(node.target, "__name__", node.target))
        if name.startswith("quantize_per_tensor.default"):
            points[node] = None
        elif name.startswith("choose_qparams") and node.args[0].op == "call_function":
            points[node.args[0]] = None
    return list(points)


def _shown(module: fx.GraphModule) -> fx.GraphModule:
    """A copy that returns the values of its points behind its own results."""
    module = copy.deepcopy(module)
    output = module.graph.output_node()
    own = output.args[0]
    own = tuple(own) if isinstance(own, (tuple, list)) else (own,)
    output.args = ((*own, *_points(module)),)
    module.graph.set_codegen(fx.graph.CodeGen())  # PT2E's own packs the results that were
    module.recompile()
    return module


def _check_close(name: str, actual: torch.Tensor, wanted: torch.Tensor) -> None:
    assert actual.shape == wanted.shape and actual.dtype == wanted.dtype, name
    if wanted.numel() == 0:
        return
    if wanted.is_floating_point():
        largest = float(wanted.abs().max())
        assert float((actual - wanted).abs().max()) <= FLOAT * largest, name
        return
    apart = (actual.int() - wanted.int()).abs()
    differing = int((apart > 0).sum())
    assert int(apart.max()) <= 1, (name, int(apart.max()))
    assert differing <= 1 + apart.numel() // SHARE, (name, differing, apart.numel())


class _Eager(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, values: Sequence[torch.Tensor]) -> None:
        super().__init__(module)
        self.values = dict(zip(_points(module), values, strict=True))

    def run_node(self, n: fx.Node) -> Any:
        wanted = super().run_node(n)
        if n not in self.values:
            return wanted
        _check_close(n.name, self.values[n], wanted)
        return self.values[n]


@torch.no_grad()
def check_steps(
    module: torch.nn.Module, pte: bytes, sets: Sequence[Inputs], dynamic_shapes: Any
) -> None:
    """Run `pte`, `module` after PT2E, on each of `sets`, and a program that also shows its points
    (exported with the first of `sets`), which is right at each of them; both results are, too."""
    assert isinstance(module, fx.GraphModule)
    shown = torch.export.export(
        _shown(module), tuple(sets[0]), dynamic_shapes=dynamic_shapes, strict=False
    )
    program = to_edge_transform_and_lower(
        shown,
        partitioner=[VulkanPartitioner()],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),  # which takes long
    )
    shown_pte = pte_of(whole(program))
    shows, method = load(shown_pte), load(pte)
    for inputs in sets:
        outputs = [output.clone() for output in shows.execute(list(inputs))]
        count = len(outputs) - len(_points(module))
        wanted = listed(_Eager(module, outputs[count:]).run(*inputs))
        results = method.execute(list(inputs))
        assert len(results) == count == len(wanted)
        for i, result in enumerate(results):
            _check_close(f"result {i}", result, wanted[i])
            _check_close(f"shown result {i}", outputs[i], wanted[i])
