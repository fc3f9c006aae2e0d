"""New nodes, what they stand for, and the mark that tells our partitions from the stock ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._guards import detect_fake_mode
from torch.export import ExportedProgram
from torch.fx import Graph, Node
from torch.fx.node import Argument, map_arg

from .edge_ops import CAT, CLONE_OPS, named_argument, part_as_slice

# Set by VulkanPartitioner on every node that it delegates. Rewrites that only our runtime can
# run, or that only pay off there, look for it.
_OURS = "executorch_vulkan"
# On quantized layers that VulkanPartitioner delegates in float32: why not in int8.
_IN_FLOAT = "executorch_vulkan_in_float"
# On nodes that rules have made: debug handles of all the ops that they stand for.
_HANDLES = "executorch_vulkan_debug_handles"
_handles: ContextVar[tuple[int, ...]] = ContextVar("handles", default=())


def mark_as_ours(node: Node) -> None:
    node.meta[_OURS] = True


def is_ours(node: Node) -> bool:
    return bool(node.meta.get(_OURS, False))


def note_in_float(node: Node, reason: str) -> None:
    node.meta[_IN_FLOAT] = reason


def why_in_float(node: Node) -> str | None:
    """The reason that the partitioner noted, or None."""
    reason: str | None = node.meta.get(_IN_FLOAT)
    return reason


def is_live(node: Node) -> bool:
    """Whether results depend on it; float ops that steps have replaced are still in the graph."""
    seen, queue = {node}, [node]
    while queue:
        one = queue.pop()
        if one.op == "output":
            return True
        queue += [user for user in one.users if user not in seen]
        seen.update(one.users)
    return False


@contextmanager
def standing_for(nodes: Iterable[Node]) -> Iterator[None]:
    """Nodes that are made meanwhile stand for `nodes`, for profiles."""
    handles = {handle: None for node in nodes for handle in debug_handles(node)}
    before = _handles.set(tuple(handles))
    try:
        yield
    finally:
        _handles.reset(before)


def debug_handles(node: Node) -> tuple[int, ...]:
    """ExecuTorch's debug handles of the ops that `node` is, or stands for."""
    own = node.meta.get(_HANDLES)
    if own is None:
        own = node.meta.get("debug_handle")
        own = own if isinstance(own, (list, tuple)) else (own,)
    return tuple(handle for handle in own if handle is not None)


def copy_program(program: ExportedProgram) -> ExportedProgram:
    """A copy of everything but the values of weights."""
    tensors = (*program.state_dict.values(), *program.constants.values())
    return copy.deepcopy(program, {id(tensor): tensor for tensor in tensors})


def edited_copy(
    program: ExportedProgram,
    is_wanted: Callable[[Node], Any],
    edit: Callable[[Node], None],
    clean_up: Callable[[Graph], Any] = Graph.eliminate_dead_code,
) -> ExportedProgram:
    """`program` itself where no node is wanted, or else a copy in which each has been edited; what
    `edit` leaves without readers is removed by `clean_up`."""
    if not any(map(is_wanted, program.graph.nodes)):
        return program
    copied = copy_program(program)
    for node in list(copied.graph.nodes):
        if is_wanted(node):
            edit(node)
    clean_up(copied.graph)
    copied.graph_module.recompile()
    return copied


def fake_result(
    target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], graph: Graph | None = None
) -> Any:
    """`target` called with fake tensors, or with sizes alone, of `graph`."""
    mode = detect_fake_mode((args, kwargs))
    if mode is None and graph is not None:
        inputs = graph.find_nodes(op="placeholder")
        mode = detect_fake_mode([one.meta.get("val") for one in inputs])
    # Without the mode and Python's dispatcher, some ops turn dynamic sizes into numbers.
    with enable_python_dispatcher(), mode or nullcontext():
        return target(*args, **kwargs)


def call_after(
    graph: Graph,
    place: Node,
    target: Any,
    args: tuple[Argument, ...],
    kwargs: dict[str, Argument] | None = None,
) -> Node:
    """A call of `target` right behind `place`, with its fake result computed."""
    kwargs = kwargs or {}
    with graph.inserting_after(place):
        node = graph.call_function(target, args, kwargs)
    fake_args, fake_kwargs = map_arg((args, kwargs), lambda argument: argument.meta["val"])
    node.meta["val"] = fake_result(target, fake_args, fake_kwargs, graph)
    if is_ours(place):
        mark_as_ours(node)
    if handles := _handles.get():
        node.meta[_HANDLES] = handles
    return node


def call_before(place: Node, target: Any, *args: Any, **kwargs: Any) -> Node:
    """A call of `target` right before `place`, of whose `meta` it has the rest."""
    with place.graph.inserting_before(place):
        node = place.graph.call_function(target, args, kwargs)
    fake_args = map_arg(args, lambda argument: argument.meta["val"])
    node.meta = {**place.meta, "val": fake_result(target, fake_args, kwargs)}
    return node


def read_contiguous(reader: Node) -> None:
    """In an ATen program: let `reader` read its first argument behind a contiguous copy."""
    x = reader.args[0]
    assert isinstance(x, Node)
    clone = torch.ops.aten.clone.default
    copied = call_before(reader, clone, x, memory_format=torch.contiguous_format)
    reader.replace_input_with(x, copied)


def redo_on(move: Node, inputs: Sequence[Node], place: Node) -> Node:
    """The op `move`, which only moves elements, done on `inputs` instead, right behind `place`."""
    graph = move.graph
    if (part := part_as_slice(move)) is not None:
        target, args = part
        return call_after(graph, place, target, (inputs[0], *args))
    if move.target == CAT:
        args = (list(inputs), named_argument(move, 1, "dim", 0))
        return call_after(graph, place, CAT, args)
    # What a clone says of memory formats holds for the float tensor.
    kwargs = {} if move.target in CLONE_OPS else dict(move.kwargs)
    return call_after(graph, place, move.target, (inputs[0], *move.args[1:]), kwargs)


def hand_over(result: Node, moves: Iterable[Node], replaced: Iterable[Node]) -> None:
    """Let the readers of `replaced` read `result`, with `moves` redone on it.

    Each move stands behind the old one, because its sizes may be computed in front of that.
    """
    for move in moves:
        result = redo_on(move, (result,), move)
    for node in replaced:
        node.replace_all_uses_with(result)
