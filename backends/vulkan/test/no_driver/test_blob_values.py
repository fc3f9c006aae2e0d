"""Every kind of value that ExecuTorch's serializer writes arrives in the runtime as it was."""

from __future__ import annotations

import math

from executorch.backends.vulkan.serialization import vulkan_graph_schema as schema
from executorch.backends.vulkan.serialization.vulkan_graph_builder import VkGraphBuilder
from executorch.backends.vulkan.serialization.vulkan_graph_serialize import serialize_vulkan_graph

from linear_fixture import OpError, library


def read(values: list[schema.VkValue]) -> list[str]:
    """The runtime's description of these values, after the serializer."""
    graph = schema.VkGraph(
        version="0",
        chain=[],
        values=values,
        input_ids=[],
        output_ids=[],
        constants=[],
        shaders=[],
        storage_type_override=schema.VkStorageType.DEFAULT_STORAGE,
        memory_layout_override=schema.VkMemoryLayout.DEFAULT_LAYOUT,
    )
    blob = serialize_vulkan_graph(graph, [], [])
    text = library().etvk_test_blob_values(blob, len(blob))
    if text is None:
        raise OpError(library().etvk_test_error().decode())
    return text.decode().splitlines()


def builder() -> VkGraphBuilder:
    """One that has no program: for values only."""
    made = object.__new__(VkGraphBuilder)
    made.values = []
    made.const_scalar_to_value_ids = {}
    return made


def test_scalars() -> None:
    made = builder()
    scalars = [2, 0.25, True, False, None, "leaky_relu", math.inf, -math.inf, 2**63 - 1, -(2**63)]
    ids = [made.get_or_create_value_for(scalar) for scalar in scalars]
    ids.append(made.create_symint_value())
    values = read(made.values)
    assert [values[i] for i in ids] == [
        *("int 2", "double 0.25", "bool true", "bool false", "null", "string leaky_relu"),
        *("double inf", "double -inf", f"int {2**63 - 1}", f"int {-(2**63)}", "symint"),
    ]


def test_equal_numbers_share_a_value_but_not_with_booleans() -> None:
    made = builder()
    ids = [made.get_or_create_value_for(scalar) for scalar in (1.0, 1, True, 0, 0.0, False)]
    values = read(made.values)
    assert [values[i] for i in ids] == [
        *("double 1", "double 1", "bool true", "int 0", "int 0", "bool false")
    ]


def test_lists() -> None:
    made = builder()
    lists = [[3, -1, 2], [0.5, 1.5], []]
    ids = [made.get_or_create_value_for(one) for one in lists]
    values = read(made.values)
    assert [values[i] for i in ids] == ["ints 3 -1 2", "doubles 0.5 1.5", "ints"]
    # Beside an empty list the serializer leaves two that no one names, one of them of booleans.
    assert len(values) == len(lists) + 2


def test_value_lists_and_tensors() -> None:
    tensor = schema.VkTensor(
        datatype=schema.VkDataType.INT8, dims=[2, 3], constant_id=-1, mem_obj_id=-1
    )
    values = [
        schema.VkValue(tensor),
        schema.VkValue(schema.SymInt(0)),
        schema.VkValue(schema.ValueList([0, 0])),
        schema.VkValue(schema.ValueList([1])),
    ]
    assert read(values) == ["tensor int8 2 3", "symint", "values 0 0", "values 1"]
