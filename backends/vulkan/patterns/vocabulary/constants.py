"""Constants of an exported program: what is known of their values, and new ones.

A constant is a parameter or buffer that nothing writes, or what ops compute from constants alone:
casts, views and permutes that passes put in, quantizes that PT2E did not fold.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from executorch.backends.transforms.utils import create_constant_placeholder
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import ExportGraphSignature, InputKind, InputSpec
from torch.fx import Graph, Node
from torch.fx.node import map_arg
from torch.utils.weak import TensorWeakRef

from ...external_constants import share_data_file
from .edge_ops import is_symint, overload_of, tensor_of, without_copy

# Values of constants by state dict name. Weak, so that a partitioner keeps no model alive.
KnownValues = Mapping[str, TensorWeakRef]


class UnknownValueError(ValueError):
    """A constant's value is not at hand."""


def known_values(program: ExportedProgram) -> KnownValues:
    """The constants of `program`, while it lives."""
    return {
        name: TensorWeakRef(tensor)
        for name, tensor in {**program.constants, **program.state_dict}.items()
        if isinstance(tensor, torch.Tensor) and not isinstance(tensor, FakeTensor)
    }


def is_computed_from(
    node: Node, is_leaf: Callable[[Node], bool], answers: dict[Node, bool] | None = None
) -> bool:
    """True where ops that always give the same compute `node` from such placeholders alone.

    Args:
        answers: what is known of other nodes, which is added to: a question for each node of a
            chain then costs one step, not the way back to the chain's start.
    """
    answers = {} if answers is None else answers
    queue = [node]
    while queue:
        one = queue[-1]
        sources = one.all_input_nodes
        if one in answers:
            queue.pop()
        elif one.op == "placeholder":
            answers[one] = is_leaf(one)
        elif not _gives_the_same(one) or not all(answers.get(source, True) for source in sources):
            answers[one] = False
        elif unknown := [source for source in sources if source not in answers]:
            queue += unknown
        else:
            answers[one] = True
    return answers[node]


def _gives_the_same(node: Node) -> bool:
    if node.op != "call_function" or is_symint(node):
        return False
    op = overload_of(node)
    if op is None:
        return node.target is operator.getitem
    return torch.Tag.nondeterministic_seeded not in op.tags


def ops_behind(nodes: Iterable[Node]) -> list[Node]:
    """The ops that compute constants, themselves included, each once."""
    found: dict[Node, None] = {}
    queue = list(nodes)
    while queue:
        node = queue.pop()
        if node.op == "call_function" and node not in found:
            found[node] = None
            queue += node.all_input_nodes
    return list(found)


def _placeholders_behind(node: Node) -> list[Node]:
    sources = [node, *(source for op in ops_behind([node]) for source in op.all_input_nodes)]
    return [source for source in sources if source.op == "placeholder"]


@contextmanager
def _tensor_first(graph: Graph) -> Iterator[None]:
    """Let ExecuTorch, which takes the fake mode from a graph's first node, find a tensor there."""
    first = next(iter(graph.nodes))
    own = first.meta["val"]
    if is_symint(first):
        first.meta["val"] = next(
            found for one in graph.nodes if (found := tensor_of(one)) is not None
        )
    try:
        yield
    finally:
        first.meta["val"] = own


_CONSTANT_KINDS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


