"""Models drawn at random run in one delegate, in int8 throughout, and like PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from hypothesis import HealthCheck, given, settings
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import Delegate, TensorValue, read_delegates
from model_cases import DEQUANTIZE, KEPT_DEQUANTIZE, QUANTIZE, quantized_module
from programs import load
from random_models import RandomModel, random_models

# Ops that may stand between a program's input or output and its quantize or dequantize.
MOVES = {
    "aten.view_copy.default",
    "aten.squeeze_copy.dims",
    "aten.unsqueeze_copy.default",
    "aten.permute_copy.default",
    "aten.slice_copy.Tensor",
    "aten.select_copy.int",
    "et_vk.fixed_view.default",
}


def seeded(examples: int) -> Callable[[Any], Any]:
    """The same models in every run."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def tensors(values: Any) -> list[TensorValue]:
    return [one for one in values if isinstance(one, TensorValue)]


def check_is_int8_throughout(delegate: Delegate) -> None:
    """float32 is only where the program's inputs and outputs are."""
    from_inputs = {value.id for value in tensors(delegate.inputs)}
    for op in delegate.chain:
        if op.name in MOVES and op.args[0].id in from_inputs:
            from_inputs.add(op.args[-1].id)
        assert op.name != QUANTIZE or op.args[0].id in from_inputs, delegate.op_names
    to_outputs = {value.id for value in tensors(delegate.outputs)}
    for op in reversed(delegate.chain):
        if op.name in MOVES and op.args[-1].id in to_outputs:
            to_outputs.add(op.args[0].id)
        if op.name in (DEQUANTIZE, KEPT_DEQUANTIZE):
            assert op.args[-1].id in to_outputs, delegate.op_names


def output_step(exported: torch.export.ExportedProgram) -> float | None:
    """The last dequantize's scale where the output is quantized, else None."""
    node = exported.graph_module.graph.output_node().args[0][0]
    moves = ("view", "reshape", "permute", "slice", "select", "squeeze", "unsqueeze", "clone")
    while "dequantize" not in str(node.target) and any(m in str(node.target) for m in moves):
        node = node.args[0]
    return float(node.args[1]) if "dequantize_per_tensor" in str(node.target) else None


def check(model: RandomModel) -> None:
    inputs = model.inputs(model.batches[0], 0)
    dims = ({0: Dim("batch", min=1, max=16)},) if len(model.batches) > 1 else None
    quantized = quantized_module(model.module(), inputs, dims)
    exported = torch.export.export(quantized, inputs, dynamic_shapes=dims)
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])

    left_out = explain(program).left_out
    assert not left_out, "\n".join(f"{row.op}: {row.reason}" for row in left_out)
    delegates = read_delegates(program)
    assert len(delegates) == 1
    calls = [n for n in program.exported_program().graph.nodes if n.op == "call_function"]
    outside = {str(getattr(node.target, "__name__", node.target)) for node in calls}
    assert outside <= {"executorch_call_delegate", "getitem"}
    check_is_int8_throughout(delegates[0])

    pte = bytes(program.to_executorch().buffer)
    method = load(pte)
    step = output_step(exported)
    count = differing = 0
    for seed, batch in enumerate((*model.batches, *model.batches[:1])):
        x = model.inputs(batch, 10 + seed)
        [result], expected = method.execute(list(x)), quantized(*x)
        assert result.shape == expected.shape and result.dtype == expected.dtype
        difference = (result - expected).abs()
        rounding = 1e-5 * max(1.0, float(expected.abs().max()))
        # Behind a last activation there is no step of its own; its input's is no larger.
        limit = step if step is not None else float("inf")
        assert float(difference.max()) <= limit * 1.001 + rounding
        count += difference.numel()
        differing += int((difference > rounding).sum())
    share = 0.01 if model.is_transcendental else 0.005
    assert differing <= max(1, share * count), f"{differing} of {count} differ"


@seeded(4)
@given(model=random_models(dynamic=False))
def test_static(model: RandomModel) -> None:
    check(model)


@pytest.mark.all
@seeded(56)
@given(model=random_models(dynamic=False))
def test_more_static(model: RandomModel) -> None:
    check(model)


@seeded(3)
@given(model=random_models(dynamic=True))
def test_dynamic_batch(model: RandomModel) -> None:
    check(model)


@pytest.mark.all
@seeded(42)
@given(model=random_models(dynamic=True))
def test_more_dynamic_batches(model: RandomModel) -> None:
    check(model)
