"""Tensors in channels-last order: which are, and that every op gives the same elements.

Test ops stand for convolutions (cpp/OrderOps.h): they take and give the bytes of channels-last
tensors, [N, ..., C], so that nothing here relies on the strides that the runtime works out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import reference
from linear_fixture import assert_same_bytes
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_chain

PERMUTE = "aten.permute_copy.default"
TRANSPOSE = "aten.transpose_copy.int"
VIEW = "aten.view_copy.default"
CLONE = "aten.clone.default"
TABLE = "et_vk.q8ta_table.default"
SHAPES = (  # [N, C, ...]
    *((2, 3, 5, 7), (1, 16, 8, 8), (3, 4, 1, 9), (1, 1, 6, 5), (2, 33, 1, 1), (4, 5, 6, 4)),
    *((2, 3, 5), (1, 64, 17), (3, 1, 8), (2, 7, 1)),
)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
Calls = list[tuple[str, Sequence[Any], Output]]


def numbers(shape: Sequence[int], seed: int = 0, dtype: Any = np.int8) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(dtype)


TABLE_VALUES = numbers((256,), 99)


def apply_table(x: np.ndarray) -> np.ndarray:
    return TABLE_VALUES[x.astype(int) + 128]


def last(shape: Sequence[int]) -> tuple[int, ...]:
    """[N, C, ...] with the channels last."""
    return (shape[0], *shape[2:], shape[1])


def bytes_of(x: np.ndarray) -> np.ndarray:
    """The channels-last tensor, as a row-major one that has its bytes."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


class Chain:
    """Calls, made one after the other."""

    def __init__(self) -> None:
        self.calls: Calls = []

    def call(self, op: str, arguments: Sequence[Any], shape: Sequence[int], dtype: Any) -> Output:
        output = Output(dtype, tuple(shape))
        self.calls.append((op, arguments, output))
        return output

    def to_channels_last(self, x: np.ndarray) -> Output:
        return self.call("test.to_channels_last", [bytes_of(x)], x.shape, x.dtype)

    def from_channels_last(self, x: Output) -> Output:
        return self.call("test.from_channels_last", [x], last(x.bounds), x.dtype)

    def table(self, x: Any, shape: Sequence[int]) -> Output:
        return self.call(TABLE, [x, Constant(TABLE_VALUES)], shape, np.int8)

    def add(self, a: Any, b: Any, shape: Sequence[int]) -> Output:
        arguments = [a, 0.021, 3, b, 0.017, -7, "add", 0.04, 11, -128, 127]
        return self.call("et_vk.q8ta_binary.default", arguments, shape, np.int8)

    def run(self, *outputs: Output) -> tuple[list[np.ndarray], list[str]]:
        """The outputs, and the dispatches' kernels by their ops."""
        results, kernels = run_chain(self.calls, outputs)
        return results, [kernel.split("__")[0] for kernel in kernels]


def expected_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    g = reference.dequantize(a, 0.021, 3) + reference.dequantize(b, 0.017, -7)
    return reference.quantize(g, 0.04, 11, -128, 127)


def moves(kernels: Sequence[str]) -> list[str]:
    return [kernel for kernel in kernels if kernel.startswith(("strided_copy", "transpose"))]


# ---- Between channels-last ops.


@every_shape
def test_elementwise_chain_copies_nothing(shape: tuple[int, ...]) -> None:
    x = numbers(shape)
    chain = Chain()
    given = chain.to_channels_last(x)
    f = chain.call("et_vk.q8ta_dequantize.default", [given, 0.5, 3], shape, np.float32)
    quantize = [f, 0.25, -2, -128, 127, None]
    q = chain.call("quantized_decomposed.quantize_per_tensor.default", quantize, shape, np.int8)
    y = chain.add(chain.table(q, shape), given, shape)
    (result,), kernels = chain.run(chain.from_channels_last(y))
    assert not moves(kernels) and len(kernels) == 4
    q = reference.quantize(reference.dequantize(x, 0.5, 3), 0.25, -2, -128, 127)
    assert_same_bytes(result, bytes_of(expected_sum(apply_table(q), x)), "chain")


