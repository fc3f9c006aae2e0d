"""Every model case: what it lowers to, and that the delegates mean what PT2E meant."""

from __future__ import annotations

import pytest

from blob_interpreter import run_lowered
from executorch_vulkan.program import read_delegates
from model_cases import ModelCase, each_case, output_steps, quantize_and_lower


@each_case()
def test_delegates(case: ModelCase) -> None:
    lowered = quantize_and_lower(case)
    assert tuple(d.op_names for d in read_delegates(lowered.program)) == case.chains


@each_case()
def test_cpu_ops(case: ModelCase) -> None:
    if not case.chains:
        pytest.skip("nothing is delegated")
    graph = quantize_and_lower(case).program.exported_program().graph
    names = {
        str(getattr(node.target, "__name__", node.target))
        for node in graph.nodes
        if node.op == "call_function"
    }
    assert names - {"executorch_call_delegate", "getitem"} == case.cpu_ops


@each_case()
def test_close_to_pt2e(case: ModelCase) -> None:
    lowered = quantize_and_lower(case)
    for shapes in (case.input_shapes, *case.other_shapes):
        inputs = case.inputs(shapes, seed=7)
        expected = lowered.quantized(*inputs)
        expected = expected if isinstance(expected, (tuple, list)) else (expected,)
        results = run_lowered(lowered.program, inputs)
        # A float output differs by rounding, or where its int8 input is one step off.
        steps = [0.02 if step is None else step for step in output_steps(lowered)]
        for result, wanted, step in zip(results, expected, steps, strict=True):
            assert result.shape == wanted.shape and result.dtype == wanted.dtype
            difference = (result - wanted).abs()
            # Results of a few hundred elements: one element may be off, never by more than a step.
            assert int((difference > step / 2).sum()) <= max(1, 0.005 * difference.numel())
            assert float(difference.max()) <= step * 1.001
