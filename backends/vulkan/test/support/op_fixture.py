"""Runs ops of the runtime on NumPy operands, one or a chain of them, through the C++ test library.

An argument is what the blob would hold: None, bool, int, float, str, a list of integers or of
floats, a list of tensors, an array (an input of the program), a `Constant`, a `Sym`, or the
`Output` of another call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from linear_fixture import check, glsl_module, kernels, library


def each_row(*ops: str) -> pytest.MarkDecorator:
    """Runs a test, by its parameter `row`, with every row of the kernel table for these ops."""
    rows = [row for row in glsl_module("kernels").KERNELS if row.op.name in ops]
    assert rows, f"the kernel table has none of {ops}"
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


def force_row(monkeypatch: pytest.MonkeyPatch, row: Any) -> None:
    """Ops that this row can run, run it, however small they are; skips where the device cannot."""
    if refusal := kernels()[row.name].refusal:
        pytest.skip(f"{row.name} {refusal}")
    monkeypatch.setenv("ETVK_KERNEL", row.name)


def edges(tile: int) -> list[int]:
    """Sizes around the edges of words, of groups of words, and of a tile."""
    around = [tile - 1, tile, tile + 1, 2 * tile + 3]
    return sorted({1, 2, 3, 4, 5, 15, 16, 17, *(size for size in around if size > 0)})


@dataclass(frozen=True)
class Constant:
    """A tensor of the program."""

    array: np.ndarray


@dataclass(frozen=True)
class Dynamic:
    """An input whose declared upper bound is larger than its sizes."""

    array: np.ndarray
    bounds: tuple[int, ...]


@dataclass(frozen=True)
class Sym:
    """A symbolic integer, which comes in as an input."""

    value: int


@dataclass(frozen=True, eq=False)
class Output:
    """What a call writes: a value of its own, even where another one is of the same shape."""

    dtype: Any
    bounds: tuple[int, ...]


class _Value(ctypes.Structure):
    """struct EtvkTestValue."""

    _fields_ = (
        ("kind", c_int32),
        ("dtype", c_int32),
        ("integer", c_int64),
        ("number", c_double),
        ("text", c_char_p),
        ("items", POINTER(c_int64)),
        ("sizes", POINTER(c_int64)),
        ("item_count", c_int64),
        ("data", c_void_p),
    )


class _Call(ctypes.Structure):
    """struct EtvkTestCall."""

    _fields_ = (("op", c_char_p), ("args", POINTER(c_int32)), ("arg_count", c_int64))


_KINDS = (
    *("null", "int", "double", "bool", "string", "int_list", "value_list", "sym_int"),
    *("input", "constant", "result", "output", "double_list"),
)
_DTYPES = {"bool": 0, "uint8": 1, "int8": 2, "int32": 3, "float32": 5, "int64": 7}


class _Program:
    """Values of a chain of calls, and what they point at."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.values: list[_Value] = []
        self._kept: list[Any] = []
        self._tensors: dict[int, int] = {}  # by the object: one that is named twice is one value
        self._outputs = {id(output): _OutputMemory(output) for output in outputs}

    def _numbers(self, numbers: Sequence[int]) -> Any:
        array = (c_int64 * max(len(numbers), 1))(*numbers)
        self._kept.append(array)
        return ctypes.cast(array, POINTER(c_int64))

    def _add(self, kind: str, items: Sequence[int] = (), **fields: Any) -> int:
        value = _Value(kind=_KINDS.index(kind), items=self._numbers(items), **fields)
        value.item_count = len(items)
        self.values.append(value)
        return len(self.values) - 1

    def _doubles(self, numbers: Sequence[float]) -> int:
        array = np.array(numbers, np.float64)
        self._kept.append(array)
        index = self._add("double_list", data=array.ctypes.data)
        self.values[index].item_count = len(numbers)
        return index

    def _tensor(self, kind: str, array: np.ndarray, bounds: Sequence[int]) -> int:
        array = np.ascontiguousarray(array).reshape(array.shape)
        self._kept.append(array)
        return self._add(
            kind,
            bounds,
            dtype=_DTYPES[array.dtype.name],
            sizes=self._numbers(array.shape),
            data=array.ctypes.data,
        )

    def _result(self, output: Output) -> int:
        dtype = _DTYPES[np.dtype(output.dtype).name]
        if id(output) not in self._outputs:
            return self._add("result", output.bounds, dtype=dtype)
        memory = self._outputs[id(output)]
        return self._add(
            "output",
            output.bounds,
            dtype=dtype,
            sizes=ctypes.cast(memory.sizes, POINTER(c_int64)),
            data=memory.data.ctypes.data,
        )

    def result_of(self, output: Output) -> np.ndarray:
        memory = self._outputs[id(output)]
        shape = tuple(memory.sizes)[: len(output.bounds)]
        return memory.data[: int(np.prod(shape))].reshape(shape)

    def add(self, value: Any) -> int:
        """The id of the value."""
        if isinstance(value, bool):
            return self._add("bool", integer=value)
        if isinstance(value, int):
            return self._add("int", integer=value)
        if isinstance(value, float):
            return self._add("double", number=value)
        if isinstance(value, str):
            return self._add("string", text=value.encode())
        if isinstance(value, Sym):
            return self._add("sym_int", integer=value.value)
        if isinstance(value, np.ndarray | Output):
            if id(value) not in self._tensors:
                self._kept.append(value)
                self._tensors[id(value)] = (
                    self._result(value)
                    if isinstance(value, Output)
                    else self._tensor("input", value, value.shape)
                )
            return self._tensors[id(value)]
        if isinstance(value, Dynamic):
            return self._tensor("input", value.array, value.bounds)
        if isinstance(value, Constant):
            return self._tensor("constant", value.array, value.array.shape)
        if isinstance(value, list):
            if all(type(item) is int for item in value):
                return self._add("int_list", value)
            if all(type(item) is float for item in value):
                return self._doubles(value)
            return self._add("value_list", [self.add(item) for item in value])
        assert value is None, f"{value!r} cannot be an argument"
        return self._add("null")