class Constants:
    """Answers about the constants of one program, and new ones.

    While a program is partitioned its state dict holds fake tensors; `known` then supplies the
    real ones. A question that can't be answered gives None. Of `written`, buffers that other
    methods write, none is a constant.

    What is found is kept, so that many questions take time in proportion. Values may be replaced
    by equal ones meanwhile, as rewrites do it; after any other change, ask a new object.
    """

    def __init__(
        self,
        program: ExportedProgram,
        known: Iterable[KnownValues] = (),
        written: Collection[str] = (),
    ) -> None:
        self._program = program
        self._known = tuple(known)
        self._answers: dict[Node, bool] = {}
        self._signature: ExportGraphSignature | None = None
        self._specs: dict[str, InputSpec] = {}
        self._written = frozenset(written)
        self._mutated: frozenset[str] = frozenset()

    def is_constant(self, node: Node) -> bool:
        """True for a placeholder that nothing writes, and for what is computed from such alone."""
        return is_computed_from(node, self._is_unchanged, self._answers)

    def _is_unchanged(self, placeholder: Node) -> bool:
        spec = self._spec(placeholder)
        return spec is not None and spec.target not in self._mutated

    def _spec(self, placeholder: Node) -> InputSpec | None:
        """What the signature, which each question of its own lists anew, says of a constant."""
        signature = self._program.graph_signature
        if signature is not self._signature:
            self._signature = signature
            self._specs = {
                spec.arg.name: spec
                for spec in signature.input_specs
                if spec.kind in _CONSTANT_KINDS
            }
            self._mutated = self._written.union(signature.buffers_to_mutate.values())
        return self._specs.get(placeholder.name)

    def values(self, node: Node) -> tuple[torch.Tensor, ...]:
        """The values that the constant `node` may have; empty where nothing is known.

        More than one where several programs share a partitioner and a tensor name.
        """
        try:
            return (self._evaluate(node, {}),)
        except UnknownValueError:
            pass
        found = []
        for known in self._known:
            try:
                found.append(self._evaluate(node, known))
            except UnknownValueError:
                continue
        return tuple(found)

    def value(self, node: Node) -> torch.Tensor:
        """The value of the constant `node`; it must not be written to.

        Raises:
            UnknownValueError: where it is not at hand, or `node` is no constant.
        """
        if not self.is_constant(node):
            raise UnknownValueError(f"{node.name} is not a constant")
        first, *others = self.values(node) or (None,)
        if first is None or not all(
            one is not None and one.dtype == first.dtype and torch.equal(one, first)
            for one in others
        ):
            raise UnknownValueError(f"the value of {node.name} is not known")
        return first

    def _evaluate(self, node: Node, known: KnownValues) -> Any:
        """Each of the nodes behind it once, however many read it."""
        found: dict[Node, Any] = {}
        pending = [node]
        while pending:
            one = pending[-1]
            missing = [source for source in one.all_input_nodes if source not in found]
            if missing:
                pending += missing
                continue
            pending.pop()
            if one.op == "placeholder":
                found[one] = self._leaf(one, known)
                continue
            args, kwargs = map_arg((one.args, dict(one.kwargs)), found.__getitem__)
            with torch.no_grad():
                found[one] = without_copy(one.target)(*args, **kwargs)
        return found[node]

    def _leaf(self, node: Node, known: KnownValues) -> torch.Tensor:
        spec = self._spec(node)
        if spec is None or spec.target is None:
            raise UnknownValueError(f"{node.name} is not a constant")
        name = spec.target
        is_in_state = spec.kind == InputKind.PARAMETER or spec.persistent
        tensor = (self._program.state_dict if is_in_state else self._program.constants)[name]
        if not isinstance(tensor, FakeTensor):
            return tensor.detach()
        # Numbers that lowering itself turned into constants keep their values.
        if tensor.constant is not None:
            return tensor.constant
        real = known[name]() if name in known else None
        if real is None or (real.shape, real.dtype) != (tensor.shape, tensor.dtype):
            raise UnknownValueError(f"the value of {node.name} is not known")
        return real.detach()

    def add(
        self, graph: Graph, what: str, values: torch.Tensor, source: Node | None = None
    ) -> Node:
        """A new placeholder with these values, one for all that ask for the same.

        Args:
            what: what it is, the first part of its name; the digest of the values is the rest.
            source: the constant that it is made of, whose data file it shares.
        """
        tensor = torch.empty(values.shape, dtype=values.dtype).copy_(values)
        digest = hashlib.sha1(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
        first = next(iter(graph.nodes))
        self._spec(first)
        with graph.inserting_before(first), _tensor_first(graph):
            constant = create_constant_placeholder(
                exp_program=self._program,
                graph=graph,
                name=f"{what}_{digest.hexdigest()[:16]}",
                kind=InputKind.PARAMETER,
                data=tensor,
            )
        if self._program.graph_signature is self._signature:
            return constant
        # Each constant makes a new signature; it stands first in it, as in the graph.
        self._signature = self._program.graph_signature
        self._specs[constant.name] = self._signature.input_specs[0]
        for placeholder in () if source is None else _placeholders_behind(source):
            share_data_file(constant, placeholder)
        return constant

    def as_placeholder(
        self,
        graph: Graph,
        what: str,
        node: Node,
        arrange: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor,
    ) -> Node:
        """The constant `node` as a placeholder: itself where it is one already, or a new one.

        Args:
            what: as for `add`.
            arrange: moves its elements first.

        Raises:
            UnknownValueError: where its value is not at hand, or it is no constant.
        """
        value = self.value(node)
        arranged = arrange(value)
        # The serializer writes a tensor's whole storage, so a part of a larger one is copied.
        is_whole = value.untyped_storage().nbytes() <= value.nbytes
        if node.op == "placeholder" and is_whole and arranged.is_set_to(value):
            return node
        return self.add(graph, what, arranged, node)
