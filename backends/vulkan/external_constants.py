"""Constants that the user keeps outside of the program, in data files (.ptd).

ExecuTorch's `external_constants_pass` tags constants with a file's name, and leaves it to each
backend to send them there. The stock preprocessing does not; `graph_builder.py` does.
"""

from __future__ import annotations

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
