"""Damaged delegate blobs end in a result or an Error, never in the end of the process."""

from __future__ import annotations

import random
import struct
from collections import Counter

import pytest
import torch
from executorch.backends.vulkan.serialization.vulkan_graph_schema import (
    Double,
    Int,
    IntList,
    VkGraph,
    VkTensor,
)
from executorch.backends.vulkan.serialization.vulkan_graph_serialize import (
    convert_to_flatbuffer,
    flatbuffer_to_vk_graph,
)

from model_cases import CASES
from programs import load, pte_bytes

BLOB_CASES = ("mlp", "flatten_between", "float_output", "dynamic_3d")
BYTE_MUTATIONS = 4000  # over all cases
GRAPH_MUTATIONS = 400


def find_blob(pte: bytes) -> tuple[int, int, int]:
    """Where the first delegate blob starts, and where its flatbuffer starts and ends."""
    start = pte.index(b"VH00") - 4
    offset, size = struct.unpack_from("<II", pte, start + 10)
    return start, start + offset, start + offset + size


def outcome(pte: bytes, inputs: tuple[torch.Tensor, ...]) -> str:
    try:
        load(pte).execute(list(inputs))
    except RuntimeError as error:
        return "error " + str(error)[-4:]
    return "result"


@pytest.mark.parametrize("case_name", BLOB_CASES)
def test_random_bytes(case_name: str) -> None:
    pte = pte_bytes(case_name)
    inputs = CASES[case_name].inputs()
    start, _, end = find_blob(pte)
    rng = random.Random(case_name)
    outcomes: Counter[str] = Counter()
    for _ in range(BYTE_MUTATIONS // len(BLOB_CASES)):
        damaged = bytearray(pte)
        for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
            position = rng.randrange(start, end)
            damaged[position] = rng.choice(
                [rng.randrange(256), damaged[position] ^ (1 << rng.randrange(8)), 0, 127, 128, 255]
            )
        outcomes[outcome(bytes(damaged), inputs)] += 1
    # Both kinds must occur, or the mutations miss the blob or hit nothing but its checks.
    assert outcomes["result"] > 0 and len(outcomes) > 1, outcomes


@pytest.mark.parametrize("case_name", BLOB_CASES[:1])
def test_truncations(case_name: str) -> None:
    """The blob cut at every third byte: what follows is zeros, or its header says it is short."""
    pte = pte_bytes(case_name)
    inputs = CASES[case_name].inputs()
    start, graph_start, end = find_blob(pte)
    for length in range(0, end - start, 3):
        outcome(pte[: start + length] + bytes(end - start - length) + pte[end:], inputs)
        shorter = bytearray(pte)
        struct.pack_into("<I", shorter, start + 14, max(0, start + length - graph_start))
        is_error = outcome(bytes(shorter), inputs).startswith("error")
        assert is_error or end - start - length <= 8, length  # its last bytes are padding


def mutate_graph(graph: VkGraph, rng: random.Random) -> None:
    """Change one field to something that is well-formed and probably wrong."""
    odd_integers = [-(2**31), -129, -1, 0, 1, 2, 3, 7, 127, 128, 255, 65537, 2**31 - 1]
    kind = rng.randrange(6)
    if kind == 0:
        call = rng.choice(graph.chain)
        call.args[rng.randrange(len(call.args))] = rng.choice(
            [*range(len(graph.values)), -1, len(graph.values)]
        )
    elif kind == 1:
        tensors = [v.value for v in graph.values if isinstance(v.value, VkTensor)]
        tensor = rng.choice(tensors)
        dims = list(tensor.dims)
        change = rng.randrange(4)
        if change == 0 and dims:
            dims[rng.randrange(len(dims))] = rng.choice([0, 1, 2, 3, 5, 64, 65, 4096, 2**31])
        elif change == 1:
            dims.append(1)
        elif change == 2:
            dims = dims[:-1]
        else:
            tensor.constant_id = rng.randrange(-1, len(graph.constants) + 1)
        tensor.dims = dims
    elif kind == 2:
        values = [v.value for v in graph.values if isinstance(v.value, Int)]
        if values:
            rng.choice(values).int_val = rng.choice(odd_integers)
    elif kind == 3:
        values = [v.value for v in graph.values if isinstance(v.value, Double)]
        rng.choice(values).double_val = rng.choice([0.0, -1.0, 1e-45, 1e-38, 1e38, 1e300, 0.5])
    elif kind == 4:
        lists = [v.value for v in graph.values if isinstance(v.value, IntList) and v.value.items]
        if lists:
            items = rng.choice(lists).items
            items[rng.randrange(len(items))] = rng.choice(odd_integers)
    else:
        chain = graph.chain
        rng.choice(
            [lambda: chain.pop(), lambda: rng.shuffle(chain), lambda: chain.append(chain[0])]
        )()


@pytest.mark.parametrize("case_name", BLOB_CASES)
def test_well_formed_graphs_that_are_wrong(case_name: str) -> None:
    """Mutates the decoded graph, so that the flatbuffer's own checks do not stop it."""
    pte = pte_bytes(case_name)
    inputs = CASES[case_name].inputs()
    start, graph_start, graph_end = find_blob(pte)
    original = pte[graph_start:graph_end]
    rng = random.Random(case_name)
    outcomes: Counter[str] = Counter()
    for _ in range(GRAPH_MUTATIONS // len(BLOB_CASES)):
        graph = flatbuffer_to_vk_graph(original)
        mutate_graph(graph, rng)
        encoded = convert_to_flatbuffer(graph)
        if len(encoded) > graph_end - graph_start:
            continue  # would need the whole .pte laid out again
        damaged = bytearray(pte)
        damaged[graph_start : graph_start + len(encoded)] = encoded
        struct.pack_into("<I", damaged, start + 14, len(encoded))
        outcomes[outcome(bytes(damaged), inputs)] += 1
    assert sum(outcomes.values()) > 50 and len(outcomes) > 1, outcomes
