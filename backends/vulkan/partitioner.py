"""VulkanPartitioner: tag what our runtime can run, for ExecuTorch's lowering."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from executorch.backends.vulkan.partitioner.vulkan_partitioner import parse_compile_options
from executorch.backends.vulkan.utils import node_comes_from_any_nn_module_in_set
from executorch.backends.vulkan.vulkan_preprocess import VulkanBackend
from executorch.exir.backend.compile_spec_schema import CompileSpec
from executorch.exir.backend.partitioner import DelegationSpec, Partitioner, PartitionResult
from executorch.exir.backend.utils import tag_constant_data
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from .partition_levels import CyclicUnitError, group_by_level
from .patterns.constants import Constants, TensorFacts, integer_facts
from .patterns.edge_ops import (
    DEQUANTIZE,
    LINEAR_OPS,
    QUANTIZE,
    is_symint,
    node_argument,
    op_name,
)
from .patterns.graph_edits import mark_as_ours
from .patterns.quantized_linear import (
    QuantizedLinearMatch,
    Rejection,
    match_quantized_linear,
    value_problem,
)
from .supported_ops import SUPPORTED, layout_problem, refusal

logger = logging.getLogger(__name__)

# By this option the stock preprocessing leaves out its choice of textures and packings. Our
# runtime has one layout and ignores the choice; the stock runtime needs it.
_SKIP_LAYOUTS = "skip_tag_memory_metadata"


@dataclass(frozen=True)
class _OpFilter:
    """The user's lists of operators and modules, with the meaning they have in ExecuTorch."""

    operator_blocklist: frozenset[Any]
    operator_allowlist: frozenset[Any] | None
    nn_module_blocklist: frozenset[str]
    nn_module_allowlist: frozenset[str] | None

    def problem(self, node: Node) -> str | None:
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


class VulkanPartitioner(Partitioner):
    """Delegates statically quantized int8 layers and the quantize, dequantize and view ops
    next to them; everything else stays with ExecuTorch's other kernels.

    Takes what ExecuTorch's own VulkanPartitioner takes. `require_dynamic_shapes` changes
    nothing, for every op here handles dynamic shapes.

    Args:
        compile_options: as for the stock partitioner.
        operator_blocklist, operator_allowlist: edge or ATen overloads; a layer counts as the
            linear, mm or addmm that it has in the edge graph.
        nn_module_blocklist, nn_module_allowlist: parts of module type names.

    Attributes:
        rejections: why linear layers and other candidate ops of the last program were not
            delegated.

    Raises:
        ValueError: for `force_fp16`, since int8 layers compute in float32.
    """

    def __init__(
        self,
        compile_options: dict[str, Any] | None = None,
        operator_blocklist: Iterable[Any] | None = None,
        operator_allowlist: Iterable[Any] | None = None,
        nn_module_blocklist: Iterable[str] | None = None,
        nn_module_allowlist: Iterable[str] | None = None,
    ) -> None:
        super().__init__()
        self.options = dict(compile_options or {})
        if self.options.get("force_fp16"):
            raise ValueError(
                "compile option force_fp16 is not supported: int8 layers compute their scales "
                "and biases in float32; leave it out"
            )
        self._filter = _OpFilter(
            frozenset(operator_blocklist or ()),
            None if operator_allowlist is None else frozenset(operator_allowlist),
            frozenset(nn_module_blocklist or ()),
            None if nn_module_allowlist is None else frozenset(nn_module_allowlist),
        )
        self._known_constants: list[dict[str, TensorFacts]] = []
        self.rejections: tuple[Rejection, ...] = ()

    def transform_for_pre_decomposition(self, exported_program: ExportedProgram) -> ExportedProgram:
        """Note what the constants hold; `partition` sees only fake tensors in their place."""
        self._known_constants.append(integer_facts(exported_program))
        return exported_program

    def ops_to_not_decompose(
        self, ep: ExportedProgram
    ) -> tuple[list[torch._ops.OpOverload], Callable[[Node], bool] | None]:
        """Nothing: the rules match the decomposed forms."""
        return [], None

    def partition(self, exported_program: ExportedProgram) -> PartitionResult:
        """Tag the nodes to delegate; the graph itself is not changed."""
        plan = _Plan(
            exported_program.graph_module,
            Constants(exported_program, self._known_constants),
            self._filter,
        )
        tags: dict[str, DelegationSpec] = {}
        for index, partition in enumerate(plan.partitions()):
            tag = f"vulkan{index}"
            for node in partition.nodes:
                node.meta["delegation_tag"] = tag
                mark_as_ours(node)
            tags[tag] = self._delegation_spec(partition)
        tag_constant_data(exported_program)
        self.rejections = tuple(plan.rejections)
        for rejection in self.rejections:
            logger.debug("%s stays off Vulkan: %s", rejection.node.name, rejection.reason)
        return PartitionResult(tagged_exported_program=exported_program, partition_tags=tags)

    def _delegation_spec(self, partition: _Partition) -> DelegationSpec:
        specs: list[CompileSpec] = parse_compile_options(self.options)
        if _SKIP_LAYOUTS not in self.options and not partition.runs_on_stock:
            specs += parse_compile_options({_SKIP_LAYOUTS: True})
        return DelegationSpec(VulkanBackend.__name__, specs)


@dataclass(frozen=True)
class _Partition:
    nodes: tuple[Node, ...]
    runs_on_stock: bool


class _Plan:
    """What to delegate of one graph."""

    def __init__(
        self, graph_module: GraphModule, constants: Constants, op_filter: _OpFilter
    ) -> None:
        self._graph = graph_module.graph
        self._constants = constants
        self._filter = op_filter
        self.rejections: list[Rejection] = []

    def partitions(self) -> list[_Partition]:
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
            # A size computed in one delegate and read elsewhere would be a scalar output, which
            # the blob format lacks: compute it on the CPU, which may move what reads it.
            escaping = _escaping_sizes(groups)
            if not escaping:
                break
            candidates -= escaping
        in_layers = {node for match in matches for node in match.inner_nodes}
        partitions = []
        for group in groups:
            inside = [match for match in matches if match.anchor_node in group]
            if inside:
                others = [node for node in group if node not in in_layers]
                partitions.append(_Partition(tuple(group), _runs_on_stock(inside, others)))
        return partitions

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
        for node in (match.x, *match.output_nodes):
            if problem := layout_problem(node):
                return problem
        return value_problem(match, self._constants, unknown_is_fine=True)

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
                if any(user not in inner for node in match.weight_nodes for user in node.users)
            ]
            if not shared:
                return kept
            for match in shared:
                self._reject(match.anchor_node, "its dequantized weight has other users")
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


def _escaping_sizes(groups: Sequence[Sequence[Node]]) -> set[Node]:
    place = {node: index for index, group in enumerate(groups) for node in group}
    return {
        node
        for node, index in place.items()
        if is_symint(node) and any(place.get(user) != index for user in node.users)
    }


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
