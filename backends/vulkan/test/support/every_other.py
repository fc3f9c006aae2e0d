"""Parameters of tests whose combinations are many: half of them without --all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest


def every_other(names: str, *axes: Iterable[Any]) -> pytest.MarkDecorator:
    """Combinations of a value of each axis. Without --all there is each value, and of three axes
    each pair of values."""
    combinations = itertools.product(*(list(enumerate(values)) for values in axes))
    params = [
        pytest.param(
            *(value for _, value in combination),
            marks=[pytest.mark.all] if sum(place for place, _ in combination) % 2 else [],
        )
        for combination in combinations
    ]
    return pytest.mark.parametrize(names, params)
