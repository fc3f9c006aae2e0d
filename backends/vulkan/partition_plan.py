"""What to delegate of a graph: int8 layers, and the supported ops that hang together with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from executorch.backends.vulkan.utils import node_comes_from_any_nn_module_in_set
from torch.fx import GraphModule, Node

from .partition_levels import CyclicUnitError, group_by_level
from .patterns.constants import Constants
from .patterns.edge_ops import (
    DEQUANTIZE,
    LINEAR_OPS,
    QUANTIZE,
    is_symint,
    node_argument,
    op_name,
)
from .patterns.quantized_linear import QuantizedLinearMatch, Rejection, match_quantized_linear
from .supported_ops import SUPPORTED, layout_problem, refusal


@dataclass(frozen=True)
class OpFilter:
    """The user's lists of operators and modules, with the meaning they have in ExecuTorch."""

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

    def layer_problem(self, linear: Node) -> str | None:
        """As `problem`; the module allowlist counts for layers, not for the ops around them."""
        allowed = self.nn_module_allowlist
        if allowed is not None and not self._from_modules(linear, allowed):
            return "its module is not in nn_module_allowlist"
        return self.problem(linear)

    @staticmethod
    def _from_modules(node: Node, names: Collection[str]) -> bool:
        return bool(names) and node_comes_from_any_nn_module_in_set(node, set(names))


@dataclass(frozen=True)
class Partition:
    """Nodes of one delegate.

    Attributes:
        nodes: in graph order.
        runs_on_stock: ExecuTorch's own Vulkan runtime can run it too.
    """

    nodes: tuple[Node, ...]
    runs_on_stock: bool


class PartitionPlan:
    """Decides what to delegate of one graph.

    Attributes:
        rejections: filled by `partitions`.
    """

    def __init__(
        self, graph_module: GraphModule, constants: Constants, op_filter: OpFilter
    ) -> None:
        self._graph = graph_module.graph
        self._constants = constants
        self._filter = op_filter
        self.rejections: list[Rejection] = []

    def partitions(self) -> list[Partition]:
        """The delegates to make, in the order in which they run."""
        matches = self._drop_shared_weights(self._match_layers())
        candidates = self._candidates()
        while True:
            singles = _connected(matches, candidates)
            try:
                groups = group_by_level(
                    self._graph, [match.inner_nodes for match in matches], singles
                )
            except CyclicUnitError as error:
                cut = next(m for m in matches if m.inner_nodes == error.unit)
                self._reject(cut.anchor_node, str(error))
                matches = self._drop_shared_weights([m for m in matches if m is not cut])
                continue
            misplaced = _misplaced_sizes(groups)
            if not misplaced:
                break
            # Computed on the CPU instead, they may delay what reads them.
            candidates -= misplaced
        in_layers = {node for match in matches for node in match.inner_nodes}
        partitions = []
        for group in groups:
            inside = [match for match in matches if match.anchor_node in group]
            if inside:
                others = [node for node in group if node not in in_layers]
                partitions.append(Partition(tuple(group), _runs_on_stock(inside, others)))
        return partitions

    def reason(self, node: Node) -> str | None:
        """Why `partitions` left `node` out, or None where it does not say."""
        for rejection in self.rejections:
            if rejection.node is node:
                return rejection.reason
        return self._filter.problem(node)

    def _reject(self, node: Node, reason: str) -> None:
        self.rejections.append(Rejection(node, reason))

    def _match_layers(self) -> list[QuantizedLinearMatch]:
        matches = []
        for node in self._graph.nodes:
            if node.target not in LINEAR_OPS:
                continue
            found = match_quantized_linear(node, self._constants)
            if isinstance(found, Rejection):
                self.rejections.append(found)
            elif problem := self._layer_problem(found):
                self._reject(node, problem)
            else:
                matches.append(found)
        return matches

    def _layer_problem(self, match: QuantizedLinearMatch) -> str | None:
        if problem := self._filter.layer_problem(match.anchor_node):
            return problem
        for node in (match.activation.x, *match.output_nodes):
            if problem := layout_problem(node):
                return problem
        return None

    def _drop_shared_weights(
        self, matches: list[QuantizedLinearMatch]
    ) -> list[QuantizedLinearMatch]:
        """Leave out layers whose weight is also wanted in float, which the op can't give."""
        kept = matches
        while True:
            inner = {node for match in kept for node in match.inner_nodes}
            shared = [
                match
                for match in kept
                if any(
                    user not in inner for node in match.weight.inner_nodes for user in node.users
                )
            ]
            if not shared:
                return kept
            for match in shared:
                self._reject(
                    match.anchor_node,
                    (
                        "its dequantized weight has other users; give them a copy of the weight, "
                        "or leave it out of the quantization"
                    ),
                )
            kept = [match for match in kept if match not in shared]

    def _candidates(self) -> set[Node]:
        """Ops outside layers that our runtime could run."""
        found: set[Node] = set()
        for node in reversed(self._graph.nodes):
            if node.op != "call_function" or node.target not in SUPPORTED:
                continue
            problem = self._filter.problem(node) if not is_symint(node) else None
            problem = problem or refusal(node)
            if problem is None:
                found.add(node)
            elif node.target == QUANTIZE:
                self._reject(node, problem)
        return found


def _connected(matches: Sequence[QuantizedLinearMatch], candidates: Collection[Node]) -> set[Node]:
    """Candidates that hang together with a layer.

    A quantize or view elsewhere would only send its tensor to the device and back.
    """
    layers = {node for match in matches for node in match.inner_nodes}
    queue = list(layers)
    found: set[Node] = set()
    while queue:
        node = queue.pop()
        for neighbour in (*node.all_input_nodes, *node.users):
            if neighbour in candidates and neighbour not in found and neighbour not in layers:
                found.add(neighbour)
                queue.append(neighbour)
    # Sizes belong to the delegate only where nothing outside reads them.
    for node in sorted(found, reverse=True):
        if is_symint(node) and any(user not in found and user not in layers for user in node.users):
            found.discard(node)
    return found


def _misplaced_sizes(groups: Sequence[Sequence[Node]]) -> set[Node]:
    """Sizes that a delegate must not compute.

    Read elsewhere too, they would be scalar outputs, which the blob format lacks. Taken from a
    tensor that the delegate does not read otherwise, they may leave it as an input without use
    once the rules have got rid of the size, and the blob can't say that an input is ignored.
    """
    place = {node: index for index, group in enumerate(groups) for node in group}

    def is_misplaced(size: Node) -> bool:
        here = place[size]
        if any(place.get(user) != here for user in size.users):
            return True
        return any(
            place.get(source) != here
            and not is_symint(source)
            and not any(place.get(u) == here and not is_symint(u) for u in source.users)
            for source in size.all_input_nodes
        )

    return {node for node in place if is_symint(node) and is_misplaced(node)}


def _runs_on_stock(matches: Sequence[QuantizedLinearMatch], others: Sequence[Node]) -> bool:
    """True where ExecuTorch's own Vulkan runtime can run the partition rightly as well."""
    from_layers = {node for match in matches for node in match.output_nodes}

    def is_plain(node: Node) -> bool:
        if node.target == QUANTIZE:
            return True
        # A dequantize of a quantize that stays is kept by an op which the stock runtime lacks.
        source = node_argument(node, 0)
        return node.target == DEQUANTIZE and (source.target != QUANTIZE or source in from_layers)

    return all(match.runs_on_stock for match in matches) and all(map(is_plain, others))