@every_shape
def test_program_outputs_are_row_major(shape: tuple[int, ...]) -> None:
    """Each read by a channels-last op as well, and one that is there twice."""
    x = numbers(shape)
    chain = Chain()
    given = chain.to_channels_last(x)
    y = chain.table(given, shape)
    back = chain.from_channels_last(y)
    flat = chain.call(VIEW, [y, [x.size]], (x.size,), np.int8)
    (a, b, c, d), kernels = chain.run(given, y, back, flat)
    assert_same_bytes(a, x, "what an alias wrote")
    assert_same_bytes(b, apply_table(x), "what is read in both orders")
    assert_same_bytes(c, bytes_of(apply_table(x)), "channels last")
    assert_same_bytes(d, apply_table(x).reshape(-1), "a view")
    two_orders = shape[1] > 1 and max(shape[2:]) > 1
    assert len(moves(kernels)) == (2 if two_orders else 0)  # one for each of the first two


@every_shape
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_row_major_operands(shape: tuple[int, ...], dtype: Any) -> None:
    """Inputs, constants, and aliases of an input are copied for a channels-last op."""
    x = numbers(shape, dtype=dtype)
    for operand in ("input", "constant", "view", "clone"):
        chain = Chain()
        source: Any = Constant(x) if operand == "constant" else x
        if operand == "view":
            source = chain.call(VIEW, [x.reshape(-1), list(shape)], shape, dtype)
        elif operand == "clone":
            source = chain.call(CLONE, [x], shape, dtype)
        read = chain.call("test.from_channels_last", [source], last(shape), dtype)
        (result,), kernels = chain.run(chain.call(CLONE, [read], last(shape), dtype))
        assert_same_bytes(result, bytes_of(x), operand)
        assert len(moves(kernels)) == len(kernels) <= 1


# ---- Permutes.


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 4], ids=str)
def test_permutes_are_aliases(shape: tuple[int, ...], dtype: Any) -> None:
    x = numbers(shape, dtype=dtype)
    chain = Chain()
    rows = chain.call(PERMUTE, [chain.to_channels_last(x), [0, 2, 3, 1]], last(shape), dtype)
    (result,), kernels = chain.run(rows)
    assert not kernels
    assert_same_bytes(result, bytes_of(x), "to rows")

    chain = Chain()
    y = chain.call(PERMUTE, [bytes_of(x), [0, -1, 1, -2]], shape, dtype)
    (result,), kernels = chain.run(chain.from_channels_last(y))
    assert not kernels
    assert_same_bytes(result, bytes_of(x), "from rows")


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 3], ids=str)
def test_transposes_are_aliases(shape: tuple[int, ...]) -> None:
    x = numbers(shape)
    chain = Chain()
    y = chain.call(TRANSPOSE, [bytes_of(x), 1, 2], shape, np.int8)
    back = chain.call(TRANSPOSE, [chain.table(y, shape), -1, 1], last(shape), np.int8)
    (result,), kernels = chain.run(back)
    assert kernels == ["q8ta_table"]
    assert_same_bytes(result, bytes_of(apply_table(x)), "transposes around a table")


def test_permutes_around_row_major_ops() -> None:
    """Without channels-last ops: the permutes that undo each other go, and only these."""
    x = numbers((2, 5, 7, 3))
    chain = Chain()
    y = chain.table(chain.call(PERMUTE, [x, [0, 3, 1, 2]], (2, 3, 5, 7), np.int8), (2, 3, 5, 7))
    back = chain.call(PERMUTE, [y, [0, 2, 3, 1]], x.shape, np.int8)
    (result,), kernels = chain.run(back)
    assert kernels == ["q8ta_table"]
    assert_same_bytes(result, apply_table(x), "there and back")

    chain = Chain()
    y = chain.table(chain.call(PERMUTE, [x, [0, 3, 1, 2]], (2, 3, 5, 7), np.int8), (2, 3, 5, 7))
    (result,), kernels = chain.run(y)
    assert len(moves(kernels)) == 1 and len(kernels) == 2
    assert_same_bytes(result, apply_table(x.transpose(0, 3, 1, 2)), "there")


