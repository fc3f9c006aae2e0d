"""What to delegate of a graph: int8 steps, and the supported ops that hang together with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from executorch.backends.vulkan.utils import node_comes_from_any_nn_module_in_set
from torch.fx import GraphModule, Node

from .partition_levels import CyclicUnitError, group_by_level
from .patterns.arithmetic import ARITHMETIC_OPS
from .patterns.constants import Constants
from .patterns.edge_ops import (
    DEQUANTIZE,
    MOVE_OPS,
    QUANTIZE,
    is_alias,
    is_dequantize,
    is_part,
    is_quantize,
    is_symint,
    moves_elements,
    node_argument,
    op_name,
    tensor_of,
)
from .patterns.quantized_linear import QuantizedLinearMatch
from .patterns.rejection import Rejection
from .patterns.residual import ResidualMatch
from .patterns.steps import Step, StepPlan, match_steps
from .supported_ops import SUPPORTED, layout_problem, rank_problem, refusal


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
        steps: the int8 steps that are delegated; filled by `partitions`, as are the rejections.
        rejections: why other candidates are not.
    """

    def __init__(
        self, graph_module: GraphModule, constants: Constants, op_filter: OpFilter
    ) -> None:
        self._graph = graph_module.graph
        self._constants = constants
        self._filter = op_filter
        self._excluded: dict[Node, str] = {}
        self._unfolded: set[Node] = set()
        self.steps: tuple[Step, ...] = ()
        self.rejections: list[Rejection] = []

    def partitions(self) -> list[Partition]:
        """The delegates to make, in the order in which they run."""
        candidates = self._candidates()
        plan = self._plan_steps()
        while True:
            steps, singles = _connected(plan.steps, candidates)
            try:
                groups = group_by_level(self._graph, [step.inner_nodes for step in steps], singles)
            except CyclicUnitError as error:
                shared = _shared_constants(steps)
                for step in steps:
                    if step.inner_nodes in error.reasons:
                        reason = error.reasons[step.inner_nodes]
                        self._take_back(step, shared.get(step.anchor_node, reason))
                plan = self._plan_steps()
                continue
            misplaced = _misplaced_sizes(groups)
            if not misplaced:
                break
            # Computed on the CPU instead, they may delay what reads them.
            candidates -= misplaced
        self.rejections += plan.rejections
        self.rejections += [Rejection(node, reason) for node, reason in self._excluded.items()]
        in_steps = {node for step in steps for node in step.inner_nodes}
        partitions = []
        for group in groups:
            members = set(group)
            inside = [step for step in steps if step.anchor_node in members]
            if any(step.is_work for step in inside):
                others = [node for node in group if node not in in_steps]
                partitions.append(Partition(tuple(group), _runs_on_stock(inside, others)))
                self.steps += tuple(inside)
        return partitions

    def reason(self, node: Node) -> str | None:
        """Why `partitions` left `node` out, or None where it does not say."""
        for rejection in self.rejections:
            if rejection.node is node:
                return rejection.reason
        return self._filter.problem(node)

    def _take_back(self, step: Step, reason: str) -> None:
        """Do without `step`, or with the layer and the add of a residual as two."""
        if isinstance(step, ResidualMatch):
            self._unfolded.add(step.anchor_node)
        else:
            self._excluded[step.anchor_node] = reason

    def _plan_steps(self) -> StepPlan:
        """The steps that can be made whole, with what the user's lists allow."""
        while True:
            plan = match_steps(self._graph, self._constants, self._excluded, self._unfolded)
            taken_back = False
            for step in plan.steps:
                if problem := self._problem(step):
                    self._take_back(step, problem)
                    taken_back = True
            if taken_back:
                continue
            inner = {node for step in plan.steps for node in step.inner_nodes}
            for step in plan.steps:
                if problem := _outside_reader(step, inner):
                    self._take_back(step, problem)
                    taken_back = True
            if not taken_back:
                return plan

    def _problem(self, step: Step) -> str | None:
        anchor = step.anchor_node
        # What moves elements is an op beside the layers, as a view is.
        is_layer = step.is_work and not moves_elements(anchor)
        if problem := self._filter.layer_problem(anchor) if is_layer else None:
            return problem
        for node in step.inner_nodes:
            if _is_listed(node, step) and (problem := self._filter.problem(node)):
                return problem
            if _is_walked(node) and (problem := rank_problem(node)):
                return problem
        for node in (*step.input_nodes, *step.output_nodes):
            if tensor_of(node) is not None and (problem := layout_problem(node)):
                return problem
        return None

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
                self.rejections.append(Rejection(node, problem))
        return found


