"""Which buffers that a program writes a delegate keeps for itself.

ExecuTorch hands a buffer over where its placeholder has the tag of one delegate: that then holds
the state, and nothing travels. It must be the only one that reads or writes the buffer, in all
methods that are lowered together, since methods may share buffers by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import Node

_TAG = "delegation_tag"


def shared_buffers(programs: Mapping[str, ExportedProgram]) -> frozenset[str]:
    """The names of buffers that more than one of these methods reads or writes."""
    times: Counter[str] = Counter()
    for program in programs.values():
        buffers = program.graph_signature.inputs_to_buffers
        placeholders = program.graph.find_nodes(op="placeholder")
        times.update({buffers[node.name] for node in placeholders if _is_used(node, buffers)})
    return frozenset(name for name, count in times.items() if count > 1)


def _is_used(node: Node, buffers: Mapping[str, str]) -> bool:
    return node.name in buffers and bool(node.users)


def own_states(
    program: ExportedProgram,
    shared: Collection[str],
    problem: Callable[[Node], str | None],
) -> None:
    """Tag the buffers of an edge program that one delegate can keep, when all else is tagged.

    Args:
        shared: names of buffers that are not this method's alone.
        problem: why the runtime can't hold a placeholder's tensor, or None.
    """
    signature = program.graph_signature
    results = program.graph.output_node().args[0]
    placeholders = {node.name: node for node in program.graph.find_nodes(op="placeholder")}
    inputs = {name: placeholders[arg] for arg, name in signature.inputs_to_buffers.items()}
    owned: dict[int, str] = {}
    for index, spec in enumerate(signature.output_specs):
        buffer = inputs.get(spec.target or "")
        if spec.kind != OutputKind.BUFFER_MUTATION or buffer is None or spec.target in shared:
            continue
        tag, value = _only_tag(buffer), results[index]
        is_its_own = tag is not None and _is_made_by(tag, value) and results.count(value) == 1
        if tag is not None and is_its_own and problem(buffer) is None:
            owned[index] = tag
    for index, tag in _with_results(program, owned).items():
        inputs[signature.output_specs[index].target or ""].meta[_TAG] = tag


def _only_tag(buffer: Node) -> str | None:
    """The delegate that everything which reads `buffer` is in."""
    tags = {user.meta.get(_TAG) for user in buffer.users if user.op != "output"}
    return tags.pop() if len(tags) == 1 else None


def _is_made_by(tag: str, value: Node) -> bool:
    """Whether the delegate makes `value`, and nothing else reads that."""
    readers = [user for user in value.users if user.op != "output"]
    return value.meta.get(_TAG) == tag and all(one.meta.get(_TAG) == tag for one in readers)


def _with_results(program: ExportedProgram, owned: Mapping[int, str]) -> dict[int, str]:
    """Those of `owned` whose delegate gives something else: what gives nothing is never called."""
    output = program.graph.output_node()
    kept = [node for index, node in enumerate(output.args[0]) if index not in owned]
    giving = {node.meta.get(_TAG) for node in kept if isinstance(node, Node)}
    for node in program.graph.nodes:
        tag = node.meta.get(_TAG)
        if any(user.op != "output" and user.meta.get(_TAG) != tag for user in node.users):
            giving.add(tag)
    return {index: tag for index, tag in owned.items() if tag in giving}
