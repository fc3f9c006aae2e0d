"""The operators of ExecuTorch's backend test suite, as float programs with our partitioner.

Each of their tests lowers some models, runs them and compares with PyTorch. Here each program must
be one Vulkan delegate with nothing beside it, where it is not named below with the reason.
"""

from __future__ import annotations

import itertools
import operator
from typing import Any

import pytest
import torch

from executorch_vulkan import VulkanPartitioner

flows = pytest.importorskip("executorch.backends.test.suite.flow")
harness = pytest.importorskip("executorch.backends.test.harness")
stages = pytest.importorskip("executorch.backends.test.harness.stages")
vulkan = pytest.importorskip("executorch.backends.vulkan.test.tester")
suite = pytest.importorskip("backend_suite")

COMPUTING = (
    *("argmax", "argmin", "embedding", "index_select", "masked_fill"),
    *("abs", "add", "amax", "amin", "ceil", "clamp", "div", "elu", "exp", "floor", "floor_divide"),
    *("gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log", "log10", "log1p"),
    *("log2", "logsigmoid", "mean", "mul", "neg", "pow", "prelu", "relu", "round", "rsqrt"),
    *("sigmoid", "silu", "sqrt", "square", "sub", "tanh", "threshold", "trunc"),
    *("adaptive_avgpool3d", "avgpool3d", "maxpool3d", "median"),
)
# A program of these alone computes nothing, so it need not be a delegate.
MOVING = (
    *("cat", "expand", "permute", "reshape", "select", "slice", "split", "squeeze", "stack"),
    *("transpose", "unsqueeze", "view"),
)
# Models of these tests stay on the CPU, or parts of them.
NOT_WHOLE = {
    "test_mean_output_dtype": "means of int64, and in float64",
}


class AsTuple(torch.nn.Module):
    """A model as a tuple: ExecuTorch emits no program that returns torch.return_types."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.model(*inputs))


def lower() -> Any:
    return vulkan.ToEdgeTransformAndLower([VulkanPartitioner()])


def make_tester(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], **kwargs: Any) -> Any:
    classes = harness.Tester.default_stage_classes()
    own = {stages.StageType.TO_EDGE_TRANSFORM_AND_LOWER: lower}
    return harness.Tester(module, inputs, classes | own, **kwargs)


class SuiteRunner:
    """What their tests take as `test_runner`; it asks the same of a program as theirs.

    Attributes:
        whole: of each program, whether it is one delegate with nothing beside it.
    """

    _flow = flows.TestFlow("executorch_vulkan", backend="vulkan", tester_factory=make_tester)

    def __init__(self) -> None:
        self.whole: list[bool] = []

    def lower_and_run_model(
        self,
        model: torch.nn.Module,
        inputs: Any,
        generate_random_test_inputs: bool = True,
        dynamic_shapes: Any = None,
    ) -> None:
        if type(model(*inputs)) in torch.return_types.all_return_types:
            model = AsTuple(model)
        tester = self._flow.tester_factory(model, inputs)
        export = stages.StageType.EXPORT
        tester.export(tester._get_default_stage(export, dynamic_shapes=dynamic_shapes))
        tester.to_edge_transform_and_lower()
        graph = tester.get_artifact().exported_program().graph
        called = [node.target for node in graph.nodes if node.op == "call_function"]
        ops = [target for target in called if target is not operator.getitem]
        self.whole.append(ops == [torch.ops.higher_order.executorch_call_delegate])
        tester.to_executorch().serialize()
        chosen = None if generate_random_test_inputs else inputs
        tester.run_method_and_compare_outputs(inputs=chosen, atol=1e-5, rtol=1e-5)


def check_whole(name: str, tests: int | None) -> None:
    found = list(itertools.islice(suite.run_tests(name, SuiteRunner), tests))
    assert found
    for test, runner in found:
        whole = runner.whole
        assert whole and all(whole) == (test not in NOT_WHOLE), (test, whole)


@pytest.mark.parametrize("name", COMPUTING)
def test_the_first_is_whole_on_vulkan(name: str) -> None:
    check_whole(name, 1)


@pytest.mark.all
@pytest.mark.parametrize("name", COMPUTING)
def test_all_are_whole_on_vulkan(name: str) -> None:
    check_whole(name, None)


@pytest.mark.all
@pytest.mark.parametrize("name", MOVING)
def test_gives_the_same(name: str) -> None:
    assert list(suite.run_tests(name, SuiteRunner))