def _is_walked(node: Node) -> bool:
    """True for the ops of steps whose kernels walk through tensors dimension by dimension."""
    return node.target in MOVE_OPS | ARITHMETIC_OPS or is_part(node)


def _is_listed(node: Node, step: Step) -> bool:
    """True where the user's lists of ops count for an op of a step.

    The anchor stands for a layer and its weight; quantization around it is part of any step.
    """
    if isinstance(step, QuantizedLinearMatch):
        return node is step.anchor_node or (node in step.tail.absorbed and not is_alias(node))
    if isinstance(step, ResidualMatch):
        return _is_listed(node, step.linear) or node is step.add
    return node.target not in (QUANTIZE, DEQUANTIZE)


def _outside_reader(step: Step, inner: Collection[Node]) -> str | None:
    """Who else needs a node that only exists in float, or None."""
    given = set(step.output_nodes)
    for node in step.computing_nodes:
        for user in node.users:
            if user not in inner and node not in given:
                if node in _constant_nodes(step):
                    return _shared_problem(node, user)
                return f"{node.name} is also read in float by {user.name}; quantize that reader"
    return None


def _constant_nodes(step: Step) -> tuple[Node, ...]:
    """The ops of a step that compute its weight and bias ahead of time."""
    layer = step.linear if isinstance(step, ResidualMatch) else step
    return layer.constant_nodes if isinstance(layer, QuantizedLinearMatch) else ()


def _shared_problem(node: Node, other: Node) -> str:
    """Why an op that is computed ahead of time for one layer can't serve `other` too."""
    if is_quantize(node):
        return (
            f"{node.name}, which quantizes its weight, is also read by {other.name}; fold it with "
            "convert_pt2e(..., fold_quantize=True)"
        )
    if is_dequantize(node):
        return (
            f"its dequantized weight or bias is also read by {other.name}; give that a copy of its "
            "own, or leave it out of the quantization"
        )
    return (
        f"{node.name}, which its constants are computed by, is also read by {other.name} outside "
        "of this delegate; give each layer constants of its own, or leave out the pass that made it"
    )


def _shared_constants(steps: Sequence[Step]) -> dict[Node, str]:
    """By anchor: the reason for steps that share an op on constants with another step."""
    readers: dict[Node, list[Node]] = defaultdict(list)
    for step in steps:
        for node in _constant_nodes(step):
            readers[node].append(step.anchor_node)
    problems: dict[Node, str] = {}
    for node, anchors in readers.items():
        for anchor in anchors if len(anchors) > 1 else ():
            other = next(one for one in anchors if one is not anchor)
            problems.setdefault(anchor, _shared_problem(node, other))
    return problems


def _connected(steps: Sequence[Step], candidates: Collection[Node]) -> tuple[list[Step], set[Node]]:
    """The steps and candidates that hang together with a step that is work.

    A quantize or view elsewhere would only send its tensor to the device and back.
    """
    steps_of: dict[Node, list[Step]] = defaultdict(list)
    for step in steps:
        for node in step.inner_nodes:
            steps_of[node].append(step)
    anchors = {step.anchor_node for step in steps if step.is_work}
    queue = [node for step in steps if step.is_work for node in step.inner_nodes]
    found: set[Node] = set(queue)
    while queue:
        node = queue.pop()
        for neighbour in (*node.all_input_nodes, *node.users):
            if neighbour in found:
                continue
            reached = [neighbour] if neighbour in candidates else []
            for step in steps_of[neighbour]:
                anchors.add(step.anchor_node)
                reached += step.inner_nodes
            for one in reached:
                if one not in found:
                    found.add(one)
                    queue.append(one)
    kept = [step for step in steps if step.anchor_node in anchors]
    singles = found - {node for step in kept for node in step.inner_nodes}
    # Sizes belong to the delegate only where nothing outside reads them.
    for node in sorted(singles, reverse=True):
        if is_symint(node) and any(user not in found for user in node.users):
            found.discard(node)
            singles.discard(node)
    return kept, singles


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


def _runs_on_stock(steps: Sequence[Step], others: Sequence[Node]) -> bool:
    """True where ExecuTorch's own Vulkan runtime can run the partition rightly as well."""
    from_steps = {node for step in steps for node in step.output_nodes}

    def is_plain(node: Node) -> bool:
        if node.target == QUANTIZE:
            return True
        # A dequantize of a quantize that stays is kept by an op which the stock runtime lacks.
        source = node_argument(node, 0) if node.target == DEQUANTIZE else None
        return source is not None and (source.target != QUANTIZE or source in from_steps)

    return all(step.runs_on_stock for step in steps) and all(map(is_plain, others))
