"""Modules that must be one delegate and nothing else: lowered, run, and compared with PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from executorch.exir import EdgeCompileConfig, EdgeProgramManager, to_edge_transform_and_lower
from torch import nn

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.program import read_delegates
from programs import load
from quantized_graphs import Grid, Layer, QuantizedWeight

Inputs = Sequence[torch.Tensor]

RELATIVE = 1e-5


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any], **buffers: torch.Tensor) -> None:
        super().__init__()
        self.function = function
        self.names = tuple(f"own_{name}" for name in buffers)
        for name, value in zip(self.names, buffers.values(), strict=True):
            self.register_buffer(name, value)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs, *(getattr(self, name) for name in self.names))


class AllOf(nn.Module):
    """What each of several functions and modules gives for the same inputs, in a flat list."""

    def __init__(self, calls: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self.calls = dict(calls)
        self.own = nn.ModuleList(one for one in calls.values() if isinstance(one, nn.Module))

    def forward(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        return [result for call in self.calls.values() for result in listed(call(*inputs))]


def lowered(
    module: nn.Module, inputs: Inputs, dynamic_shapes: Any = None, validity: bool = False
) -> EdgeProgramManager:
    """`validity`: ExecuTorch refuses ops that it does not know where they stay in the program."""
    exported = torch.export.export(module.eval(), tuple(inputs), dynamic_shapes=dynamic_shapes)
    return to_edge_transform_and_lower(
        exported,
        partitioner=[VulkanPartitioner()],
        compile_config=EdgeCompileConfig(_check_ir_validity=validity),
    )


def whole(program: EdgeProgramManager) -> EdgeProgramManager:
    """The program, which must be one delegate call and nothing else."""
    calls = program.exported_program().graph.find_nodes(
        op="call_function", target=torch.ops.higher_order.executorch_call_delegate
    )
    others = [
        node.name
        for node in program.exported_program().graph.nodes
        if node.op == "call_function" and node not in calls and "getitem" not in node.name
    ]
    assert len(calls) == 1 and not others, others
    return program


def pte_of(program: EdgeProgramManager) -> bytes:
    """The program's bytes, which must live as long as what is loaded of them."""
    return bytes(program.to_executorch().buffer)


def listed(results: Any) -> list[torch.Tensor]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


def check_close(actual: torch.Tensor, wanted: torch.Tensor, name: str = "") -> None:
    """As the contract says, for a float64 `wanted`; NaN and infinities where it has them."""
    assert actual.shape == wanted.shape, name
    if wanted.dtype == torch.bool:
        assert torch.equal(actual, wanted), name
        return
    assert actual.dtype == torch.float32
    rounded = wanted.float()
    finite = rounded.isfinite()
    assert torch.equal(actual.isnan(), rounded.isnan()), (name, actual, wanted)
    infinite = rounded.isinf()
    assert torch.equal(actual[infinite], rounded[infinite]), (name, actual, wanted)
    largest = torch.where(finite, rounded.abs(), 0.0)
    largest = largest.amax(-1, keepdim=True) if largest.dim() else largest
    error = torch.where(finite, (actual.double() - wanted).abs(), 0.0)
    assert bool((error <= RELATIVE * largest.clamp(min=1e-30)).all()), (name, actual, wanted)


def check(
    module: nn.Module, *sets: Inputs, dynamic_shapes: Any = None, names: Sequence[str] = ()
) -> tuple[str, ...]:
    """Lower the module for the first inputs, and run it on all; the ops of its delegate."""
    program = whole(lowered(module, sets[0], dynamic_shapes))
    [delegate] = read_delegates(program)
    pte = pte_of(program)
    method = load(pte)
    module = copy.deepcopy(module).double()
    for inputs in (*sets, sets[0]):
        precise = (one.double() if one.is_floating_point() else one for one in inputs)
        wanted = listed(module(*precise))
        results = [result.clone() for result in method.execute(list(inputs))]
        labels = names or [str(index) for index in range(len(wanted))]
        for name, actual, expected in zip(labels, results, wanted, strict=True):
            check_close(actual, expected, name)
    return delegate.op_names


class Together:
    """Calls on the same inputs, lowered as one program and run once: a test then looks at one."""

    def __init__(
        self,
        calls: Mapping[str, Callable[..., Any]],
        *sets: Inputs,
        dynamic_shapes: Any = None,
        validity: bool = False,
    ) -> None:
        self._all = AllOf(calls).eval()
        self._sets = (*sets, sets[0])
        method = load(pte := pte_of(whole(lowered(self._all, sets[0], dynamic_shapes, validity))))
        self._results = [
            [result.clone() for result in method.execute(list(inputs))] for inputs in self._sets
        ]
        del pte

    def _of(self, name: str, reference: AllOf) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """For each of the inputs, the results of one call and what they must be."""
        before = list(reference.calls)[: list(reference.calls).index(name)]
        double = reference is not self._all
        for inputs, results in zip(self._sets, self._results, strict=True):
            if double:
                inputs = [one.double() if one.is_floating_point() else one for one in inputs]
            first = sum(len(listed(reference.calls[one](*inputs))) for one in before)
            wanted = listed(reference.calls[name](*inputs))
            yield from zip(results[first : first + len(wanted)], wanted, strict=True)

    def check(self, name: str) -> None:
        for actual, wanted in self._of(name, copy.deepcopy(self._all).double()):
            check_close(actual, wanted, name)

    def exact(self, name: str) -> None:
        for actual, wanted in self._of(name, self._all):
            assert actual.dtype == wanted.dtype
            assert torch.equal(actual, wanted), name


def int8_ops(module: nn.Module, x: torch.Tensor, *grids: Grid | None) -> list[str]:
    """The ops of one delegate, whose results are on these grids and right: a step at most."""
    program = whole(lowered(module, [x]))
    method = load(pte := pte_of(program))
    for actual, wanted, grid in zip(method.execute([x]), listed(module(x)), grids, strict=True):
        if grid is None:
            check_close(actual, wanted.double())
            continue
        steps = ((actual - wanted) / grid.scale).abs().round()
        assert int(steps.max()) <= 1 and int(steps.sum()) <= 1
    del pte
    [delegate] = read_delegates(program)
    return [name.split(".")[1] for name in delegate.op_names]


def drawn(
    shape: Sequence[int], low: float = -3.0, high: float = 3.0, seed: int = 0
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(tuple(shape), generator=generator) * (high - low) + low


def exact(
    module: nn.Module,
    *sets: list[torch.Tensor],
    dynamic_shapes: Any = None,
    equal_nan: bool = False,
) -> None:
    """One delegate, whose results for each of the inputs are PyTorch's, dtypes too."""
    method = load(pte := pte_of(whole(lowered(module, sets[0], dynamic_shapes))))
    for inputs in (*sets, sets[0]):
        for actual, wanted in zip(method.execute(inputs), module(*inputs), strict=True):
            assert actual.dtype == wanted.dtype
            assert torch.allclose(actual, wanted, 0.0, 0.0, equal_nan)
    del pte


class Between(nn.Module):
    """Float arithmetic between two int8 layers."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first = Layer(weight=QuantizedWeight(8, 8))
        self.second = Layer(weight=QuantizedWeight(8, 8, seed=1))
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.function(self.first(x)))
