"""ExecuTorch's builder of delegate blobs, with what it leaves out: constants that the user keeps in
data files, results that are one value, and which ops of the model an op in the blob stands for."""

from __future__ import annotations

from typing import Any

from executorch.backends.vulkan import vulkan_preprocess
from executorch.backends.vulkan.serialization.vulkan_graph_builder import VkGraphBuilder
from executorch.backends.vulkan.utils import is_param_node
from executorch.exir._serialize._named_data_store import NamedDataStore
from executorch.exir.backend.utils import DelegateMappingBuilder
from torch.export.graph_signature import OutputKind
from torch.fx import Node

from .external_constants import constant_tag, external_key
from .partitioning.integers import narrowed_problem
from .patterns.vocabulary.graph_edits import debug_handles


class _DebugHandles(DelegateMappingBuilder):
    """By the number of an op in the blob: debug handles of the ops of the edge program.

    The stock builder overwrites the handles of a delegate's nodes by their place in it, so that
    profiles would name other ops.
    """

    def __init__(self) -> None:
        super().__init__(generated_identifiers=True)
        self.of_next: tuple[int, ...] = ()

    def insert_delegate_mapping_entry(self, *args: Any, **kwargs: Any) -> int:
        if not self.of_next:  # an op that ExecuTorch's passes made out of nothing
            number: int = self._next_index
            self._next_index += 1
            return number
        return super().insert_delegate_mapping_entry(handles=list(self.of_next))


class _GraphBuilder(VkGraphBuilder):
    delegate_mapping_builder: _DebugHandles
    named_data_store: NamedDataStore

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.delegate_mapping_builder = _DebugHandles()

    def process_node(self, node: Node, call_node_debug_hdl: int) -> None:
        self.delegate_mapping_builder.of_next = debug_handles(node)
        super().process_node(node, call_node_debug_hdl)

    def process_output_node(self, node: Node) -> None:
        """One result for each of the delegate's, also where a clone that is gone made two of one:
        the stock builder writes these once, and the delegate would be called with too many."""
        first = len(self.output_ids)
        super().process_output_node(node)
        written = set(self.output_ids[first:])
        [results] = node.args
        assert isinstance(results, (list, tuple))
        specs = self.program.graph_signature.output_specs
        ids = [
            self.node_to_value_ids[result]
            for result, spec in zip(results, specs, strict=True)
            if isinstance(result, Node) and spec.kind == OutputKind.USER_OUTPUT
        ]
        self.output_ids[first:] = [one for one in ids if one in written]

    def maybe_add_constant_tensor(self, node: Node) -> int:
        self._check_integers(node)
        tag = constant_tag(node)
        if tag is None:
            return super().maybe_add_constant_tensor(node)
        program_data, self.named_data_store = self.named_data_store, NamedDataStore()
        constant_id: int = super().maybe_add_constant_tensor(node)
        added, self.named_data_store = self.named_data_store, program_data
        # One entry; none for a tensor without elements.
        for key, entry in added.pte_data.items():
            key_in_file = external_key(tag, key)
            data = added.buffers[entry.buffer_index]
            program_data.add_named_data(key_in_file, data, entry.alignment, tag)
            self.const_tensors[constant_id] = (key_in_file, len(data))
        return constant_id

    def _check_integers(self, node: Node) -> None:
        """Raises ValueError for an int64 constant that int32, as which it is written, lacks."""
        if is_param_node(self.program, node):
            problem = narrowed_problem(node.name, self.get_param_tensor(node))
            if problem is not None:
                raise ValueError(f"the constant {problem}, or keep what reads it off Vulkan")


def register() -> None:
    """Let the preprocessing build with it; a second call changes nothing."""
    vulkan_preprocess.VkGraphBuilder = _GraphBuilder
