"""q8ta_linear and linear_q8ta_q8csw against NumPy, byte by byte, on every kernel of the table.

The device is the one that the environment names; several_drivers/test_op_drivers.py runs this
module again on others: an independent one, and one that has cooperative matrices on a CPU.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers import DRIVERS
from linear_fixture import (
    Linear,
    OpError,
    assert_exact,
    assert_same_bytes,
    cpp_reference,
    device_name,
    glsl_module,
    kernels,
    random_linear,
    run_linear,
)

OTHER_DRIVER = os.environ.get("ETVK_TEST_DRIVER", "")  # set in the run on another one
SLOW_DRIVER = OTHER_DRIVER == "swiftshader"  # compiles and runs large tiles slowly: fewer cases
# How the kernel paths end that are tested: there, what other drivers lack.
PATHS = "coopmat" if OTHER_DRIVER == "lavapipe_coopmat" else ""
RANDOM_CASES = 500
ZERO_POINTS = (0, -128, 127)


# The build's own table, so that a row that was left out of the build is seen here.
ROWS = {row.name: row for row in glsl_module("kernels").KERNELS if "linear" in row.op.name}
TESTED = [row.name for row in ROWS.values() if row.path.endswith(PATHS)]
every_kernel = pytest.mark.parametrize("name", TESTED)


def _require(name: str) -> None:
    available = kernels()
    if name not in available:
        pytest.skip(f"{name} was left out of this build: glslang is too old for it")
    if available[name].refusal:
        pytest.skip(f"{name} {available[name].refusal}")


def _is_quantized(name: str) -> bool:
    return name.startswith("q8ta_linear__")


def _edges(tile: int) -> list[int]:
    return sorted({1, max(tile - 1, 1), tile, tile + 1, 2 * tile + 3})


def _choices(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "with_bias": bool(rng.integers(2)),
        "relu": bool(rng.integers(2)),
        "input_zero_point": int(rng.choice(ZERO_POINTS)),
        "output_zero_point": int(rng.choice(ZERO_POINTS)),
    }


@every_kernel
def test_tile_edges(name: str) -> None:
    """Sizes around the tile: every pair of an M and an N, an M and a K, an N and a K."""
    _require(name)
    row = ROWS[name]
    m_sizes = _edges(row.tile_m)
    n_sizes = _edges(row.tile_n)
    # Rows of x at each alignment: whole quads, whole words, bytes.
    k_sizes = sorted({1, row.tile_k, row.tile_k + 1, row.tile_k + 4, 2 * row.tile_k - 1})
    rng = np.random.default_rng(len(name))
    step = 2 if SLOW_DRIVER else 1
    for i, m in enumerate(m_sizes):
        for j, n in list(enumerate(n_sizes))[i % step :: step]:
            k = k_sizes[(i + j) % len(k_sizes)]
            linear = random_linear(
                rng, m, k, n, quantized_output=_is_quantized(name), **_choices(rng)
            )
            assert assert_exact(linear, name) == name


@every_kernel
@pytest.mark.parametrize("k", [1000, 65536])
def test_extremes(name: str, k: int) -> None:
    """The largest sums of either sign, with nothing but zero points and values at their ends."""
    _require(name)
    rng = np.random.default_rng(k)
    # A slow driver takes seconds for so many steps in large tiles: one zero point must do there.
    for zero_point in ZERO_POINTS[2:] if SLOW_DRIVER and k == 65536 else ZERO_POINTS:
        linear = random_linear(
            rng,
            *(2, k, 5),
            extreme=True,
            quantized_output=_is_quantized(name),
            input_zero_point=zero_point,
            output_zero_point=zero_point,
        )
        linear.x[0] = 127 if zero_point < 0 else -128
        linear.weights[:2] = np.array([[-128], [127]], np.int8)
        assert_exact(linear, name)


def test_too_large_a_k_is_refused() -> None:
    rng = np.random.default_rng(1)
    linear = random_linear(rng, 1, 66000, 2, extreme=True, input_zero_point=127)
    linear.weights[:] = -128
    with pytest.raises(OpError, match="K = 66000 could overflow"):
        run_linear(linear)
    linear.weights[:] = 1  # proven safe from the weights
    assert_exact(linear)


@pytest.mark.parametrize("bounds", [(-128, 127), (-127, 127), (-5, 100), (7, 7), (0, 127)])
@pytest.mark.parametrize("relu", [False, True])
def test_output_range(bounds: tuple[int, int], relu: bool) -> None:
    low, high = bounds
    for zero_point in (low, (low + high) // 2, high):
        linear = random_linear(np.random.default_rng(high - low), 9, 33, 21, relu=relu)
        linear.quant_min, linear.quant_max, linear.output_zero_point = low, high, zero_point
        assert_exact(linear)


def test_ties_round_to_even() -> None:
    """Sums of 0.5, 1.5, 2.5 ... steps: x is a step count, the weight one half of a step."""
    x = np.arange(-128, 128, dtype=np.int8).reshape(-1, 1)
    linear = Linear(
        x, np.ones((1, 1), np.int8), np.ones(1, np.float32), input_scale=0.5, output_scale=1.0
    )
    assert_exact(linear)


def test_float_input_is_quantized_by_the_op() -> None:
    rng = np.random.default_rng(3)
    for m, k, n in ((1, 64, 10), (5, 37, 18), (70, 130, 66)):
        linear = random_linear(rng, m, k, n, quantized_output=False, input_zero_point=-7)
        linear.x = rng.normal(0, 2, (m, k)).astype(np.float32)
        linear.input_scale = 0.04
        assert_exact(linear)


def test_cpp_reference_is_the_same() -> None:
    """The benchmark checks with another implementation of the same definition."""
    rng = np.random.default_rng(4)
    for m, k, n in ((1, 1, 1), (3, 65, 7), (33, 200, 130), (2, 65536, 3)):
        for quantized_output in (False, True):
            linear = random_linear(rng, m, k, n, quantized_output=quantized_output, **_choices(rng))
            assert_same_bytes(cpp_reference(linear), linear.expected(), "C++ reference")


def _split(m: int, parts: int) -> list[int]:
    """m as a product of `parts` factors, the first ones as small as possible."""
    factors = []
    for _ in range(parts - 1):
        factor = next((f for f in range(2, m + 1) if m % f == 0), 1)
        factors.append(factor)
        m //= factor
    return [*factors, m]


def _random_case(data: st.DataObject, quantized_output: bool) -> Linear:
    m = data.draw(st.integers(1, 300), label="M")
    k = data.draw(st.integers(1, 300), label="K")
    n = data.draw(st.integers(1, 300), label="N")
    linear = random_linear(
        np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed")),
        *(m, k, n),
        extreme=data.draw(st.booleans(), label="extreme"),
        with_bias=data.draw(st.booleans(), label="bias"),
        relu=data.draw(st.booleans(), label="relu"),
        quantized_output=quantized_output,
        input_zero_point=data.draw(st.integers(-128, 127), label="input zero point"),
    )
    linear.output_zero_point = data.draw(st.integers(-128, 127), label="output zero point")
    linear.leading = _split(m, data.draw(st.integers(1, 4), label="leading dimensions"))
    return linear


random_cases = settings(
    max_examples=RANDOM_CASES, deadline=None, suppress_health_check=list(HealthCheck)
)


@random_cases
@given(data=st.data())
def test_random_shapes(data: st.DataObject) -> None:
    fitting = [name for name, row in kernels().items() if not row.refusal and name in TESTED]
    kernel = data.draw(st.sampled_from([None, *fitting]), label="kernel")
    quantized_output = _is_quantized(kernel) if kernel else data.draw(st.booleans(), label="int8")
    assert_exact(_random_case(data, quantized_output), kernel)


@settings(random_cases, max_examples=20 if SLOW_DRIVER else 100)
@given(data=st.data())
def test_selection_without_dot_product(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETVK_DISABLE", "dot,coopmat")
        ran = assert_exact(_random_case(data, data.draw(st.booleans(), label="int8")))
    assert not {"dot4", "coopmat"} & set(ROWS[ran].features)


def test_forced_kernel_must_exist_and_fit() -> None:
    linear = random_linear(np.random.default_rng(5), 40, 32, 8)
    with pytest.raises(OpError, match="there is no kernel no_such_kernel"):
        run_linear(linear, "no_such_kernel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETVK_DISABLE", "dot")
        name = next(name for name in ROWS if "__dot4__" in name and _is_quantized(name))
        with pytest.raises(OpError, match=f"{name} cannot run on .*packed dot product"):
            run_linear(linear, name)


@pytest.fixture(scope="module", autouse=True)
def _right_device() -> None:
    if OTHER_DRIVER and DRIVERS[OTHER_DRIVER].device not in device_name():
        pytest.fail(f"the device is {device_name()}, not {OTHER_DRIVER}", pytrace=False)
    rows = [row for name, row in kernels().items() if name in TESTED]
    if all(row.refusal for row in rows):
        pytest.fail(f"{device_name()} can run no kernel: {rows}", pytrace=False)
