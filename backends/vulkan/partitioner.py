"""VulkanPartitioner: tag what our runtime can run, for ExecuTorch's lowering."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable
from typing import Any

import torch
from executorch.backends.vulkan.partitioner.vulkan_partitioner import parse_compile_options
from executorch.backends.vulkan.vulkan_preprocess import VulkanBackend
from executorch.exir.backend.compile_spec_schema import CompileSpec
from executorch.exir.backend.partitioner import DelegationSpec, Partitioner, PartitionResult
from executorch.exir.backend.utils import tag_constant_data
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from .partitioning.integers import narrowed_problem
from .partitioning.kept_state import written_buffers
from .partitioning.later_partitioners import another_may_follow
from .partitioning.lowering_call import lowered_programs
from .partitioning.op_filter import OpFilter
from .partitioning.owned_state import own_states, shared_buffers
from .partitioning.plan import Partition, PartitionPlan
from .partitioning.tensor_problems import MOVED_DTYPES, dtype_problem, layout_problem
from .patterns.compositions import composed
from .patterns.passes.aten_dequantizes import own_dequantizes, own_weights
from .patterns.passes.aten_linears import contiguous_linears
from .patterns.passes.aten_splits import slices_for_splits
from .patterns.passes.aten_states import values_of_their_own
from .patterns.passes.aten_views import contiguous_attention
from .patterns.passes.aten_windows import without_windows
from .patterns.passes.torchao_linears import linears_for_int_products
from .patterns.passes.uint8_activations import has_uint8, plan_as_int8
from .patterns.vocabulary.batch_guards import keep_batches
from .patterns.vocabulary.constants import Constants, KnownValues, known_values
from .patterns.vocabulary.edge_ops import is_symint
from .patterns.vocabulary.graph_edits import mark_as_ours, note_in_float
from .patterns.vocabulary.rejection import Rejection
from .reporting.coverage_warning import warn_of_little
from .reporting.float_warning import warn_of_float
from .reporting.fusion_report import rows_of_program
from .reporting.reasons import LeftOut, note_left_out, why_not
from .reporting.report import Report, Row

logger = logging.getLogger(__name__)

# By this option the stock preprocessing leaves out its choice of textures and packings. Our
# runtime has one layout and ignores the choice; the stock runtime needs it.
_SKIP_LAYOUTS = "skip_tag_memory_metadata"


class VulkanPartitioner(Partitioner):
    """Delegates statically quantized int8 steps (layers, activations, arithmetic, ops on shapes),
    float32 arithmetic and reductions, and the quantize, dequantize and shape ops next to them;
    everything else stays with ExecuTorch's other kernels.

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
        ValueError: for `force_fp16` and `downcast_64_bit=False`, since everything here computes in
            int8, float32 and int32.
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
                "compile option force_fp16 is not supported: float ops, and the scales and biases "
                "of int8 layers, are float32 here; leave it out"
            )
        if not self.options.get("downcast_64_bit", True):
            raise ValueError(
                "compile option downcast_64_bit=False is not supported: int64 is computed in int32 "
                "here; leave it out"
            )
        self._filter = OpFilter(
            frozenset(operator_blocklist or ()),
            None if operator_allowlist is None else frozenset(operator_allowlist),
            frozenset(nn_module_blocklist or ()),
            None if nn_module_allowlist is None else frozenset(nn_module_allowlist),
        )
        self._known_constants: list[KnownValues] = []
        self._written: frozenset[str] = frozenset()
        self.rejections: tuple[Rejection, ...] = ()

    def transform_for_pre_decomposition(self, exported_program: ExportedProgram) -> ExportedProgram:
        """Note what the constants hold, for `partition` sees only fake tensors in their place;
        give torchao's integer products the form of other quantized linears, and float ones one
        product instead of a batch;
        give what attention gives the order of memory that it was traced with;
        give new values of buffers nodes of their own;
        write out ops that are compositions of others;
        turn splits into slices, whose dynamic sizes the edge program keeps, and windows into what
        kernels have; give each layer a dequantized weight of its own, and what another backend
        may take a dequantize of its own."""
        self._known_constants.append(known_values(exported_program))
        written = written_buffers(exported_program)
        self._written |= written
        exported_program = values_of_their_own(exported_program, written)
        exported_program = contiguous_attention(exported_program)
        exported_program = contiguous_linears(linears_for_int_products(exported_program))
        exported_program = own_weights(exported_program)
        if another_may_follow(self):
            exported_program = own_dequantizes(exported_program)
        return slices_for_splits(without_windows(composed(exported_program)))

    def ops_to_not_decompose(
        self, ep: ExportedProgram
    ) -> tuple[list[torch._ops.OpOverload], Callable[[Node], bool] | None]:
        """Nothing: the rules match the decomposed forms."""
        return [], None

    def partition(self, exported_program: ExportedProgram) -> PartitionResult:
        """Tag the nodes to delegate and the buffers that delegates keep, and note of other nodes
        why they are not; the graph itself is not changed."""
        programs = lowered_programs() or {}
        # Other methods may have partitioners of their own.
        self._written = self._written.union(*map(written_buffers, programs.values()))
        for_others = another_may_follow(self)
        plan = self.plan(exported_program, for_others=for_others)
        originals = {node.name: node for node in exported_program.graph.nodes}
        tags: dict[str, DelegationSpec] = {}
        delegated: set[Node] = set()
        for index, partition in enumerate(plan.partitions()):
            tag = f"vulkan{index}"
            for planned in partition.nodes:
                node = originals[planned.name]
                node.meta["delegation_tag"] = tag
                mark_as_ours(node)
            tags[tag] = self._delegation_spec(partition)
            delegated.update(partition.nodes)
        tag_constant_data(exported_program)
        self._keep_state_outside(exported_program)
        self.rejections = tuple(plan.rejections)
        left_out = self._left_out(plan, delegated)
        for planned, why in left_out.items():
            note_left_out(originals[planned.name], why)
        for planned, reason in plan.in_float.items():
            note_in_float(originals[planned.name], reason)
        warn_of_float(plan.graph.nodes, plan.in_float, plan.constants.is_constant)
        warn_of_little(plan.graph.nodes, delegated, left_out, plan.constants.is_constant)
        if logger.isEnabledFor(logging.DEBUG):
            report = Report(tuple(self.explain("forward", exported_program, for_others)))
            logger.debug("what becomes of the program:\n%s", report)
        keep_batches(delegated)
        if programs:
            own_states(
                exported_program,
                shared_buffers(programs),
                lambda buffer: self._state_problem(exported_program, buffer),
            )
        return PartitionResult(tagged_exported_program=exported_program, partition_tags=tags)

    def _keep_state_outside(self, program: ExportedProgram) -> None:
        """Take what another method writes from the constants of the delegates."""
        buffers = program.graph_signature.inputs_to_buffers
        for node in program.graph.find_nodes(op="placeholder"):
            if buffers.get(node.name) in self._written:
                node.meta.pop("delegation_tag", None)

    def _state_problem(self, program: ExportedProgram, buffer: Node) -> str | None:
        """Why our runtime can't keep a buffer, or None."""
        problem = dtype_problem(buffer, MOVED_DTYPES) or layout_problem(buffer)
        name = program.graph_signature.inputs_to_buffers[buffer.name]
        values = [known[name]() for known in self._known_constants if name in known]
        wide = [narrowed_problem(name, value) for value in values if value is not None]
        return problem or next(filter(None, wide), None)

    def _left_out(self, plan: PartitionPlan, delegated: set[Node]) -> dict[Node, LeftOut]:
        return {
            node: LeftOut(why_not(node, plan.reason), self._filter.layer_problem(node) is not None)
            for node in plan.graph.nodes
            if node.op == "call_function" and node not in delegated and not is_symint(node)
        }

    def plan(
        self,
        exported_program: ExportedProgram,
        graph_module: GraphModule | None = None,
        for_others: bool = False,
    ) -> PartitionPlan:
        """What to delegate of the program, which is not changed.

        Args:
            graph_module: a copy of the program's, to plan for that; it may be changed.
            for_others: another backend may take what is left.

        Returns:
            A plan whose nodes have the names of the program's, but may be those of a copy.
        """
        constants = Constants(exported_program, self._known_constants, self._written)
        if graph_module is None:
            graph_module = exported_program.graph_module
            if has_uint8(graph_module.graph):
                graph_module = copy.deepcopy(graph_module)
        plan_as_int8(graph_module.graph, constants.is_constant)
        return PartitionPlan(graph_module, constants, self._filter, for_others)

    def explain(
        self, method: str, exported_program: ExportedProgram, for_others: bool = False
    ) -> list[Row]:
        """What becomes of each layer, quantize and dequantize of a program without delegates."""
        return rows_of_program(
            method, exported_program, lambda copy: self.plan(exported_program, copy, for_others)
        )

    def _delegation_spec(self, partition: Partition) -> DelegationSpec:
        specs: list[CompileSpec] = parse_compile_options(self.options)
        if _SKIP_LAYOUTS not in self.options and not partition.runs_on_stock:
            specs += parse_compile_options({_SKIP_LAYOUTS: True})
        return DelegationSpec(VulkanBackend.__name__, specs)
