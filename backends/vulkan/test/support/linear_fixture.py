"""Runs single ops of the runtime: ctypes bindings of the C++ test library, and random operands.

The library is libetvk_testing.so in build/editable/lib, or in $ETVK_BUILD_DIR/lib.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import json
import os
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int8, c_int32, c_int64
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import reference

ROOT = Path(__file__).resolve().parents[4]
SUPPORT = Path(__file__).resolve().parent  # where scripts that tests run find these modules
BUILD = Path(os.environ.get("ETVK_BUILD_DIR", ROOT / "build" / "editable"))


def built(name: str) -> Path:
    """A file of the build, for example bin/etvk_bench; fails the test when it is not there."""
    path = BUILD / name
    if not path.exists():
        pytest.fail(f"{path} is missing: run ./dev setup", pytrace=False)
    return path


def glsl_module(name: str) -> ModuleType:
    """A table beside the shaders, as the build reads it: a plain file, outside of the package."""
    path = ROOT / f"backends/vulkan/runtime/graph/ops/glsl/{name}.py"
    spec = importlib.util.spec_from_file_location(f"etvk_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# ---- The library.


class _Linear(ctypes.Structure):
    """struct EtvkTestLinear."""

    _fields_ = (
        ("M", c_int64),
        ("N", c_int64),
        ("K", c_int64),
        ("leading", POINTER(c_int64)),
        ("leading_count", c_int64),
        ("input_scale", c_double),
        ("output_scale", c_double),
        ("input_zero_point", c_int32),
        ("output_zero_point", c_int32),
        ("quant_min", c_int32),
        ("quant_max", c_int32),
        ("relu", c_int32),
        ("quantized_output", c_int32),
        ("x", POINTER(c_int8)),
        ("float_x", POINTER(c_float)),
        ("weights", POINTER(c_int8)),
        ("weight_scales", POINTER(c_float)),
        ("bias", POINTER(c_float)),
        ("kernel", c_char_p),
    )


class _Result(ctypes.Structure):
    """struct EtvkTestResult."""

    _fields_ = (("changed_guard_bytes", c_int32), ("kernel", c_char * 128))


@functools.cache
def library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(built("lib/libetvk_testing.so")))
    for name in ("kernels", "device", "error", "blob_values"):
        getattr(library, f"etvk_test_{name}").restype = c_char_p
    return library


class OpError(RuntimeError):
    """The runtime refused to build or run the op; the message is its own."""


def check(code: int) -> None:
    if code != 0:
        raise OpError(library().etvk_test_error().decode())


def _pointer(array: np.ndarray | None, kind: Any) -> Any:
    return None if array is None else array.ctypes.data_as(POINTER(kind))


# ---- Kernels.


@dataclass(frozen=True)
class Kernel:
    """A row of the kernel table, and why this device cannot run it ("": it can)."""

    name: str
    op: str
    refusal: str


def kernels() -> dict[str, Kernel]:
    """All rows of the build, by name, for the device and ETVK_DISABLE of this moment."""
    text = library().etvk_test_kernels()
    if text is None:
        raise OpError(library().etvk_test_error().decode())
    return {row["name"]: Kernel(**row) for row in json.loads(text)}


def device_name() -> str:
    name = library().etvk_test_device()
    if name is None:
        raise OpError(library().etvk_test_error().decode())
    return name.decode()


# ---- Linear.


@dataclass
class Linear:
    """One layer with its operands. A float32 x is for a float32 output, and the op quantizes it."""

    x: np.ndarray  # int8 or float32 [M, K]
    weights: np.ndarray  # int8 [N, K]
    weight_scales: np.ndarray  # float32 [N]
    bias: np.ndarray | None = None  # float32 [N]
    input_scale: float = 0.02
    input_zero_point: int = 0
    quantized_output: bool = True
    output_scale: float = 1.0
    output_zero_point: int = 0
    quant_min: int = -128
    quant_max: int = 127
    relu: bool = False
    leading: list[int] = field(default_factory=list)  # dimensions of x before K; empty: [M]

    def expected(self) -> np.ndarray:
        x = self.x
        if x.dtype == np.float32:
            x = reference.quantize(x, self.input_scale, self.input_zero_point)
        f = reference.linear(
            x,
            self.weights,
            self.weight_scales,
            self.bias,
            self.input_scale,
            self.input_zero_point,
        )
        if not self.quantized_output:
            return f
        return reference.q8ta_linear(
            f,
            self.relu,
            self.output_scale,
            self.output_zero_point,
            self.quant_min,
            self.quant_max,
        )


def random_linear(
    rng: np.random.Generator, m: int, k: int, n: int, extreme: bool = False, **settings: Any
) -> Linear:
    """Uniform int8 operands, or with `extreme` only -128 and 127, one value a row.

    The scales spread the outputs over all of int8, with some beyond it.
    """
    if extreme:
        x = np.repeat(rng.choice([-128, 127], (m, 1)), k, axis=1).astype(np.int8)
        weights = np.repeat(rng.choice([-128, 127], (n, 1)), k, axis=1).astype(np.int8)
        spread = 255.0 * 128.0 * k
    else:
        x = rng.integers(-128, 128, (m, k), dtype=np.int8)
        weights = rng.integers(-128, 128, (n, k), dtype=np.int8)
        spread = 2.5 * 74.0 * 74.0 * k**0.5
    input_scale = float(rng.uniform(0.005, 0.05))
    weight_scales = rng.uniform(0.001, 0.01, n).astype(np.float32)
    real_spread = spread * input_scale * 0.005
    settings.setdefault("output_scale", real_spread / 127.0)
    if settings.pop("with_bias", True):
        settings["bias"] = (real_spread * rng.uniform(-0.3, 0.3, n)).astype(np.float32)
    return Linear(x, weights, weight_scales, input_scale=input_scale, **settings)


def _arguments(linear: Linear, kernel: str | None) -> _Linear:
    """Points into `linear`'s arrays, and holds on to what it makes itself."""
    m, k = linear.x.shape
    leading = np.array(linear.leading, np.int64)
    for array in (linear.x, linear.weights, linear.weight_scales, linear.bias):
        assert array is None or array.flags.c_contiguous
    assert linear.weights.dtype == np.int8 and linear.weight_scales.dtype == np.float32
    assert linear.bias is None or linear.bias.dtype == np.float32
    is_float = linear.x.dtype == np.float32
    arguments = _Linear(
        M=m,
        N=linear.weights.shape[0],
        K=k,
        leading=_pointer(leading if leading.size else None, c_int64),
        leading_count=leading.size,
        input_scale=linear.input_scale,
        output_scale=linear.output_scale,
        input_zero_point=linear.input_zero_point,
        output_zero_point=linear.output_zero_point,
        quant_min=linear.quant_min,
        quant_max=linear.quant_max,
        relu=linear.relu,
        quantized_output=linear.quantized_output,
        x=_pointer(None if is_float else linear.x, c_int8),
        float_x=_pointer(linear.x if is_float else None, c_float),
        weights=_pointer(linear.weights, c_int8),
        weight_scales=_pointer(linear.weight_scales, c_float),
        bias=_pointer(linear.bias, c_float),
        kernel=kernel.encode() if kernel else None,
    )
    arguments.keep_alive = leading
    return arguments


