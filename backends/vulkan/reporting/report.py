"""The report that explain() gives: a row for each node, and how it prints."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

NOT_ON_VULKAN = "not on Vulkan"

_MOST_LINES = 60  # a longer table is printed with equal rows as one
_MOST_KINDS = 40
_WIDEST = 44  # columns of such a table
_WIDEST_REASON = 60


@dataclass(frozen=True)
class Row:
    """What became of one node.

    Attributes:
        method: of the program, such as "forward".
        node: its name in the edge graph.
        op: its operator, such as "aten.addmm.default".
        became: the operator that does its work in the delegate, "not on Vulkan", or the name of
            another backend.
        delegate: number of the Vulkan delegate in the method, None outside of them.
        reason: for a node that is not on Vulkan, or a quantized layer that runs there in float32:
            why, and what to change.
    """

    method: str
    node: str
    op: str
    became: str
    delegate: int | None
    reason: str


@dataclass(frozen=True)
class Report:
    """The rows of all methods in graph order; prints as a table and a summary by reason."""

    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def left_out(self) -> tuple[Row, ...]:
        """The rows of nodes that are not on Vulkan."""
        return tuple(row for row in self.rows if row.delegate is None)

    @property
    def in_float(self) -> tuple[Row, ...]:
        """The rows of quantized layers that run on Vulkan in float32, not in int8."""
        return tuple(row for row in self.rows if row.delegate is not None and row.reason)

    @property
    def reasons(self) -> tuple[tuple[str, int], ...]:
        """Each reason and how many nodes have it, the most frequent first.

        Nodes that belong to a layer count for its reason, and so do reasons that differ in
        numbers or in the names of nodes only; the first of them stands for all.
        """
        return count_by_kind(row.reason for row in self.left_out)

    def table(self) -> str:
        """Every row on a line of its own, nothing cut."""
        return _aligned([self._columns(), *map(self._cells, self.rows)])

    def __str__(self) -> str:
        is_long = len(self.rows) > _MOST_LINES
        return f"{self._table_of_kinds() if is_long else self.table()}\n\n{self._summary()}"

    def _columns(self) -> list[str]:
        names = [field.name for field in fields(Row)]
        if len({row.method for row in self.rows}) < 2:
            names.remove("method")
        return names

    def _cells(self, row: Row) -> list[str]:
        values = (getattr(row, name) for name in self._columns())
        cells = ["-" if value in (None, "") else str(value) for value in values]
        return [cell.removeprefix("quantized_decomposed.") for cell in cells]

    def _table_of_kinds(self) -> str:
        """Rows that differ in node, delegate and numbers only as one line, long cells cut."""
        kinds: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in self.rows:
            kinds[(row.method, row.op, row.became, kind_of(row.reason))].append(row)
        lines = [["rows", *self._columns()]]
        for rows in list(kinds.values())[:_MOST_KINDS]:
            cells = self._cells(rows[0])
            delegates = sorted({row.delegate for row in rows if row.delegate is not None})
            if len(delegates) > 1:
                cells[-2] = f"{delegates[0]} to {delegates[-1]}"
            cut = [_cut(cell, _WIDEST) for cell in cells[:-1]]
            lines.append([str(len(rows)), *cut, _cut(cells[-1], _WIDEST_REASON)])
        note = f"{len(self.rows)} rows, of one kind as one line with the first one's node"
        if len(kinds) > _MOST_KINDS:
            note += f", {len(kinds) - _MOST_KINDS} kinds left out"
        return f"{_aligned(lines)}\n\n{note}; print(report.table()) has all of them, uncut."

    def _summary(self) -> str:
        delegates = {(row.method, row.delegate) for row in self.rows if row.delegate is not None}
        on_vulkan = len(self.rows) - len(self.left_out)
        several = "" if len(delegates) == 1 else "s"
        lines = [
            f"{on_vulkan} of {len(self.rows)} nodes are on Vulkan, in {len(delegates)} "
            f"delegate{several}"
        ]
        if self.left_out:
            verb = "is" if len(self.left_out) == 1 else "are"
            lines[0] += f"; {len(self.left_out)} {verb} not:"
            lines += _counted(self.reasons)
        if self.in_float:
            what = "layer runs" if len(self.in_float) == 1 else "layers run"
            lines.append(f"{len(self.in_float)} quantized {what} in float32:")
            lines += _counted(count_by_kind(row.reason for row in self.in_float))
        return "\n".join(lines)


def count_by_kind(reasons: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """As `Report.reasons`, of any reasons."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        kinds[kind_of(reason)].append(_OWNER.sub("", reason))
    counted = ((same[0], len(same)) for same in kinds.values())
    return tuple(sorted(counted, key=lambda item: -item[1]))


def _counted(reasons: Sequence[tuple[str, int]]) -> list[str]:
    width = len(str(reasons[0][1]))
    return [f"  {count:{width}}  {reason}" for reason, count in reasons]


_OWNER = re.compile(r"it belongs to \w+: ")
_NUMBER = re.compile(r"(_|\b)\d[\d.]*(e[-+]?\d+)?\b")


def kind_of(reason: str) -> str:
    return _NUMBER.sub("", _OWNER.sub("", reason))


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 3]}..."


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[-1] = 0  # the last column may be long
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
