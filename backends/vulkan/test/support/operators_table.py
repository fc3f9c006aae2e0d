"""Writes docs/operators.md: of each operator of ExecuTorch's backend test suite, what of its
programs is on Vulkan.

    .venv/bin/python backends/vulkan/test/support/operators_table.py [OPERATOR ...]

With names, only their rows are made anew, and with --flows only these columns. It plans tests of
the suite once a flow, which takes minutes; with --all, all of them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from backend_suite import FLOWS, Planned, operators, planned_tests
from executorch_vulkan.patterns.vocabulary.edge_ops import ALIAS_OPS, MOVE_OPS, SPLIT_OPS

PAGE = Path(__file__).parents[4] / "docs" / "operators.md"
COLUMNS = ("operator", *FLOWS, "what stays outside, and why")
HEAD = f"""# Operators

What becomes of the operators of ExecuTorch's backend test suite (executorch 1.5.1,
`backends/test/suite/operators`), by the first and the last test of each; int8 is static, by
XNNPACKQuantizer. "whole": each program is one delegate with nothing beside it. "m of n": so many
of the programs are; "partly": parts of programs are. A program that only moves data computes
nothing, so it is no delegate by itself: "moves". "?": not asked yet. Made by
`backends/vulkan/test/support/operators_table.py`.

| {" | ".join(COLUMNS)} |
|{"---|" * len(COLUMNS)}
"""
_MOVES = {op.__name__ for op in MOVE_OPS | ALIAS_OPS | SPLIT_OPS}
_NODE = re.compile(r"\b[a-z_]*aten_[a-z0-9_]+|\b[a-z]_[0-9]\b")

Cells = dict[str, str]  # by column


def cells_of(name: str, flows: Sequence[str], ends_only: bool = True) -> Cells:
    """What is known of an operator once it has been planned in these flows."""
    by_flow = {flow: planned_tests(name, flow, ends_only) for flow in flows}
    reasons: dict[str, None] = {}
    for programs in by_flow.values():
        for program in programs:
            if not _only_moves(program):
                reasons |= dict.fromkeys(_said(op, why) for op, why in program.left)
    shares = {flow: _share(programs) for flow, programs in by_flow.items()}
    return {COLUMNS[0]: name, **shares, COLUMNS[-1]: "; ".join(reasons) or "-"}


def _only_moves(program: Planned) -> bool:
    return program.delegates == 0 and all(op in _MOVES for op, _ in program.left)


def _share(programs: list[Planned]) -> str:
    """How much of the programs of one flow is on Vulkan."""
    whole = sum(program.delegates == 1 and not program.left for program in programs)
    computing = [program for program in programs if not _only_moves(program)]
    if not computing:
        return "moves"
    if whole == len(computing):
        return "whole"
    if whole > 0:
        return f"{whole} of {len(computing)}"
    return "partly" if any(program.delegates for program in computing) else "no"


def _said(op: str, why: str) -> str:
    """A reason without the names of nodes, which differ from program to program."""
    return f"`{op}`: {_NODE.sub('it', why)}"


def known_rows() -> dict[str, Cells]:
    """What the page has, by operator."""
    lines = PAGE.read_text().splitlines() if PAGE.exists() else []
    rows = [
        dict(zip(COLUMNS, line[2:-2].split(" | "), strict=True))
        for line in lines
        if line.startswith("| ")
    ]
    return {row[COLUMNS[0]]: row for row in rows[1:]}


def line_of(cells: Cells) -> str:
    return f"| {' | '.join(cells.get(column, '?') for column in COLUMNS)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operators", nargs="*", help="make only their rows anew")
    parser.add_argument("--flows", nargs="+", choices=list(FLOWS), default=list(FLOWS))
    parser.add_argument("--all", action="store_true", help="by all tests")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    known = known_rows()
    plan = partial(cells_of, flows=options.flows, ends_only=not options.all)
    with ProcessPoolExecutor(options.jobs) as pool:
        for cells in pool.map(plan, options.operators or operators()):
            name = cells[COLUMNS[0]]
            print(name, file=sys.stderr)
            known[name] = {**known.get(name, {}), **cells}
            PAGE.write_text(HEAD + "\n".join(line_of(known[one]) for one in sorted(known)) + "\n")


if __name__ == "__main__":
    main()
