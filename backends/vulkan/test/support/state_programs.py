"""Programs that keep state between calls: lowered, run again and again, and compared."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from executorch.exir import EdgeProgramManager, ExecutorchBackendConfig, to_edge_transform_and_lower
from executorch.exir.passes import MemoryPlanningPass
from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass
from executorch.runtime import Runtime
from torch import nn

from executorch_vulkan import VulkanPartitioner

Methods = dict[str, tuple[nn.Module, Sequence[torch.Tensor]]]


def exported_methods(methods: Methods, dynamic_shapes: Any = None) -> dict[str, Any]:
    with torch.no_grad():  # or ExecuTorch takes buffers for leaves that need gradients
        return {
            name: torch.export.export(module, tuple(inputs), dynamic_shapes=dynamic_shapes)
            for name, (module, inputs) in methods.items()
        }


def lowered_with_state(
    methods: Methods, dynamic_shapes: Any = None, **partitioner: Any
) -> EdgeProgramManager:
    return to_edge_transform_and_lower(
        exported_methods(methods, dynamic_shapes), partitioner=[VulkanPartitioner(**partitioner)]
    )


def kept_by_executorch(program: EdgeProgramManager, method: str = "forward") -> set[str]:
    """Names of the buffers that the method writes outside of its delegates."""
    return set(program.exported_program(method).graph_signature.buffers_to_mutate.values())


def pte_of(program: EdgeProgramManager, *modules: nn.Module, shared: bool = False) -> bytes:
    """The program, whose buffers start with the values that they have in the modules."""
    names = [name for module in modules for name, _ in module.named_buffers()]
    planning = MemoryPlanningPass(share_mutable_buffers=True) if shared else MemoryPlanningPass()
    config = ExecutorchBackendConfig(
        passes=[InitializedMutableBufferPass(names)], memory_planning_pass=planning
    )
    return bytes(program.to_executorch(config).buffer)


def check_calls(
    pte: bytes,
    module: nn.Module,
    calls: Sequence[Sequence[torch.Tensor]],
    method_name: str = "forward",
) -> None:
    """Every call's results are those of a copy of the module, which keeps its state."""
    for _ in range(2):  # a program that is loaded anew starts anew
        method = Runtime.get().load_program(pte).load_method(method_name)
        eager = copy.deepcopy(module)
        for inputs in calls:
            with torch.no_grad():
                wanted = eager(*inputs)
            for actual, expected in zip(
                method.execute(list(inputs)),
                wanted if isinstance(wanted, tuple) else [wanted],
                strict=True,
            ):
                assert actual.dtype == expected.dtype
                torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)
