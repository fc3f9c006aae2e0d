"""Read the Vulkan delegates of a lowered program: their op chains and constants.

Floats have 12 digits here, for flatc prints no more; the blobs hold float64.
"""

from __future__ import annotations

import importlib.resources
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executorch.backends.vulkan import serialization
from executorch.backends.vulkan.serialization.vulkan_graph_schema import (
    Null,
    String,
    SymInt,
    ValueList,
    VkGraph,
    VkTensor,
)
from executorch.backends.vulkan.serialization.vulkan_graph_serialize import (
    VulkanDelegateHeader,
    extract_vk_flatbuffer,
)
from executorch.backends.vulkan.vulkan_preprocess import VulkanBackend
from executorch.exir._serialize._dataclass import _json_to_dataclass
from executorch.exir._serialize._flatbuffer import _flatc_decompile
from executorch.exir.lowered_backend_module import LoweredBackendModule, get_lowered_submodules

_JSON = {"inf": "Infinity", "nan": "NaN"}
# The offset by which a blob says that a constant lies in the program's named data.
_IN_NAMED_DATA = 2**64 - 1


@dataclass(frozen=True)
class TensorValue:
    """A tensor of a delegate.

    Attributes:
        id: its value number, the same wherever this tensor is read or written.
        dtype: name in the blob, such as INT8.
        shape: sizes; upper bounds where they are dynamic.
        data: bytes of a constant, None for other tensors and where they are not at hand.
        constant_bytes: how many a constant has, 0 for other tensors.
        hints: storage type, memory layout and number of the memory object, which only the
            stock runtime looks at.
    """

    id: int
    dtype: str
    shape: tuple[int, ...]
    data: bytes | None
    hints: tuple[str, str, int]
    constant_bytes: int = 0


@dataclass(frozen=True)
class SizeValue:
    """An integer that is computed at run time."""

    id: int


@dataclass(frozen=True)
class DelegateOp:
    """One op of the chain; the last argument is its result."""

    name: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Delegate:
    """One delegate blob.

    Attributes:
        chain: its ops in the order in which they run.
        inputs, outputs: what passes in and out.
        blob: the whole of it, as it lies in the .pte.
    """

    chain: tuple[DelegateOp, ...]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    blob: bytes

    @property
    def op_names(self) -> tuple[str, ...]:
        return tuple(op.name for op in self.chain)

    def constants(self) -> tuple[bytes, ...]:
        """Bytes of the constants, in the order in which the chain reads them."""
        found: dict[int, bytes] = {}
        for op in self.chain:
            for arg in op.args:
                if isinstance(arg, TensorValue) and arg.data is not None:
                    found.setdefault(arg.id, arg.data)
        return tuple(found.values())


def read_delegates(program: Any, method: str = "forward") -> tuple[Delegate, ...]:
    """The Vulkan delegates of a method, in the order in which it calls them.

    Args:
        program: what to_edge_transform_and_lower or its to_executorch returns.
    """
    graph_module = program.exported_program(method).graph_module
    return tuple(
        read_blob(module.processed_bytes, _named_data(module))
        for _, module, _ in get_lowered_submodules(graph_module)
        if module.backend_id == VulkanBackend.__name__
    )


def read_blob(blob: bytes, named_data: Mapping[str, bytes]) -> Delegate:
    """A delegate's blob, with the constants that it keeps in the program's named data."""
    graph = _vk_graph(extract_vk_flatbuffer(blob))
    values = _Values(graph, blob, named_data)
    return Delegate(
        tuple(DelegateOp(op.name, tuple(map(values.read, op.args))) for op in graph.chain),
        tuple(map(values.read, graph.input_ids)),
        tuple(map(values.read, graph.output_ids)),
        blob,
    )


def _vk_graph(flatbuffer: bytes) -> VkGraph:
    # The stock function of this job can't read the infinities that flatc prints.
    schema = importlib.resources.files(serialization).joinpath("schema.fbs").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "schema.fbs").write_bytes(schema)
        (path / "graph.bin").write_bytes(flatbuffer)
        options = ["--raw-binary"]
        _flatc_decompile(folder, str(path / "schema.fbs"), str(path / "graph.bin"), options)
        text = (path / "graph.json").read_text()
    text = re.sub(r"(?<=[\s\[-])(inf|nan)(?=[\s,\]])", lambda one: _JSON[one[0]], text)
    return _json_to_dataclass(json.loads(text), VkGraph)


def _named_data(module: LoweredBackendModule) -> dict[str, bytes]:
    store = module.named_data_store_output
    if store is None:
        return {}
    tables: list[Mapping[str, Any]] = [store.pte_data, *store.external_data.values()]
    return {
        key: store.buffers[entry.buffer_index] for table in tables for key, entry in table.items()
    }


class _Values:
    """The values of one blob as Python objects."""

    def __init__(self, graph: VkGraph, blob: bytes, named_data: Mapping[str, bytes]) -> None:
        self._graph = graph
        self._blob = blob
        self._named_data = named_data
        header = VulkanDelegateHeader.from_bytes(blob[: VulkanDelegateHeader.EXPECTED_LENGTH])
        self._data_offset = header.bytes_offset

    def read(self, value_id: int) -> Any:
        value = self._graph.values[value_id].value
        if isinstance(value, VkTensor):
            return TensorValue(
                value_id,
                value.datatype.name,
                tuple(value.dims),
                self._constant(value.constant_id),
                (value.storage_type.name, value.memory_layout.name, value.mem_obj_id),
                0 if value.constant_id < 0 else self._graph.constants[value.constant_id].length,
            )
        if isinstance(value, Null):
            return None
        if isinstance(value, SymInt):
            return SizeValue(value_id)
        if isinstance(value, String):
            return value.string_val
        if isinstance(value, ValueList):
            return [self.read(item) for item in value.items]
        for field in ("int_val", "double_val", "bool_val", "items"):
            if hasattr(value, field):
                return getattr(value, field)
        raise ValueError(f"value {value_id} has a type that is not known: {value!r}")

    def _constant(self, constant_id: int) -> bytes | None:
        if constant_id < 0:
            return None
        constant = self._graph.constants[constant_id]
        if constant.offset == _IN_NAMED_DATA:
            data = self._named_data.get(constant.named_key)
            return None if data is None else data[: constant.length]
        start = self._data_offset + constant.offset
        return self._blob[start : start + constant.length]