class _OutputMemory:
    """Where an output of a program is written."""

    def __init__(self, output: Output) -> None:
        self.data = np.zeros(max(int(np.prod(output.bounds)), 1), output.dtype)
        self.sizes = (c_int64 * max(len(output.bounds), 1))()


def run_chain(
    calls: Sequence[tuple[str, Sequence[Any], Output | list[Output]]], outputs: Sequence[Output]
) -> tuple[list[np.ndarray], list[str]]:
    """The `outputs` of a program of (op, arguments, output) calls, and the kernels that it ran.

    The output of an op with several results is their list, of which the first one is written.
    Fails the test if the kernel of a single call wrote behind its output, up to its bounds. Raises
    OpError where the runtime refuses the program.
    """
    program = _Program(outputs)
    rows = []
    for op, arguments, output in calls:
        ids = [program.add(argument) for argument in arguments]
        ids.append(program.add(output))
        rows.append(_Call(op.encode(), (c_int32 * len(ids))(*ids), len(ids)))
    kernels = c_char_p()
    guard = c_int32()
    check(
        library().etvk_test_program(
            (_Call * len(rows))(*rows),
            c_int64(len(rows)),
            (_Value * len(program.values))(*program.values),
            c_int64(len(program.values)),
            byref(kernels),
            byref(guard),
        )
    )
    results = [program.result_of(output) for output in outputs]
    assert guard.value <= 0, (
        f"{calls[0][0]} changed {guard.value} bytes behind its output of {results[0].shape}"
    )
    names = (kernels.value or b"").decode()
    return results, names.split(",") if names else []


def run_op(op: str, arguments: Sequence[Any], output: Output) -> np.ndarray:
    """y of one call of `op`, for example "et_vk.q8ta_table.default".

    Fails the test if the kernel wrote behind y, up to its bounds. Raises OpError where the runtime
    refuses the op.
    """
    results, _ = run_chain([(op, arguments, output)], [output])
    return results[0]
