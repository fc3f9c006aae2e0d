"""What a lowering prints: nothing by default, the stock lines at debug level of our logger."""

from __future__ import annotations

import subprocess
import sys

import pytest

from linear_fixture import SUPPORT

PROGRAM = """
import logging, sys, warnings
warnings.simplefilter("ignore")
{before}
import torch
import executorch_vulkan
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from quantized_graphs import Grid, Layer, QuantizedWeight

{after}
layer = torch.nn.Sequential(Layer(weight=QuantizedWeight(8, 8)), torch.nn.Softmax(-1)).eval()
exported = torch.export.export(layer, (torch.zeros(4, 8),))
print("[begin]" + logging.getLevelName(logging.root.level), end="")
sys.stdout.flush()
program = to_edge_transform_and_lower(
    exported,
    partitioner=[executorch_vulkan.VulkanPartitioner()],
    compile_config=EdgeCompileConfig(_check_ir_validity=False),
)
program.to_executorch()
print("[end]")
"""


def printed(before: str, after: str = "") -> str:
    """All of stdout and stderr while a program is lowered, and in front the root logger's level."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before, after=after)],
        cwd=SUPPORT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return run.stdout.split("[begin]")[1].split("[end]")[0]


@pytest.mark.parametrize(
    ("before", "level"),
    [
        ("", "WARNING"),
        ("logging.basicConfig(level=logging.INFO)", "INFO"),
    ],
    ids=["default", "info"],
)
def test_nothing_is_printed(before: str, level: str) -> None:
    assert printed(before) == level


def test_debug_level_has_it() -> None:
    lines = printed(
        "logging.basicConfig(format='%(name)s %(levelname)s %(message)s')",
        "logging.getLogger('executorch_vulkan').setLevel(logging.DEBUG)",
    )
    stock = "executorch_vulkan.stock DEBUG"
    assert f"{stock} Operators included in this Vulkan partition" in lines
    assert f"{stock}     et_vk.q8ta_linear.default" in lines
    assert " INFO " not in lines
