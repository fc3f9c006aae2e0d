"""Every model case again, in other processes: under the Khronos validation layer, on a second
driver, and without hardware features. The bytes must be those of the run in this process; only
where an exp() gives a float32 output may another driver differ, by exp()'s own error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from drivers import on_driver
from model_cases import CASES, ModelCase, each_case
from other_process import OtherProcess, other_process
from programs import pte_bytes, run

VARIANTS = {
    "validation": {"ETVK_VALIDATION": "1"},
    "staged": {"ETVK_DISABLE": "mapped_memory", "ETVK_VALIDATION": "1"},
    "copied": {"ETVK_DISABLE": "mapped_memory,direct_input,direct_output"},
    "no_dot": {"ETVK_DISABLE": "dot", "ETVK_VALIDATION": "1"},
    "swiftshader": {},
}
FLOATS_FROM_EXP = {
    f"{activation}_float_output"
    for activation in ("sigmoid", "tanh", "silu", "gelu", "gelu_tanh", "elu")
}
# Vulkan allows exp(x) 3 + 2 |x| units in the last place; |x| is below 10 in these cases.
EXP_ERROR = (3 + 2 * 10) * 2**-23
# Transcendental ops on the CPU side are the same code in both processes, so all cases qualify.


@cache
def expected_bytes(name: str) -> list[bytes]:
    outputs = run(pte_bytes(name), CASES[name].inputs())
    return [output.contiguous().numpy().tobytes() for output in outputs]


def test_cases_with_exp_exist() -> None:
    assert set(CASES) >= FLOATS_FROM_EXP


# Of the session, for tests of other modules stand between those of this one.
@pytest.fixture(scope="session")
def process_of() -> Iterator[Callable[[str], OtherProcess]]:
    """One process a variant, from its first model on."""
    with ExitStack() as processes:

        @cache
        def start(name: str) -> OtherProcess:
            environment = on_driver(name)[1] if name == "swiftshader" else VARIANTS[name]
            return processes.enter_context(other_process(environment))

        yield start


@each_case()
@pytest.mark.parametrize(
    "name",
    [
        # Staging and the validation layer are what a change on one driver breaks.
        pytest.param(name, marks=[] if name == "staged" else pytest.mark.all)
        for name in VARIANTS
    ],
)
def test_same_bytes(
    case: ModelCase, name: str, process_of: Callable[[str], OtherProcess], tmp_path: Path
) -> None:
    outputs, stderr = process_of(name).run(pte_bytes(case.name), case.inputs(), tmp_path)
    assert "[etvk validation]" not in stderr
    for output, expected in zip(outputs, expected_bytes(case.name), strict=True):
        actual = output.contiguous().numpy().tobytes()
        if name == "swiftshader" and case.name in FLOATS_FROM_EXP:
            floats = [np.frombuffer(one, np.float32) for one in (actual, expected)]
            np.testing.assert_allclose(*floats, rtol=EXP_ERROR, atol=EXP_ERROR)
        else:
            assert actual == expected


def test_validation_messages_are_failures(tmp_path: Path) -> None:
    """The layer is really there: a program under it says so in the loader's own log."""
    case = CASES["mlp"]
    with other_process({"ETVK_VALIDATION": "1", "VK_LOADER_DEBUG": "layer"}) as process:
        _, stderr = process.run(pte_bytes(case.name), case.inputs(), tmp_path)
    assert "VK_LAYER_KHRONOS_validation" in stderr
