"""Pooling against PyTorch: int8 byte by byte, float32 against float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from linear_fixture import OpError, assert_same_bytes
from op_fixture import Dynamic, Output, each_row, force_row, run_chain, run_op

TO_LAST, FROM_LAST = "test.to_channels_last", "test.from_channels_last"
INPUT, OUTPUT = (0.03, 5), (0.02, -9)


@dataclass(frozen=True)
class Pool:
    """One pooling; `divisor` is that of an average."""

    kind: str = "max"
    kernel: tuple[int, ...] = (3, 3)
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    ceil_mode: bool = False
    include_pad: bool = True
    divisor: int | None = None
    output: tuple[int, int] = (1, 1)

    @property
    def names(self) -> tuple[str, str]:
        """In float32 and in int8."""
        return {
            "max": ("aten.max_pool2d_with_indices.default", "et_vk.q8ta_max_pool2d.default"),
            "avg": ("aten.avg_pool2d.default", "et_vk.q8ta_avg_pool2d.default"),
            "adaptive_max": (
                "aten.adaptive_max_pool2d.default",
                "et_vk.q8ta_adaptive_max_pool2d.default",
            ),
            "adaptive_avg": (
                "aten._adaptive_avg_pool2d.default",
                "et_vk.q8ta_adaptive_avg_pool2d.default",
            ),
        }[self.kind]

    @property
    def arguments(self) -> list[Any]:
        if self.kind.startswith("adaptive"):
            return [list(self.output)]
        window = [list(self.kernel), list(self.stride), list(self.padding)]
        if self.kind == "max":
            return [*window, list(self.dilation), self.ceil_mode]
        return [*window, self.ceil_mode, self.include_pad, self.divisor]

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """What PyTorch gives."""
        if self.kind == "adaptive_max":
            return F.adaptive_max_pool2d(x, self.output)
        if self.kind == "adaptive_avg":
            return F.adaptive_avg_pool2d(x, self.output)
        stride = self.stride or self.kernel
        if self.kind == "max":
            window = (self.kernel, stride, self.padding, self.dilation, self.ceil_mode)
            return F.max_pool2d(x, *window)
        window = (self.kernel, stride, self.padding, self.ceil_mode, self.include_pad)
        return F.avg_pool2d(x, *window, self.divisor)

    def divisors(self, shape: tuple[int, ...]) -> np.ndarray:
        """What each window's sum is divided by, worked out element by element."""
        counts = []
        for d, size in enumerate(shape[-2:]):
            if self.kind == "adaptive_avg":
                parts = self.output[d]
                ends = [((i + 1) * size + parts - 1) // parts for i in range(parts)]
                counts.append([end - i * size // parts for i, end in enumerate(ends)])
                continue
            kernel, padding = self.kernel[d], self.padding[d]
            starts = np.arange(self.of(torch.zeros(shape)).shape[-2 + d])
            starts = starts * (self.stride or self.kernel)[d] - padding
            ends = np.minimum(starts + kernel, size + padding)
            if not self.include_pad:
                starts, ends = np.maximum(starts, 0), np.minimum(ends, size)
            counts.append(list(np.maximum(ends - starts, 1)))
        if self.divisor is not None:
            return np.float64(self.divisor)
        return np.asarray(counts[0], np.float64)[:, None] * np.asarray(counts[1], np.float64)

    def int8_of(self, x: np.ndarray, bounds: tuple[int, int] = (-128, 127)) -> np.ndarray:
        """By the formula, from integers."""
        real = torch.from_numpy(x).to(torch.float64) - INPUT[1]
        if self.kind.endswith("max"):
            acc, multiplier = self.of(real).numpy(), np.float32(INPUT[0])
        else:
            divisors = self.divisors(x.shape)
            own = self.of(real).numpy()
            if self.kind == "avg":
                window = Pool(**{**self.__dict__, "divisor": 1})
                acc = window.of(real).numpy()
            else:
                acc = np.round(own * divisors)
            multiplier = (INPUT[0] / divisors).astype(np.float32)
        f = acc.astype(np.float32) * multiplier
        q = np.round(f * np.float32(1 / OUTPUT[0])) + OUTPUT[1]
        return np.clip(q, *bounds).astype(np.int8)


POOLS = [
    Pool(),
    Pool(kernel=(3, 3), stride=(2, 2), padding=(1, 1)),
    Pool(kernel=(2, 3), stride=(3, 1), padding=(1, 0), dilation=(2, 3), ceil_mode=True),
    Pool(kernel=(1, 4), stride=(1, 2), padding=(0, 2), ceil_mode=True),
    Pool("avg"),
    Pool("avg", (3, 3), (2, 2), (1, 1)),
    Pool("avg", (3, 2), (2, 3), (1, 1), ceil_mode=True),
    Pool("avg", (3, 2), (2, 3), (1, 1), ceil_mode=True, include_pad=False),
    Pool("avg", (3, 3), (1, 1), (1, 1), include_pad=False),
    Pool("avg", (2, 2), (2, 2), (1, 1), ceil_mode=True, divisor=7),
    Pool("avg", (2, 2), divisor=-3),
    *(Pool(kind, output=output) for kind in ("adaptive_max", "adaptive_avg")
      for output in ((1, 1), (2, 3), (4, 5), (13, 1))),
]  # fmt: skip
SHAPES = ((2, 3, 9, 11), (1, 4, 8, 8), (3, 8, 7, 9), (5, 8, 10), (1, 12, 13))


def int8_numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def floats(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 3


def fits(pool: Pool, shape: tuple[int, ...]) -> bool:
    try:
        return pool.of(torch.zeros(shape)).numel() > 0
    except RuntimeError:
        return False


def assert_close(y: np.ndarray, x: np.ndarray, pool: Pool) -> None:
    expected = pool.of(torch.from_numpy(x).to(torch.float64)).numpy()
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=1e-30)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * largest, err_msg=f"{pool}")


def quantized_arguments(pool: Pool, x: Any, bounds: tuple[int, int] = (-128, 127)) -> list[Any]:
    return [x, *INPUT, *pool.arguments, *OUTPUT, *bounds]


def test_int8() -> None:
    """All poolings and shapes in one program, from and to channels-last as well."""
    calls, outputs, expected = [], [], []
    for pool in POOLS:
        for shape in SHAPES:
            if not fits(pool, shape):
                continue
            x = int8_numbers(shape, len(outputs))
            wanted = pool.int8_of(x)
            y = Output(np.int8, wanted.shape)
            calls.append((pool.names[1], quantized_arguments(pool, x), y))
            outputs.append(y)
            expected.append(wanted)
    results, _ = run_chain(calls, outputs)
    for (name, *_), y, wanted in zip(calls, results, expected, strict=True):
        assert_same_bytes(y, wanted, name)


def last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with the channels innermost."""
    return (shape[0], *shape[2:], shape[1])


class Chain:
    """Poolings of inputs that are channels-last in memory, as one program."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.is_int8 = dtype == np.int8
        self._calls: list[tuple[str, list[Any], Output]] = []
        self._outputs: list[Output] = []
        self._checks: list[tuple[Pool, np.ndarray, bool]] = []

    def add(self, pool: Pool, shape: tuple[int, ...], stays_last: bool) -> None:
        """Let the result be read channels-last again, or row-major."""
        x = (int8_numbers if self.is_int8 else floats)(shape, len(self._outputs))
        given = Output(self.dtype, shape)
        y = Output(self.dtype, tuple(pool.of(torch.zeros(shape)).shape))
        own = quantized_arguments(pool, given) if self.is_int8 else [given, *pool.arguments]
        x_bytes = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        self._calls += [(TO_LAST, [x_bytes], given), (pool.names[self.is_int8], own, y)]
        if stays_last:
            bytes_of_y = Output(self.dtype, last(y.bounds))
            self._calls.append((FROM_LAST, [y], bytes_of_y))
            y = bytes_of_y
        self._outputs.append(y)
        self._checks.append((pool, x, stays_last))

    def check(self) -> list[str]:
        """The kernels that ran."""
        results, kernels = run_chain(self._calls, self._outputs)
        for (pool, x, stays_last), y in zip(self._checks, results, strict=True):
            found = np.moveaxis(y, -1, 1) if stays_last else y
            if self.is_int8:
                assert_same_bytes(found, pool.int8_of(x), f"{pool} of {x.shape}")
            else:
                assert_close(found, x, pool)
        return kernels


@pytest.mark.parametrize("stays_last", [True, False])
@pytest.mark.parametrize("dtype", [np.int8, np.float32], ids=["int8", "float32"])
def test_channels_last(dtype: Any, stays_last: bool) -> None:
    """Images whose channels are innermost, whole words of them or not; and rank 3 without batch."""
    chain = Chain(dtype)
    for pool in POOLS:
        for shape in ((2, 3, 9, 11), (2, 8, 9, 7), (4, 9, 8)):
            if fits(pool, shape):
                chain.add(pool, shape, stays_last)
    kernels = chain.check()
    assert any("pool_words" in kernel for kernel in kernels)
    assert not stays_last or all("pool" in kernel for kernel in kernels)


def test_float32() -> None:
    calls, outputs, checks = [], [], []
    for pool in POOLS:
        for shape in SHAPES:
            if fits(pool, shape):
                x = floats(shape, len(outputs))
                y = Output(np.float32, tuple(pool.of(torch.zeros(shape)).shape))
                calls.append((pool.names[0], [x, *pool.arguments], y))
                outputs.append(y)
                checks.append((pool, x))
    results, _ = run_chain(calls, outputs)
    for (pool, x), y in zip(checks, results, strict=True):
        assert_close(y, x, pool)


def test_float32_nan_and_infinities() -> None:
    x = floats((2, 4, 12, 12), 3)
    flat = x.reshape(-1)
    for i, value in enumerate((np.nan, np.inf, -np.inf, -0.0)):
        flat[i * 7 :: 97] = value
    x[0, 0] = -np.inf
    x[0, 1] = np.inf
    for pool in (POOLS[1], POOLS[5], POOLS[8], Pool("adaptive_max", output=(4, 5))):
        shape = tuple(pool.of(torch.from_numpy(x)).shape)
        assert_close(
            run_op(pool.names[0], [x, *pool.arguments], Output(np.float32, shape)), x, pool
        )


def test_float32_large_windows() -> None:
    """Sums of many elements keep what their additions round off."""
    pool = Pool("avg", (1, 8191), (1, 1))
    x = np.abs(floats((1, 1, 1, 8194), 4)) + 1000
    y = run_op(pool.names[0], [x, *pool.arguments], Output(np.float32, (1, 1, 1, 4)))
    np.testing.assert_allclose(y, pool.of(torch.from_numpy(x).double()).numpy(), rtol=2e-7)


@each_row("pool", "pool_words", "q8ta_pool", "q8ta_pool_words")
def test_every_row(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More outputs than threads in a workgroup, parts of words, and a single one."""
    force_row(monkeypatch, row)
    chain = Chain(np.int8 if row.op.name.startswith("q8ta") else np.float32)
    for pool in (POOLS[1], POOLS[6], Pool("adaptive_avg", output=(3, 4))):
        for shape in ((3, 20, 17, 15), (1, 4, 2, 2), (1, 1, 3, 5)):
            chain.add(pool, shape, True)
    assert row.name in chain.check()


def test_bounds_and_windows_without_elements() -> None:
    """A dilated window may miss a small image: a maximum of nothing is the least there is."""
    pool = Pool(kernel=(2, 1), stride=(1, 1), padding=(1, 0), dilation=(5, 1))
    x = int8_numbers((1, 4, 4, 3))
    expected = pool.int8_of(x, (-100, 90))
    assert (expected == -100).any()
    called = quantized_arguments(pool, x, (-100, 90))
    assert_same_bytes(run_op(pool.names[1], called, Output(np.int8, expected.shape)), expected, "")
    f = x.astype(np.float32)
    y = run_op(pool.names[0], [f, *pool.arguments], Output(np.float32, expected.shape))
    np.testing.assert_array_equal(y, pool.of(torch.from_numpy(f)).numpy())


def test_extremes() -> None:
    for value in (-128, 127):
        x = np.full((1, 4, 40, 50), value, np.int8)
        for pool in (Pool("avg", (40, 50)), Pool("adaptive_avg", output=(1, 2)), Pool()):
            expected = pool.int8_of(x)
            y = run_op(pool.names[1], quantized_arguments(pool, x), Output(np.int8, expected.shape))
            assert_same_bytes(y, expected, f"{pool}")


def test_fewer_elements_than_planned() -> None:
    x = int8_numbers((2, 5, 7, 9), 2)
    for pool in POOLS:
        bounds = tuple(pool.of(torch.zeros((4, 5, 20, 30))).shape)
        called = quantized_arguments(pool, Dynamic(x, (4, 5, 20, 30)))
        y = run_op(pool.names[1], called, Output(np.int8, bounds))
        assert_same_bytes(y, pool.int8_of(x), f"{pool}")


@pytest.mark.parametrize(
    ("pool", "shape", "problem"),
    [
        (Pool(kernel=(3, 3), padding=(2, 0)), (1, 1, 8, 8), "padding of 2 is more than half"),
        (Pool(kernel=(9, 1)), (1, 1, 8, 8), "the window is 9 pixels, the padded image only 8"),
        (Pool(kernel=(0, 1)), (1, 1, 8, 8), "kernel_size has 0, it must be at least 1"),
        (Pool(kernel=(1, 1, 1)), (1, 1, 8, 8), "kernel_size has 3 numbers"),
        (Pool("avg", (2, 2), divisor=0), (1, 1, 8, 8), "divisor_override is 0"),
        (Pool("adaptive_avg", output=(0, 1)), (1, 1, 8, 8), "output_size has 0"),
        (Pool(), (8, 8), "x must have 3 or 4 dimensions, got 2"),
        (Pool("avg", (91, 91)), (1, 1, 91, 91), "91 times 91 elements, the limit is 8191"),
    ],
)
def test_limits(pool: Pool, shape: tuple[int, ...], problem: str) -> None:
    with pytest.raises(OpError, match=problem):
        x = np.zeros(shape, np.int8)
        run_op(pool.names[1], quantized_arguments(pool, x), Output(np.int8, shape))