@every_shape
def test_every_permutation(shape: tuple[int, ...]) -> None:
    """Of a channels-last tensor, to rows and to channels last."""
    x = numbers(shape)
    for dims in itertools.permutations(range(len(shape))):
        expected = np.ascontiguousarray(x.transpose(dims))
        chain = Chain()
        given = chain.to_channels_last(x)
        y = chain.call(PERMUTE, [given, list(dims)], expected.shape, np.int8)
        z = chain.call(PERMUTE, [given, list(dims)], expected.shape, np.int8)
        (rows, channels), kernels = chain.run(y, chain.from_channels_last(z))
        assert_same_bytes(rows, expected, f"{dims} to rows")
        assert_same_bytes(channels, bytes_of(expected), f"{dims} to channels last")
        assert len(kernels) <= 2


# ---- Views.


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 4], ids=str)
def test_views_of_what_is_behind_the_channels(shape: tuple[int, ...]) -> None:
    """The first layer of a vision transformer: no dispatch but the table."""
    x = numbers(shape)
    n, c, h, w = shape
    chain = Chain()
    y = chain.table(chain.to_channels_last(x), shape)
    flat = chain.call(VIEW, [y, [n, c, h * w]], (n, c, h * w), np.int8)
    tokens = chain.call(TRANSPOSE, [flat, 1, 2], (n, h * w, c), np.int8)
    (result,), kernels = chain.run(tokens)
    assert kernels == ["q8ta_table"]
    expected = bytes_of(apply_table(x).reshape(n, c, h * w))
    assert_same_bytes(result, expected, "tokens")

    chain = Chain()
    image = chain.call(TRANSPOSE, [expected, 1, 2], (n, c, h * w), np.int8)
    wide = chain.call("aten.unsqueeze_copy.default", [image, 2], (n, c, 1, h * w), np.int8)
    back = chain.call("aten.squeeze_copy.dims", [wide, [2]], (n, c, h * w), np.int8)
    folded = chain.call(VIEW, [back, list(shape)], shape, np.int8)
    (result,), kernels = chain.run(chain.from_channels_last(folded))
    assert not kernels
    assert_same_bytes(result, bytes_of(apply_table(x)), "image")


@every_shape
def test_views_of_the_channels(shape: tuple[int, ...]) -> None:
    x = numbers(shape)
    n, c, *rest = shape
    for to in ((n * c, *rest), (n, c * rest[0], *rest[1:]), (c, n, *rest), (x.size,)):
        chain = Chain()
        y = chain.call(VIEW, [chain.to_channels_last(x), list(to)], to, np.int8)
        (result,), _ = chain.run(y)
        assert_same_bytes(result, x.reshape(to), f"a view as {to}")


# ---- Ops that take either order.


