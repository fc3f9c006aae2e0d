"""Every model case as a .pte on the Vulkan delegate, against PyTorch's quantized graph."""

from __future__ import annotations

import pytest
import torch
from executorch.exir.dialects._ops import ops as exir_ops

from model_cases import CASES, Lowered, ModelCase, quantize_and_lower
from programs import load, pte_bytes

DEQUANTIZE = torch.ops.quantized_decomposed.dequantize_per_tensor.default


def output_steps(lowered: Lowered) -> list[float | None]:
    """The real value of one quantization step of each output; None where an output is float."""
    steps: list[float | None] = []
    for node in lowered.exported.graph_module.graph.output_node().args[0]:
        while node.target in (torch.ops.aten.view.default, torch.ops.aten.squeeze.dim):
            node = node.args[0]
        steps.append(node.args[1] if node.target == DEQUANTIZE else None)
    return steps


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


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
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


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.dynamic_shapes], ids=lambda c: c.name)
def test_dynamic_equals_static(case: ModelCase) -> None:
    """A dynamic program gives the bytes of the fused graph traced for exactly that shape."""
    lowered = quantize_and_lower(case)
    method = load(pte_bytes(case.name))
    for shape in case.other_shapes:
        inputs = case.inputs(shape, seed=3)
        first = [output.clone() for output in method.execute(list(inputs))]
        again = load(pte_bytes(case.name)).execute(list(inputs))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert lowered.partitioner.rejections is not None


def test_nothing_between_layers() -> None:
    """The three layers of the MLP are one delegate call with no op left on the CPU."""
    graph = quantize_and_lower(CASES["mlp"]).program.exported_program().graph
    calls = [node for node in graph.nodes if node.op == "call_function"]
    delegates = [n for n in calls if n.target == torch.ops.higher_order.executorch_call_delegate]
    assert len(delegates) == 1
    assert not [n for n in calls if n.target == exir_ops.edge.aten.addmm.default]
