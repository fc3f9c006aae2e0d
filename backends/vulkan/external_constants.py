"""Constants that the user keeps outside of the program, in data files (.ptd).

ExecuTorch's `external_constants_pass` tags constants with a file's name, and leaves it to each
backend to send them there. The stock preprocessing does not, so its graph builder is replaced by
one that does.
"""

from __future__ import annotations

from executorch.backends.vulkan import vulkan_preprocess
from executorch.backends.vulkan.serialization.vulkan_graph_builder import VkGraphBuilder
from executorch.exir._serialize._named_data_store import NamedDataStore
from torch.fx import Node

_CUSTOM, _TAG = "custom", "delegate_constant_tag"
_SUFFIX = ".ptd"


def constant_tag(node: Node) -> str | None:
    """The tag of the data file that the constant `node` belongs to; None for the program."""
    return (node.meta.get(_CUSTOM) or {}).get(_TAG)


def share_data_file(constant: Node, source: Node) -> None:
    """Let `constant`, which is made of `source`, go to the same file."""
    if (tag := constant_tag(source)) is not None:
        constant.meta.setdefault(_CUSTOM, {})[_TAG] = tag


def external_key(tag: str, key: str) -> str:
    """The name by which a program asks for the constant `key` of a data file.

    The runtime reads the file's name from it to say which one is missing.
    """
    return f"{tag.removesuffix(_SUFFIX)}{_SUFFIX}/{key}"


class _GraphBuilder(VkGraphBuilder):
    named_data_store: NamedDataStore

    def maybe_add_constant_tensor(self, node: Node) -> int:
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


def register() -> None:
    """Let the preprocessing heed the tags; a second call changes nothing."""
    vulkan_preprocess.VkGraphBuilder = _GraphBuilder
