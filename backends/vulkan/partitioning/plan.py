"""What to delegate of a graph: int8 steps, and the supported ops that hang together with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from ..patterns.quantized_linear import QuantizedLinearMatch
from ..patterns.rules.arithmetic import ARITHMETIC_OPS
from ..patterns.rules.residual import ResidualMatch
from ..patterns.steps import Step, StepPlan, match_steps
from ..patterns.vocabulary.constants import Constants
from ..patterns.vocabulary.edge_ops import (
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
    tensor_of,
)
from ..patterns.vocabulary.rejection import Rejection
from .foreign_quantization import foreign_quantization
from .levels import CyclicUnitError, group_by_level
from .op_filter import OpFilter
from .supported_ops import SUPPORTED, layout_problem, rank_problem, refusal
from .worth import worth_problem

_ALONE = (
    "it would be a delegate without a layer: ops outside of Vulkan read its result before the next "
    "layer can run"
)


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

    Args:
        for_others: another backend may take what is left, so its ops keep their quantizes and
            dequantizes.

    Attributes:
        graph, constants: what the plan is for.
        steps: the int8 steps that are delegated; filled by `partitions`, as are the rejections.
        rejections: why other candidates are not.
    """

    def __init__(
        self,
        graph_module: GraphModule,
        constants: Constants,
        op_filter: OpFilter,
        for_others: bool = False,
    ) -> None:
        self.graph = graph_module.graph
        self.constants = constants
        self._filter = op_filter
        self._for_others = for_others
        self._owners: dict[Node, Node] = {}
        self._reasons: dict[Node, str] = {}
        self._excluded: dict[Node, str] = {}
        self._unfolded: set[Node] = set()
        self.steps: tuple[Step, ...] = ()
        self.rejections: list[Rejection] = []

    def partitions(self) -> list[Partition]:
        """The delegates to make, in the order in which they run."""
        candidates = self._candidates()
        plan = self._plan_steps()
        while True:
            inner = {node for step in plan.steps for node in step.inner_nodes}
            if self._for_others:
                self._owners = foreign_quantization(self.graph, candidates - inner, inner)
            steps, singles = _connected(plan.steps, candidates - self._owners.keys())
            try:
                groups = group_by_level(self.graph, [step.inner_nodes for step in steps], singles)
            except CyclicUnitError as error:
                shared = _shared_constants(steps)
                for step in steps:
                    if step.inner_nodes in error.reasons:
                        reason = error.reasons[step.inner_nodes]
                        self._take_back(step, shared.get(step.anchor_node, reason))
                plan = self._plan_steps()
                continue
            misplaced = _misplaced_sizes(groups)
            if misplaced:
                # Computed on the CPU instead, they may delay what reads them.
                candidates -= misplaced
                continue
            partitions = _with_work(groups, steps)
            if not self._take_back_unworthy(partitions):
                break
            plan = self._plan_steps()
        self.rejections += plan.rejections
        self.rejections += [Rejection(node, reason) for node, reason in self._excluded.items()]
        in_steps = {node for step in steps for node in step.inner_nodes}
        found = []
        for group, inside in partitions:
            others = [node for node in group if node not in in_steps]
            found.append(Partition(tuple(group), _runs_on_stock(inside, others)))
            self.steps += tuple(inside)
        delegated = {node for group, _ in partitions for node in group}
        self._reasons = {one: _ALONE for group in groups for one in group if one not in delegated}
        self._reasons |= {one.node: one.reason for one in reversed(self.rejections)}
        return found

    def reason(self, node: Node) -> str | None:
        """Why `partitions` left `node` out, or None where it does not say."""
        if (owner := self._owners.get(node)) is not None:
            return f"it belongs to {owner.name}: {self.reason(owner) or refusal(owner)}"
        if node in self._reasons:
            return self._reasons[node]
        return self._filter.problem(node)

    def _take_back(self, step: Step, reason: str) -> None:
        """Do without `step`, or with the layer and the add of a residual as two."""
        if isinstance(step, ResidualMatch):
            self._unfolded.add(step.anchor_node)
        else:
            self._excluded[step.anchor_node] = reason

    def _take_back_unworthy(self, partitions: Sequence[tuple[list[Node], list[Step]]]) -> bool:
        """Do without the steps of partitions that are not worth a delegate; True if there are."""
        found = False
        for group, inside in partitions:
            if problem := worth_problem(group, self.constants.is_constant):
                found = True
                for step in inside:
                    if step.is_work:
                        self._take_back(step, problem)
        return found

    def _plan_steps(self) -> StepPlan:
        """The steps that can be made whole, with what the user's lists allow."""
        while True:
            plan = match_steps(self.graph, self.constants, self._excluded, self._unfolded)
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
        for node in reversed(self.graph.nodes):
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


def _with_work(
    groups: Sequence[list[Node]], steps: Sequence[Step]
) -> list[tuple[list[Node], list[Step]]]:
    """The groups in which a step is work, with their steps."""
    place = {node: index for index, group in enumerate(groups) for node in group}
    inside: list[list[Step]] = [[] for _ in groups]
    for step in steps:
        inside[place[step.anchor_node]].append(step)
    return [
        (group, members)
        for group, members in zip(groups, inside, strict=True)
        if any(step.is_work for step in members)
    ]


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