def _empty_output(linear: Linear) -> np.ndarray:
    shape = (linear.x.shape[0], linear.weights.shape[0])
    return np.empty(shape, np.int8 if linear.quantized_output else np.float32)


def run_linear(linear: Linear, kernel: str | None = None) -> tuple[np.ndarray, str]:
    """y [M, N] and the kernel that ran: the one named, or the one that selection chooses.

    Fails the test if the kernel wrote behind its output.
    """
    y = _empty_output(linear)
    result = _Result()
    check(
        library().etvk_test_linear(
            byref(_arguments(linear, kernel)), y.ctypes.data_as(ctypes.c_void_p), byref(result)
        )
    )
    ran = result.kernel.decode()
    assert result.changed_guard_bytes <= 0, (
        f"{ran} changed {result.changed_guard_bytes} bytes behind its output of shape {y.shape}"
    )
    return y, ran


def cpp_reference(linear: Linear) -> np.ndarray:
    """y [M, N] by the C++ reference of the benchmark."""
    y = _empty_output(linear)
    check(
        library().etvk_test_reference(
            byref(_arguments(linear, None)), y.ctypes.data_as(ctypes.c_void_p)
        )
    )
    return y


def assert_exact(linear: Linear, kernel: str | None = None) -> str:
    """Runs the layer, compares every byte with NumPy, and returns the kernel that ran."""
    y, ran = run_linear(linear, kernel)
    assert_same_bytes(y, linear.expected(), ran)
    return ran


def assert_same_bytes(actual: np.ndarray, expected: np.ndarray, what: str) -> None:
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    actual, expected = np.atleast_1d(actual, expected)
    differs = actual.view(np.uint8) != expected.view(np.uint8)
    if differs.any():
        at = np.argwhere(actual.view(f"u{actual.itemsize}") != expected.view(f"u{actual.itemsize}"))
        first = tuple(int(i) for i in at[0])
        pytest.fail(
            f"{what}: element {first} of {actual.shape} is {actual[first]}, expected "
            f"{expected[first]}; {len(at)} elements differ"
        )


# ---- Elementwise ops.


def run_quantize(
    x: np.ndarray, scale: float, zero_point: int, quant_min: int = -128, quant_max: int = 127
) -> np.ndarray:
    y = np.empty(x.shape, np.int8)
    guard = c_int32()
    check(
        library().etvk_test_quantize(
            _pointer(x, c_float),
            c_int64(x.size),
            c_double(scale),
            c_int32(zero_point),
            c_int32(quant_min),
            c_int32(quant_max),
            _pointer(y, c_int8),
            byref(guard),
        )
    )
    assert guard.value <= 0, f"quantize changed {guard.value} bytes behind its {x.size} outputs"
    return y


def run_dequantize(x: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    y = np.empty(x.shape, np.float32)
    guard = c_int32()
    check(
        library().etvk_test_dequantize(
            _pointer(x, c_int8),
            c_int64(x.size),
            c_double(scale),
            c_int32(zero_point),
            _pointer(y, c_float),
            byref(guard),
        )
    )
    assert guard.value <= 0, f"dequantize changed {guard.value} bytes behind its {x.size} outputs"
    return y