@each_row(
    "strided_copy_bytes",
    "strided_copy_words",
    "strided_copy_groups",
    "transpose_bytes",
    "transpose_words",
)
@every_shape
def test_moves(shape: tuple[int, ...], row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each kernel that GPUs would choose, too."""
    force_row(monkeypatch, row)
    x, other = numbers(shape, 1), numbers(shape, 2)
    for dim, size in enumerate(shape):
        index = (slice(None),) * dim
        cases = {
            "aten.slice_copy.Tensor": ([dim, 1, None, 2], x[(*index, slice(1, None, 2))]),
            "aten.select_copy.int": ([dim, size - 1], x[(*index, size - 1)]),
        }
        for op, (arguments, expected) in cases.items():
            expected = np.ascontiguousarray(expected)
            chain = Chain()
            given = chain.to_channels_last(x)
            y = chain.call(op, [given, *arguments], expected.shape, np.int8)
            z = chain.call(op, [given, *arguments], expected.shape, np.int8)
            outputs = [y] if expected.ndim < 3 else [y, chain.from_channels_last(z)]
            results, _ = chain.run(*outputs)
            assert_same_bytes(results[0], expected, f"{op} of dim {dim}, to rows")
            for result in results[1:]:
                assert_same_bytes(result, bytes_of(expected), f"{op} of dim {dim}")

        expected = np.concatenate([x, other, x], dim)
        chain = Chain()
        given = chain.to_channels_last(x)
        cat = [[given, other, given], dim]
        y = chain.call("aten.cat.default", cat, expected.shape, np.int8)
        z = chain.call("aten.cat.default", cat, expected.shape, np.int8)
        results, _ = chain.run(y, chain.from_channels_last(z))
        assert_same_bytes(results[0], expected, f"cat of dim {dim}, to rows")
        assert_same_bytes(results[1], bytes_of(expected), f"cat of dim {dim}")


def test_cat_of_channels_copies_runs() -> None:
    """Parts and result channels-last: the dispatches are those of the concatenation."""
    x, other = numbers((2, 8, 5, 3), 1), numbers((2, 12, 5, 3), 2)
    chain = Chain()
    parts = [chain.to_channels_last(x), chain.to_channels_last(other)]
    y = chain.call("aten.cat.default", [parts, 1], (2, 20, 5, 3), np.int8)
    (result,), kernels = chain.run(chain.from_channels_last(y))
    assert_same_bytes(result, bytes_of(np.concatenate([x, other], 1)), "cat")
    assert len(kernels) == 2


@every_shape
def test_mean(shape: tuple[int, ...]) -> None:
    x = numbers(shape)
    for count in range(1, len(shape) + 1):
        for dims in itertools.combinations(range(len(shape)), count):
            acc = (x.astype(np.int64) - 5).sum(dims, keepdims=True).astype(np.int32)
            steps = int(np.prod([shape[dim] for dim in dims]))
            f = acc.astype(np.float32) * np.float32(0.03 / steps)
            expected = reference.quantize(f, 0.004, -9, -128, 127)
            chain = Chain()
            arguments = [chain.to_channels_last(x), 0.03, 5, list(dims), True, 0.004, -9, -128, 127]
            y = chain.call("et_vk.q8ta_mean.default", arguments, expected.shape, np.int8)
            (result,), kernels = chain.run(y)
            assert kernels == ["q8ta_mean"]
            assert_same_bytes(result, expected, f"mean over {dims}")


@every_shape
def test_broadcasting(shape: tuple[int, ...]) -> None:
    """Channels-last x with row-major operands that are repeated along any dimensions."""
    x = numbers(shape)
    for repeated in itertools.product([False, True], repeat=len(shape)):
        other = numbers([1 if r else size for r, size in zip(repeated, shape, strict=True)], 3)
        for operand in (other, Constant(other)):
            chain = Chain()
            y = chain.add(operand, chain.to_channels_last(x), shape)
            (result,), kernels = chain.run(chain.from_channels_last(y))
            assert_same_bytes(result, bytes_of(expected_sum(other, x)), f"repeated {repeated}")
            # A whole operand that is computed in rows is brought into the order of the other.
            copied = isinstance(operand, np.ndarray) and other.shape == shape
            assert len(moves(kernels)) <= (1 if copied else 0)


# ---- Sizes that are known when it runs.


@pytest.mark.parametrize("sizes", [(2, 3, 5, 7), (1, 3, 2, 4), (2, 3, 1, 1), (1, 3, 5, 7)], ids=str)
def test_dynamic_sizes(sizes: tuple[int, ...]) -> None:
    bounds = (2, 3, 5, 7)
    x = numbers(sizes)
    chain = Chain()
    source = Dynamic(bytes_of(x), last(bounds))
    given = chain.call("test.to_channels_last", [source], bounds, np.int8)
    y = chain.table(given, bounds)
    z = chain.add(y, given, bounds)
    mean = [z, 0.03, 5, [2, 3], False, 0.004, -9, -128, 127]
    means = chain.call("et_vk.q8ta_mean.default", mean, bounds[:2], np.int8)
    results, _ = chain.run(y, chain.from_channels_last(z), means)
    total = expected_sum(apply_table(x), x)
    assert_same_bytes(results[0], apply_table(x), "an output")
    assert_same_bytes(results[1], bytes_of(total), "channels last")
    acc = (total.astype(np.int64) - 5).sum((2, 3)).astype(np.float32)
    f = acc * np.float32(0.03 / (sizes[2] * sizes[3]))
    assert_same_bytes(results[2], reference.quantize(f, 0.004, -9, -128, 127), "means")
