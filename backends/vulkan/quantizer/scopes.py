"""Which configuration an op has: by its module's name or type, by its kind, or the default."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch.fx import GraphModule, Node

_Value = TypeVar("_Value")
_INDEX = re.compile(r"\[(\d+)\]")


@dataclass
class Scopes(Generic[_Value]):
    """Values for the ops of parts of a model; the innermost module's name decides first."""

    default: _Value
    names: dict[str, _Value] = field(default_factory=dict)
    types: dict[str, _Value] = field(default_factory=dict)
    ops: dict[torch._ops.OpOverloadPacket, _Value] = field(default_factory=dict)

    def of(self, node: Node) -> _Value:
        modules = _modules(node)
        for name, _ in reversed(modules):
            if name in self.names:
                return self.names[name]
        for _, type_name in reversed(modules):
            if type_name in self.types:
                return self.types[type_name]
        if isinstance(node.target, torch._ops.OpOverload):
            return self.ops.get(node.target.overloadpacket, self.default)
        return self.default

    def check_names(self, model: GraphModule) -> None:
        """Raises ValueError where a name is no module of the model's ops."""
        found = {name for node in model.graph.nodes for name, _ in _modules(node)}
        for name in self.names:
            if name not in found:
                known = ", ".join(sorted(found - {""})[:20]) or "none"
                raise ValueError(f"no op of the model is in a module {name!r}; modules: {known}")


def type_name(module_type: type[torch.nn.Module]) -> str:
    return f"{module_type.__module__}.{module_type.__qualname__}"


def _modules(node: Node) -> list[tuple[str, str]]:
    """(name, type) of the modules that an op is in, outermost first."""
    stack = node.meta.get("nn_module_stack") or {}
    found = []
    for path, module_type in stack.values():
        # A strict export writes L['self'].layers[0], another one layers.0.
        name = _INDEX.sub(r".\1", path.replace("L['self']", "")).strip(".")
        is_type = isinstance(module_type, type)
        found.append((name, type_name(module_type) if is_type else str(module_type)))
    return found
