"""What to delegate of a graph: int8 steps, float ops, and the views and moves beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from ..patterns.rules.arithmetic import ARITHMETIC_OPS
from ..patterns.rules.linear_operands import (
    has_quantized_operands,
    is_quantized_layer,
)
from ..patterns.steps import Matches, StepPlan, match_mac
from ..patterns.vocabulary.constants import Constants
from ..patterns.vocabulary.edge_ops import (
    DEQUANTIZE,
    MOVE_OPS,
    QUANTIZE,
    is_dequantize,
    is_part,
    is_quantize,
    is_symint,
    node_argument,
    op_of,
    tensor_of,
)
from ..patterns.vocabulary.moves import moves_elements
from ..patterns.vocabulary.rejection import Rejection
from ..patterns.vocabulary.step import Step
from .convolution_ops import computed_weight_problem
from .delegate_graph import delegate_graph
from .foreign_quantization import foreign_quantization
from .integers import wide_constant_problem
from .levels import CyclicUnitError, group_by_level
from .norm_ops import NORM_OPS
from .op_filter import OpFilter
from .supported_ops import SUPPORTED, computes, refusal
from .tensor_problems import layout_problem, rank_problem
from .worth import worth_problem

_ALONE = (
    "it would be a delegate that computes nothing: ops outside of Vulkan read its result before "
    "the next layer can run"
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


@dataclass(frozen=True)
class _Group:
    """What may become a partition.

    Attributes:
        nodes: in graph order.
        steps: those within it.
        singles: the nodes outside of these.
        computes: whether anything in it is work.
    """

    nodes: tuple[Node, ...]
    steps: tuple[Step, ...]
    singles: tuple[Node, ...]
    computes: bool


class PartitionPlan:
    """Decides what to delegate of one graph.

    Args:
        for_others: another backend may take what is left, so its ops keep their quantizes and
            dequantizes.

    Attributes:
        graph, constants: what the plan is for.
        steps: the int8 steps that are delegated; filled by `partitions`, as are the others.
        rejections: why other candidates are not delegated.
        in_float: why quantized layers, and other products of what is quantized, are delegated in
            float32.
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
        self._candidates: set[Node] = set()
        self._owners: dict[Node, Node] = {}
        self._reasons: dict[Node, str] = {}
        self._excluded: dict[Node, str] = {}
        self._unfolded: set[Node] = set()
        self._unworthy: dict[Node, str] = {}
        self.steps: tuple[Step, ...] = ()
        self.rejections: list[Rejection] = []
        self.in_float: dict[Node, str] = {}

    def partitions(self) -> list[Partition]:
        """The delegates to make, in the order in which they run."""
        self._find_candidates()
        matches = Matches(self.graph, self.constants)
        plan = self._plan_steps(matches)
        while (groups := self._grouped(plan.steps)) is None:
            plan = self._plan_steps(matches)
        made = [group for group in groups if group.computes]
        self.steps = tuple(step for group in made for step in group.steps)
        delegated = {node for group in made for node in group.nodes}
        self.rejections += map(self._float_reason, plan.rejections)
        taken_back = {**self._unworthy, **self._excluded}
        self.rejections += [Rejection(node, reason) for node, reason in taken_back.items()]
        self.in_float = self._found_in_float(made)
        self.rejections = [one for one in self.rejections if one.node not in delegated]
        idle = (group for group in groups if not group.computes)
        self._reasons = {node: _ALONE for group in idle for node in group.nodes}
        self._reasons |= {one.node: one.reason for one in reversed(self.rejections)}
        self._reasons |= self._unworthy
        return [Partition(one.nodes, _runs_on_stock(one.steps, one.singles)) for one in made]

    def reason(self, node: Node) -> str | None:
        """Why `partitions` left `node` out, or None where it does not say."""
        if (owner := self._owners.get(node)) is not None:
            return f"it belongs to {owner.name}: {self.reason(owner) or refusal(owner)}"
        if node in self._reasons:
            return self._reasons[node]
        return self._listed_problem(node)

    def _find_candidates(self) -> None:
        """What our runtime could run outside of steps, or has as a constant."""
        for node in reversed(self.graph.nodes):
            if node.op != "call_function":
                continue
            if self._is_foldable(node):
                self._candidates.add(node)
            elif node.target in SUPPORTED:
                problem = self._single_problem(node)
                if problem is None:
                    # Another backend may have an int8 kernel for what has none here.
                    if not self._for_others or not is_quantized_layer(node):
                        self._candidates.add(node)
                elif node.target == QUANTIZE:
                    self.rejections.append(Rejection(node, problem))
        # A result without its op, which a list of the user's may have kept off.
        self._candidates -= {one for one in self._candidates if op_of(one) not in self._candidates}

    def _found_in_float(self, groups: Sequence[_Group]) -> dict[Node, str]:
        """Of `rejections`, what will be found to be no int8 layer in its delegate as well: there,
        what is outside has no part in a step."""
        reasons = {one.node: one.reason for one in reversed(self.rejections)}
        found: dict[Node, str] = {}
        for group in groups:
            refused = [n for n in group.singles if n in reasons and has_quantized_operands(n)]
            copies = delegate_graph(group.nodes) if refused else {}
            found |= {
                node: reasons[node]
                for node in refused
                if isinstance(match_mac(copies[node], self.constants), Rejection)
            }
        return found

    def _float_reason(self, rejection: Rejection) -> Rejection:
        """Of a layer that is not quantized: why it does not run in float, where it could."""
        node = rejection.node
        if rejection.is_static or node.target not in SUPPORTED:
            return rejection
        problem = self._single_problem(node)
        return rejection if problem is None else Rejection(node, problem, is_static=False)

    def _single_problem(self, node: Node) -> str | None:
        """Why an op of SUPPORTED does not run outside of steps, or None where it may."""
        return (
            self._listed_problem(node)
            or refusal(node)
            or wide_constant_problem(node, self.constants)
            or computed_weight_problem(node, self.constants)
        )

    def _is_foldable(self, node: Node) -> bool:
        """True for what `fold_constants` makes a constant of the delegate."""
        return self.constants.is_constant(node) and layout_problem(node) is None

    def _listed_problem(self, node: Node) -> str | None:
        """Why the user's lists keep an op outside of steps off Vulkan, or None."""
        if is_symint(node):
            return None
        if computes(node):
            return self._filter.layer_problem(op_of(node))
        return self._filter.problem(node)

    def _plan_steps(self, matches: Matches) -> StepPlan:
        """The steps that can be made whole, with what the user's lists allow."""
        while True:
            plan = matches.plan(self._excluded, self._unfolded, rounds=not self._for_others)
            problems = [(step, self._problem(step)) for step in plan.steps]
            if not any(problem for _, problem in problems):
                inner = {node for step in plan.steps for node in step.nodes}
                given = {node for step in plan.steps for node in step.outputs}
                problems = [(step, self._outside_reader(step, inner, given)) for step in plan.steps]
            taken_back = [(step, problem) for step, problem in problems if problem]
            if not taken_back:
                return plan
            for step, problem in taken_back:
                self._take_back(step, problem)

    def _grouped(self, all_steps: Sequence[Step]) -> list[_Group] | None:
        """Steps and candidates that go together, or None where steps had to be taken back."""
        inner = {node for step in all_steps for node in step.nodes}
        while True:
            if self._for_others:
                free = self._candidates - inner
                self._owners = foreign_quantization(self.graph, free, inner)
            steps, singles = self._connected(all_steps)
            try:
                levels = group_by_level(self.graph, [step.nodes for step in steps], singles)
            except CyclicUnitError as error:
                shared = _shared_constants(steps)
                for step in steps:
                    if step.nodes in error.reasons:
                        reason = error.reasons[step.nodes]
                        self._take_back(step, shared.get(step.anchor, reason))
                return None
            levels = self._without_shared_constants(levels, inner)
            if misplaced := _misplaced_sizes(levels):
                # Computed on the CPU instead, they may delay what reads them.
                self._candidates -= misplaced
                continue
            groups = self._with_steps(levels, steps)
            unworthy = [(group, problem) for group in groups if (problem := self._worth(group))]
            if not unworthy:
                return groups
            for group, problem in unworthy:
                self._unworthy |= dict.fromkeys(filter(self._is_work, group.singles), problem)
                for step in group.steps:
                    if step.is_work:
                        self._take_back(step, problem)
            self._candidates -= self._unworthy.keys()
            if any(step.is_work for group, _ in unworthy for step in group.steps):
                return None

    def _worth(self, group: _Group) -> str | None:
        """Why the group is not worth a delegate, or None."""
        if not group.computes:
            return None
        if not self._reads_a_tensor(group):
            return (
                "it would be a delegate that reads nothing but sizes and constants; next to an op "
                "on Vulkan that reads a tensor it runs there as well"
            )
        is_quantized = any(step.is_work and step.is_quantized for step in group.steps)
        return worth_problem(group.nodes, self.constants.is_constant, is_quantized)

    def _reads_a_tensor(self, group: _Group) -> bool:
        """True where a tensor of the program goes in: ExecuTorch's passes need one."""
        members = set(group.nodes)
        return any(
            tensor_of(source) is not None and not self.constants.is_constant(source)
            for node in group.nodes
            for source in node.all_input_nodes
            if source not in members
        )

    def _is_work(self, node: Node) -> bool:
        """True for an op outside of steps that is worth a delegate, if its amount is."""
        return computes(node) and not self.constants.is_constant(node)

    def _take_back(self, step: Step, reason: str) -> None:
        """Do without `step`, or with a smaller one."""
        if step.fallback is not None:
            self._unfolded.add(step.anchor)
        else:
            self._excluded[step.anchor] = reason

    def _problem(self, step: Step) -> str | None:
        anchor = step.anchor
        # What moves elements is an op beside the layers, as a view is.
        is_layer = step.is_work and not moves_elements(anchor)
        if problem := self._filter.layer_problem(anchor) if is_layer else None:
            return problem
        for node in step.nodes:
            if node in step.listed and (problem := self._filter.problem(node)):
                return problem
            if _is_walked(node) and (problem := rank_problem(node)):
                return problem
        for node in (*step.reads, *step.outputs):
            if tensor_of(node) is not None and (problem := layout_problem(node)):
                return problem
        return None

    def _outside_reader(
        self, step: Step, inner: Collection[Node], given: Collection[Node]
    ) -> str | None:
        """Who else needs a node that only steps compute, and none of them gives, or None."""
        for node in step.float_only:
            for user in node.users:
                if user in inner or node in given or self._runs_in_float(node, step):
                    continue
                if node in step.constants:
                    return _shared_problem(node, user)
                return f"{node.name} is also read in float by {user.name}; quantize that reader"
        return None

    def _runs_in_float(self, node: Node, step: Step) -> bool:
        """True where a node of a step, and what it is computed from there, can run beside it."""
        if self.constants.is_constant(node):
            return False  # it can't be a result of the delegate
        members, queue = set(step.nodes), [node]
        while queue:
            one = queue.pop()
            if one in members:
                if one not in self._candidates:
                    return False
                members.discard(one)
                queue += one.all_input_nodes
        return True

    def _connected(self, all_steps: Sequence[Step]) -> tuple[list[Step], set[Node]]:
        """The steps, and other candidates, that hang together with what is work.

        A quantize or view elsewhere would only send its tensor to the device and back.
        """
        steps_of: dict[Node, list[Step]] = defaultdict(list)
        for step in all_steps:
            for node in step.nodes:
                steps_of[node].append(step)
        candidates = self._candidates - self._owners.keys()
        anchors = {step.anchor for step in all_steps if step.is_work}
        queue = [node for step in all_steps if step.is_work for node in step.nodes]
        queue += [one for one in candidates if one not in steps_of and self._is_work(one)]
        found: set[Node] = set(queue)
        while queue:
            node = queue.pop()
            for neighbour in (*node.all_input_nodes, *node.users):
                if neighbour in found:
                    continue
                reached = [neighbour] if neighbour in candidates else []
                for step in steps_of.get(neighbour, ()):
                    anchors.add(step.anchor)
                    reached += step.nodes
                for one in reached:
                    if one not in found:
                        found.add(one)
                        queue.append(one)
        kept = [step for step in all_steps if step.anchor in anchors]
        singles = found - {node for step in kept for node in step.nodes}
        # Sizes belong to the delegate only where nothing outside reads them.
        for node in sorted(singles, reverse=True):
            if is_symint(node) and any(user not in found for user in node.users):
                found.discard(node)
                singles.discard(node)
        return kept, singles

    def _without_shared_constants(
        self, levels: Sequence[Sequence[Node]], inner: Collection[Node]
    ) -> list[list[Node]]:
        """The levels without what is computed from constants and read elsewhere as well, nor what
        is computed from that: there it would be no constant.

        It can't be a result of a delegate. On the CPU it waits for nothing, so it delays nothing.
        """
        found = []
        for level in levels:
            members = set(level)
            singles = [one for one in level if one not in inner and self.constants.is_constant(one)]
            while broken := [one for one in singles if _is_broken(one, members)]:
                members -= set(broken)
                singles = [one for one in singles if one in members]
            found.append([node for node in level if node in members])
        return found

    def _with_steps(self, levels: Sequence[Sequence[Node]], steps: Sequence[Step]) -> list[_Group]:
        place = {node: index for index, level in enumerate(levels) for node in level}
        inside: list[list[Step]] = [[] for _ in levels]
        for step in steps:
            inside[place[step.anchor]].append(step)
        found = []
        for level, members in zip(levels, inside, strict=True):
            inner = {node for step in members for node in step.nodes}
            singles = tuple(node for node in level if node not in inner)
            is_work = any(step.is_work for step in members) or any(map(self._is_work, singles))
            found.append(_Group(tuple(level), tuple(members), singles, is_work))
        return found


