"""explain(): which layers of a program run in int8 on Vulkan, and what keeps the others off it."""

from __future__ import annotations

from executorch.backends.vulkan.vulkan_preprocess import VulkanBackend
from executorch.exir import EdgeProgramManager
from executorch.exir.delegate import executorch_call_delegate
from executorch.exir.lowered_backend_module import LoweredBackendModule
from torch.export import ExportedProgram
from torch.fx import Node

from ..partitioner import VulkanPartitioner
from ..partitioning.supported_ops import ON_THE_CPU
from ..patterns.vocabulary.edge_ops import node_argument, op_name
from .fusion_report import is_listed, rows_of_delegate, rows_outside
from .reasons import noted, why_not
from .report import Report, Row


def explain(
    edge_program: ExportedProgram | EdgeProgramManager,
    partitioner: VulkanPartitioner | None = None,
) -> Report:
    """Say of every layer, quantize and dequantize what it becomes, or why it stays off Vulkan.

    So too of every other op beside an int8 layer that stays off. Nothing is lowered or changed.
    A program that is not lowered yet is taken to be lowered with `partitioner` alone.

    Args:
        edge_program: in the edge dialect, before or after it was lowered; of an
            EdgeProgramManager all methods are explained.
        partitioner: the one to lower with, for its lists of operators and modules.

    Returns:
        A table to print, and rows to iterate over.

    Raises:
        TypeError: for anything else.
        ValueError: for an ExportedProgram that is not in the edge dialect.
    """
    if isinstance(edge_program, EdgeProgramManager):
        programs = {
            name: edge_program.exported_program(name) for name in sorted(edge_program.methods)
        }
    elif isinstance(edge_program, ExportedProgram):
        programs = {"forward": edge_program}
    else:
        raise TypeError(
            "explain: expected an ExportedProgram or an EdgeProgramManager, got "
            f"{type(edge_program).__name__}"
        )
    rows: list[Row] = []
    for name, program in programs.items():
        if program.dialect != "EDGE":
            raise ValueError(
                f"explain: {name} is in the dialect {program.dialect!r}, not 'EDGE'; pass what "
                "executorch.exir.to_edge or to_edge_transform_and_lower returns"
            )
        rows += _explain_method(name, program, partitioner or VulkanPartitioner())
    return Report(tuple(rows))


def _explain_method(
    method: str, program: ExportedProgram, partitioner: VulkanPartitioner
) -> list[Row]:
    calls = [node for node in program.graph.nodes if node.target is executorch_call_delegate]
    if not calls:
        return partitioner.explain(method, program)

    plan = partitioner.plan(program)
    missed = {node for partition in plan.partitions() for node in partition.nodes}
    modules = {
        call: getattr(program.graph_module, str(node_argument(call, 0).target)) for call in calls
    }
    ours = {call for call in calls if modules[call].backend_id == VulkanBackend.__name__}
    delegated = {node for call in ours for node in (call, *call.users)}

    def reason(node: Node) -> str | None:
        note = noted(node)
        if node in missed and (note is None or note.by_user):
            return "the program was lowered without it; lower it with VulkanPartitioner()"
        return plan.reason(node) if note is None else note.reason

    rows: list[Row] = []
    index = 0
    for node in program.graph.nodes:
        if node in ours:
            rows += rows_of_delegate(method, modules[node].original_module, index)
            index += 1
        elif node in modules:
            rows += _rows_of_other_backend(method, modules[node], partitioner)
        else:
            rows += rows_outside(method, node, delegated, reason)
    return rows


def _rows_of_other_backend(
    method: str, module: LoweredBackendModule, partitioner: VulkanPartitioner
) -> list[Row]:
    name = module.backend_id
    nodes = [node for node in module.original_module.graph.nodes if is_listed(node)]
    plan = partitioner.plan(module.original_module)
    wanted = {node for partition in plan.partitions() for node in partition.nodes}

    def reason(node: Node) -> str:
        if (note := noted(node)) is not None:
            ours = f"VulkanPartitioner left it: {note.reason}"
        elif node in wanted:
            ours = "put VulkanPartitioner before that backend's partitioner in the list"
        else:
            ours = f"VulkanPartitioner would leave it: {why_not(node, plan.reason)}"
        return f"{name} took it; {ours.replace(ON_THE_CPU, '')}"

    return [Row(method, node.name, op_name(node), name, None, reason(node)) for node in nodes]
