"""The user's lists of operators and modules, with the meaning they have in ExecuTorch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from executorch.backends.vulkan.utils import node_comes_from_any_nn_module_in_set
from torch.fx import Node

from ..patterns.vocabulary.edge_ops import op_name


@dataclass(frozen=True)
class OpFilter:
    """What the user keeps off Vulkan; None for an allowlist allows everything."""

    operator_blocklist: frozenset[Any]
    operator_allowlist: frozenset[Any] | None
    nn_module_blocklist: frozenset[str]
    nn_module_allowlist: frozenset[str] | None

    def problem(self, node: Node) -> str | None:
        """Why the user's lists keep `node` off Vulkan, or None."""
        names = {node.target, getattr(node.target, "_op", None), op_name(node)}
        if names & self.operator_blocklist:
            return f"{op_name(node)} is in operator_blocklist"
        if self.operator_allowlist is not None and not names & self.operator_allowlist:
            return f"{op_name(node)} is not in operator_allowlist"
        if self._from_modules(node, self.nn_module_blocklist):
            return "its module is in nn_module_blocklist"
        return None

    def layer_problem(self, layer: Node) -> str | None:
        """As `problem`; the module allowlist counts for layers, not for the ops around them."""
        allowed = self.nn_module_allowlist
        if allowed is not None and not self._from_modules(layer, allowed):
            return "its module is not in nn_module_allowlist"
        return self.problem(layer)

    @staticmethod
    def _from_modules(node: Node, names: Collection[str]) -> bool:
        return bool(names) and node_comes_from_any_nn_module_in_set(node, set(names))
