"""Every model case as a .pte on the Vulkan delegate, against PyTorch's quantized graph."""

from __future__ import annotations

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.exir.dialects._ops import ops as exir_ops

from executorch_vulkan import VulkanPartitioner
from model_cases import CASES, ModelCase, each_case, output_steps, quantize_and_lower
from programs import load, pte_bytes, run


def check_close(actual: torch.Tensor, eager: torch.Tensor, step: float | None) -> None:
    """At most one step apart, 99.5 % equal. For a float output a step is what one int8 step of
    the last layer's input can change; all but 0.5 % are within float32 rounding."""
    assert actual.shape == eager.shape and actual.dtype == eager.dtype
    if actual.numel() == 0:
        return
    difference = (actual - eager).abs()
    rounding = 1e-5 * float(eager.abs().max())
    assert float((difference <= rounding).float().mean()) >= 0.995
    assert float(difference.max()) <= (rounding + step if step is not None else 100 * rounding)


@each_case()
def test_matches_pytorch(case: ModelCase) -> None:
    lowered = quantize_and_lower(case)
    method = load(pte_bytes(case.name))
    steps = output_steps(lowered)
    # Small shapes, then large ones, then the first again: recording must follow every change.
    shapes = (case.input_shapes, *case.other_shapes, case.input_shapes)
    for seed, shape in enumerate(shapes):
        inputs = case.inputs(shape, seed=10 + seed)
        expected = lowered.quantized(*inputs)
        expected = expected if isinstance(expected, (tuple, list)) else (expected,)
        outputs = method.execute(list(inputs))
        assert len(outputs) == len(expected)
        for actual, eager, step in zip(outputs, expected, steps, strict=True):
            check_close(actual, eager, step)


# Each shape is a program more. All of them are compared with PyTorch above.
@pytest.mark.parametrize(
    "shapes",
    [slice(-1, None), pytest.param(slice(0, -1), marks=pytest.mark.all)],
    ids=["last", "others"],
)
@each_case(lambda case: bool(case.dynamic_shapes))
def test_dynamic_equals_static(case: ModelCase, shapes: slice) -> None:
    """A dynamic program gives the bytes of the program that is lowered for just that shape."""
    dynamic = load(pte_bytes(case.name))
    for shape in case.other_shapes[shapes]:
        inputs = case.inputs(shape, seed=3)
        exported = torch.export.export(quantize_and_lower(case).quantized, inputs)
        static = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
        expected = run(bytes(static.to_executorch().buffer), inputs)
        for actual, wanted in zip(dynamic.execute(list(inputs)), expected, strict=True):
            assert torch.equal(actual, wanted)


def test_nothing_between_layers() -> None:
    """The three layers of the MLP are one delegate call with no op left on the CPU."""
    graph = quantize_and_lower(CASES["mlp"]).program.exported_program().graph
    calls = [node for node in graph.nodes if node.op == "call_function"]
    delegates = [n for n in calls if n.target == torch.ops.higher_order.executorch_call_delegate]
    assert len(delegates) == 1
    assert not [n for n in calls if n.target == exir_ops.edge.aten.addmm.default]
