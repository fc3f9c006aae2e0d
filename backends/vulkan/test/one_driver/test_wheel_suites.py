"""Tests of int8 linears that ExecuTorch ships for its own backends, with our partitioner.

Beside what they assert, each program must be one Vulkan delegate, and the values those of PT2E.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import read_delegates

vulkan = pytest.importorskip("executorch.backends.vulkan.test.test_vulkan_delegate")
xnnpack = pytest.importorskip("executorch.backends.xnnpack.test.ops.test_linear")
tester = pytest.importorskip("executorch.backends.xnnpack.test.tester.tester")

LINEARS = [
    name
    for name in dir(vulkan.TestVulkanBackend)
    if name.startswith("test_") and "xnnpack_pt2e" in name and "linear" in name
]


def check_values(result: torch.Tensor, expected: torch.Tensor, step: float) -> None:
    difference = (result - expected).abs()
    assert float(difference.max()) <= 1.001 * step
    assert int((difference > step / 2).sum()) <= 0.005 * difference.numel()


def test_there_are_such_linears() -> None:
    assert "test_vulkan_backend_xnnpack_pt2e_quantized_linear_sequence" in LINEARS


@pytest.mark.parametrize("name", LINEARS)
def test_vulkan_delegate(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The body of the test, which upstream's own runner skips for want of a driver that can."""
    made: dict[str, Any] = {}

    def keep(function: str) -> None:
        original = getattr(vulkan, function)

        def call(*args: Any, **kwargs: Any) -> Any:
            made[function] = original(*args, **kwargs)
            return made[function]

        monkeypatch.setattr(vulkan, function, call)

    keep("convert_pt2e")
    keep("to_edge_transform_and_lower")
    monkeypatch.setattr(vulkan, "VulkanPartitioner", VulkanPartitioner)
    suite = vulkan.TestVulkanBackend()
    compare = suite.run_delegated_model_and_check_output

    def compare_with_pt2e(
        program: Any, model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], **tolerance: Any
    ) -> None:
        compare(program, model, inputs, **tolerance)
        loaded = vulkan._load_for_executorch_from_buffer(program.buffer)
        [result] = loaded.run_method("forward", inputs)
        expected = made["convert_pt2e"](*inputs)
        check_values(result, expected, float(expected.unique().diff().min()))

    monkeypatch.setattr(suite, "run_delegated_model_and_check_output", compare_with_pt2e)
    torch.manual_seed(0)
    body = getattr(vulkan.TestVulkanBackend, name)
    getattr(body, "__wrapped__", body)(suite)
    lowered = made["to_edge_transform_and_lower"]
    assert not explain(lowered).left_out
    [delegate] = read_delegates(lowered)
    assert sum("q8ta_linear" in op for op in delegate.op_names) == 3


@pytest.mark.all
@pytest.mark.parametrize("name", ["test_qs8_linear", "test_qc8_linear"])
def test_xnnpack(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    class Tester(xnnpack.Tester):  # type: ignore[misc]
        @staticmethod
        def _compare_outputs(reference: Any, results: Any, step: float, *args: Any) -> None:
            nonlocal compared
            compared += 1
            [result] = results
            check_values(result, reference, step)

    monkeypatch.setattr(xnnpack, "Tester", Tester)
    monkeypatch.setattr(tester, "XnnpackPartitioner", VulkanPartitioner)
    torch.manual_seed(0)
    getattr(xnnpack.TestLinear(), name)()
    # With and without bias, 2-D and 3-D, three sizes, through to_backend and all at once.
    assert compared == 2 * 2 * 3 * 2
