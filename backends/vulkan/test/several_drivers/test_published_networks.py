"""The networks of examples/networks.py in int8, on small images: one delegate each, and right.

The bytes of other kernels and drivers are the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, lru_cache
from pathlib import Path

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from drivers import on_driver
from executorch_vulkan import VulkanPartitioner
from model_cases import ModelCase, export_quantized
from networks import NETWORKS, random_network
from other_process import OtherProcess, other_process
from programs import run
from stepwise import check_steps
from whole_models import pte_of, whole

pytestmark = [pytest.mark.all, pytest.mark.long]

OTHERS = ("no_dot", "swiftshader")


def _shape(name: str) -> tuple[int, int, int]:
    channels, height, width = NETWORKS[name].shape
    return channels, min(height, 96), min(width, 96)


@lru_cache(maxsize=1)  # tests of a network follow each other
def lowered(name: str) -> tuple[ModelCase, nn.Module, bytes]:
    """The case, the quantized graph and the program; asserts that nothing of it is on the CPU."""
    shape = _shape(name)
    images = torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))

    dims = ({0: torch.export.Dim("batch", min=1, max=4)},)
    case = ModelCase(
        name, lambda: random_network(name, images), ((3, *shape),), (), dynamic_shapes=dims
    )
    module, exported = export_quantized(case)
    program = to_edge_transform_and_lower(
        copy.deepcopy(exported), partitioner=[VulkanPartitioner()]
    )
    return case, module, pte_of(whole(program))


@pytest.mark.parametrize("name", NETWORKS)
def test_is_one_delegate_and_as_eager(name: str) -> None:
    case, module, pte = lowered(name)
    sets = [case.inputs(((batch, *_shape(name)),), seed=11) for batch in (3, 1)]
    check_steps(module, pte, sets, case.dynamic_shapes)


@pytest.fixture(scope="module")
def process_of() -> Iterator[Callable[[str], OtherProcess]]:
    """One process for each of OTHERS, from its first network on."""
    with ExitStack() as processes:

        @cache
        def start(other: str) -> OtherProcess:
            environment = {"ETVK_DISABLE": "dot"} if other == "no_dot" else on_driver(other)[1]
            return processes.enter_context(other_process(environment))

        yield start


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_same_bytes(
    name: str, other: str, process_of: Callable[[str], OtherProcess], tmp_path: Path
) -> None:
    process = process_of(other)
    case, _, pte = lowered(name)
    inputs = case.inputs(((2, *_shape(name)),), seed=12)
    [expected] = run(pte, inputs)
    assert expected.unique().numel() > 3  # neither vanished nor one value
    [[actual], _] = process.run(pte, inputs, tmp_path)
    assert torch.equal(actual, expected)
