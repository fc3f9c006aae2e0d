"""Constant tensors of an exported program: what is known of their values, and new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from executorch.backends.transforms.utils import (
    create_constant_placeholder,
    get_param_tensor,
    is_param_node,
)
from executorch.backends.vulkan.utils import get_tensor_name
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule, Node

# Every int8 sum over no more products than this fits int32, whatever the weights are.
SAFE_K = 65_536


class UnknownValueError(ValueError):
    """A constant's value is not at hand."""


@dataclass(frozen=True)
class TensorFacts:
    """What the rules need of a constant's values.

    Attributes:
        shape: its sizes.
        all_zero: every element is zero.
        single: the value itself, where there is only one.
        max_row_sum: max over rows of sum |w|; None where it is not needed, up to SAFE_K columns.
    """

    shape: tuple[int, ...]
    all_zero: bool
    max_row_sum: int | None
    single: torch.Tensor | None = field(default=None, compare=False)


def facts_of(tensor: torch.Tensor) -> TensorFacts:
    """Read the facts from real (not fake) values."""
    row_sum = None
    if tensor.dim() == 2 and tensor.shape[1] > SAFE_K:
        row_sum = max(int(row.to(torch.int64).abs().sum()) for row in tensor)
    single = tensor.detach().clone() if tensor.numel() == 1 else None
    return TensorFacts(tuple(tensor.shape), not bool(tensor.any()), row_sum, single)


def known_facts(program: ExportedProgram) -> dict[str, TensorFacts]:
    """Facts of the integer and the one-element constants of `program`, by state dict name."""
    return {
        name: facts_of(tensor)
        for name, tensor in {**program.constants, **program.state_dict}.items()
        if isinstance(tensor, torch.Tensor)
        and not isinstance(tensor, FakeTensor)
        and (not tensor.is_floating_point() or tensor.numel() == 1)
    }


class Constants:
    """Answers about the constants of one program.

    While a program is partitioned its state dict holds fake tensors; `known` then supplies facts
    that were read from the real ones before. A question that can't be answered gives None.
    """

    def __init__(
        self, program: ExportedProgram, known: Iterable[Mapping[str, TensorFacts]] = ()
    ) -> None:
        self._program = program
        self._known = tuple(known)

    def is_constant(self, node: Node) -> bool:
        if not is_param_node(self._program, node):
            return False
        signature = self._program.graph_signature
        return (
            signature.inputs_to_buffers.get(node.name) not in signature.buffers_to_mutate.values()
        )

    def facts(self, node: Node) -> tuple[TensorFacts, ...]:
        """Facts that the node's values may have; empty where nothing is known.

        More than one where several programs share a partitioner and a tensor name.
        """
        tensor = get_param_tensor(self._program, node)
        if tensor is None:
            return ()
        if not isinstance(tensor, FakeTensor):
            return (facts_of(tensor),)
        name = get_tensor_name(self._program, node)
        candidates = (facts[name] for facts in self._known if name in facts)
        return tuple(facts for facts in candidates if facts.shape == tuple(tensor.shape))

    def value(self, node: Node) -> torch.Tensor | None:
        """The constant's values, or None where they are not known (yet)."""
        tensor = get_param_tensor(self._program, node)
        if tensor is None:
            return None
        if not isinstance(tensor, FakeTensor):
            return tensor.detach()
        # Numbers that lowering itself turned into constants keep their values.
        if tensor.constant is not None:
            return tensor.constant
        first, *others = [facts.single for facts in self.facts(node)] or [None]
        if first is None or not all(
            one is not None and one.dtype == first.dtype and torch.equal(one, first)
            for one in others
        ):
            return None
        return first


def real_tensor(program: ExportedProgram, node: Node) -> torch.Tensor:
    """The constant's values.

    Raises:
        ValueError: where `node` is no constant of `program`, or its values are not at hand.
    """
    tensor = get_param_tensor(program, node) if is_param_node(program, node) else None
    if tensor is None or isinstance(tensor, FakeTensor):
        raise ValueError(f"{node.name} is not a constant with values")
    return tensor.detach()


def add_constant(
    program: ExportedProgram,
    graph_module: GraphModule,
    name: str,
    make: Callable[[], torch.Tensor],
) -> Node:
    """A constant placeholder called `name`, made with `make` where it does not exist yet.

    The name must determine the values: layers that share a weight share what is derived from it.
    """
    name = name.replace(".", "_")
    graph = graph_module.graph
    for node in graph.nodes:
        if node.op == "placeholder" and node.meta.get("requested_name") == name:
            return node
    with graph.inserting_before(next(iter(graph.nodes))):
        return create_constant_placeholder(
            exp_program=program,
            graph=graph,
            name=name,
            kind=InputKind.PARAMETER,
            data=make(),
        )


def padded_to_4(
    program: ExportedProgram, graph_module: GraphModule, node: Node, length: int
) -> Node:
    """The 1-D constant itself, or a zero-padded copy, so that its size is a multiple of 4.

    A copy, never the tensor in place: another op may read the same constant.

    Args:
        length: how many leading elements count; more may be there if it is padded already.
    """
    tensor = real_tensor(program, node)
    target = (length + 3) // 4 * 4
    if tensor.shape[0] == target:
        return node

    def make() -> torch.Tensor:
        return torch.nn.functional.pad(tensor[:length], (0, target - length)).contiguous()

    return add_constant(
        program, graph_module, f"{get_tensor_name(program, node)}_padded_{target}", make
    )