def _is_broken(constant: Node, members: Collection[Node]) -> bool:
    """True where it, or an op that it is computed by, is not of `members` alone."""
    ops = (source for source in constant.all_input_nodes if source.op == "call_function")
    return any(one not in members for one in (*constant.users, *ops))


def _is_walked(node: Node) -> bool:
    """True for the ops of steps whose kernels walk through tensors dimension by dimension."""
    return node.target in MOVE_OPS | ARITHMETIC_OPS | NORM_OPS or is_part(node)


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
        for node in step.constants:
            readers[node].append(step.anchor)
    problems: dict[Node, str] = {}
    for node, anchors in readers.items():
        for anchor in anchors if len(anchors) > 1 else ():
            other = next(one for one in anchors if one is not anchor)
            problems.setdefault(anchor, _shared_problem(node, other))
    return problems


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
    from_steps = {node for step in steps for node in step.outputs}

    def is_plain(node: Node) -> bool:
        if node.target == QUANTIZE:
            return True
        # A dequantize of a quantize that stays is kept by an op which the stock runtime lacks.
        source = node_argument(node, 0) if node.target == DEQUANTIZE else None
        return source is not None and (source.target != QUANTIZE or source in from_steps)

    return all(step.on_stock for step in steps) and all(map(is_plain, others))
