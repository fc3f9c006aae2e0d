"""Float32 convolutions against PyTorch's in float64: each kernel around its tile edges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from linear_fixture import OpError
from op_fixture import Constant, Dynamic, Output, each_row, force_row, run_op

CONVOLUTION, CLAMPED = "aten.convolution.default", "et_vk.conv_with_clamp.default"
F32, INF, NAN = np.float32, float("inf"), float("nan")
ROWS = each_row("conv2d")
DEPTHWISE_ROWS = each_row("conv2d_dw")


def drawn(shape: Sequence[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 2, shape).astype(F32)


class Case:
    """A convolution of `x`, [N, C, *pixels], with `out` channels; lists as the op has them."""

    def __init__(
        self,
        x: Sequence[int],
        out: int,
        kernel: Sequence[int],
        stride: Sequence[int] = (1,),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        groups: int = 1,
        transposed: bool = False,
        output_padding: Sequence[int] = (0,),
        bias: bool = True,
    ) -> None:
        self.x = drawn(x, 1)
        shape = (x[1], out // groups) if transposed else (out, x[1] // groups)
        self.weight = drawn((*shape, *kernel), 2)
        self.bias = drawn((out,), 3) if bias else None
        rank = len(kernel)
        lists = [list(one) * (rank if len(one) == 1 else 1) for one in (stride, padding, dilation)]
        last = list(output_padding) * (rank if len(output_padding) == 1 else 1)
        self.window = [*lists, transposed, last, groups]
        self.products = self.weight[0].size if not transposed else self.weight[:, 0].size // groups

    def wanted(self, x: np.ndarray | None = None) -> np.ndarray:
        operands = [
            None if one is None else torch.from_numpy(one).double()
            for one in (self.x if x is None else x, self.weight, self.bias)
        ]
        return torch.convolution(*operands, *self.window).numpy()

    def call(self, x: Any = None, shape: Sequence[int] | None = None) -> np.ndarray:
        x = self.x if x is None else x
        bias = None if self.bias is None else Constant(self.bias)
        shape = self.wanted().shape if shape is None else shape
        return run_op(
            CONVOLUTION, [x, Constant(self.weight), bias, *self.window], Output(F32, tuple(shape))
        )

    def check(self) -> None:
        assert_close(self.call(), self.wanted(), self.products, str(self.__dict__))


def assert_close(y: np.ndarray, wanted: np.ndarray, k: int, what: str) -> None:
    """Within the contract for each pixel's channels, which are a row of the matrix product."""
    assert y.shape == wanted.shape, what
    rounded = wanted.astype(F32)
    finite = np.isfinite(rounded)
    assert np.array_equal(np.where(finite, 0, y), np.where(finite, 0, rounded), True), what
    largest = np.abs(np.where(finite, wanted, 0)).max(1, keepdims=True, initial=0)
    # One channel has no larger one beside it where its sum cancels.
    largest = np.maximum(largest, 0.05 * np.abs(np.where(finite, wanted, 0)).max(initial=0))
    with np.errstate(invalid="ignore"):
        error = np.abs(np.where(finite, y.astype(np.float64) - wanted, 0))
    limit = 1e-5 if k <= 1000 else 1e-4
    assert (error <= limit * largest).all(), f"{what}: {error.max()} of {largest.max()}"


@ROWS
def test_tile_edges(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for width in (1, row.tile_m - 1, row.tile_m + 1, 2 * row.tile_m + 3):
        for out in (1, 4, row.tile_n - 1, row.tile_n + 4):
            if width > 0:
                Case((1, 5, 1, width), out, (1, 1)).check()
                Case((1, 4, 2, width), out, (2, 1), padding=(1, 0)).check()


WINDOWS: dict[str, dict[str, Any]] = {
    "plain": {"kernel": (3, 3), "padding": (1,)},
    "uneven": {"kernel": (2, 5), "stride": (3, 2), "padding": (0, 3), "dilation": (2, 1)},
    "apart": {"kernel": (3, 2), "dilation": (1, 3), "padding": (2, 2)},
    "patches": {"kernel": (4, 4), "stride": (4,)},
    "larger_than_x": {"kernel": (9, 11), "padding": (4, 5)},
    "far_outside": {"kernel": (1, 1), "padding": (3, 4), "stride": (2,)},
    "transposed": {"kernel": (3, 3), "stride": (2,), "padding": (1,), "transposed": True},
    "up": {"kernel": (2, 2), "stride": (2,), "transposed": True},
    "transposed_apart": {
        "kernel": (3, 2),
        "stride": (2, 3),
        "padding": (1, 0),
        "dilation": (2, 1),
        "transposed": True,
        "output_padding": (1, 2),
    },
    "one_dimension": {"kernel": (5,), "padding": (2,), "stride": (2,)},
    "one_dimension_up": {"kernel": (4,), "stride": (3,), "transposed": True},
}
# Channels of x, of y, and groups.
CHANNELS = ((3, 5, 1), (8, 4, 1), (4, 6, 2), (8, 8, 2), (6, 3, 3))


def case_of(window: str, channels: tuple[int, int, int], batch: int = 2) -> Case:
    arguments = dict(WINDOWS[window])
    pixels = (8, 12) if len(arguments["kernel"]) == 2 else (17,)
    ic, oc, groups = channels
    return Case((batch, ic, *pixels), oc, groups=groups, **arguments)


@ROWS
def test_windows(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    for window, channels in itertools.product(WINDOWS, CHANNELS):
        case_of(window, channels).check()


@DEPTHWISE_ROWS
def test_depthwise(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone and with a multiplier, of whole groups of channels and others."""
    force_row(monkeypatch, row)
    for window in WINDOWS:
        for channels in ((4, 4, 4), (7, 7, 7), (3, 6, 3), (4, 12, 4), (5, 15, 5)):
            case_of(window, channels).check()


def test_patches_of_three_channels() -> None:
    """Rows of a window are whole groups there, though pixels are not; with padding they are not."""
    Case((2, 3, 16, 24), 20, (8, 8), stride=(8,)).check()
    Case((2, 3, 16, 24), 20, (8, 8), stride=(8,), padding=(0, 4)).check()
    Case((2, 3, 16, 24), 20, (8, 8), stride=(8,), padding=(0, 3)).check()
    Case((2, 3, 16, 21), 20, (4, 4), stride=(4,)).check()
    Case((2, 2, 9, 10), 3, (2, 2), stride=(2,)).check()


@pytest.mark.parametrize("channels", [1000, 4096])
@ROWS
def test_long_sums(row: Any, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    force_row(monkeypatch, row)
    Case((1, channels, 1, 3), 8, (1, 1)).check()
    Case((1, channels // 8, 3, 3), 8, (2, 4), padding=(0, 1)).check()


def test_without_bias() -> None:
    Case((2, 3, 5, 5), 4, (3, 3), bias=False).check()
    Case((2, 4, 5, 5), 4, (3, 3), groups=4, bias=False).check()


@pytest.mark.parametrize("groups", [1, 2, 6], ids=["one", "groups", "depthwise"])
def test_special_values(groups: int) -> None:
    """They reach their windows alone, and nothing from the padding or from other channels."""
    case = Case((2, 6, 5, 6), 6, (3, 3), padding=(1,), groups=groups)
    case.x[0, 1, 2, 3], case.x[1, 0, 0, 0], case.x[0, 5, 4, 5] = NAN, INF, -INF
    case.weight[2] = np.abs(case.weight[2])
    case.check()


@pytest.mark.parametrize("bounds", [(0.0, None), (None, 0.5), (-0.5, 0.5), (0.0, 1.7e308)], ids=str)
def test_clamped(bounds: tuple[float | None, float | None]) -> None:
    low, high = (-INF if bounds[0] is None else bounds[0], INF if bounds[1] is None else bounds[1])
    for groups in (1, 4):
        case = Case((1, 4, 5, 6), 4, (3, 3), groups=groups)
        case.weight -= 0.5
        case.x[0, :, 0, 0], case.x[0, :, 4, 5] = NAN, INF
        with np.errstate(over="ignore"):
            wanted = np.clip(case.wanted(), low, high).astype(F32)
        arguments = [case.x, Constant(case.weight), Constant(case.bias), *case.window, *bounds]
        y = run_op(CLAMPED, arguments, Output(F32, wanted.shape))
        largest = np.nanmax(np.abs(case.wanted()[np.isfinite(case.wanted())]))
        assert np.allclose(y, wanted, rtol=0, atol=1e-5 * largest, equal_nan=True)


def test_random() -> None:
    rng = np.random.default_rng(5)
    for _ in range(150):
        dims = int(rng.integers(1, 3))
        several = lambda low, high: [int(one) for one in rng.integers(low, high, dims)]  # noqa: B023, E731
        groups = int(rng.choice([1, 1, 2, 3]))
        transposed = bool(rng.integers(0, 2))
        kernel, stride, dilation = several(1, 5), several(1, 4), several(1, 4)
        padding = several(0, 3)
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        pixels = [r + 2 * p + int(rng.integers(0, 8)) for r, p in zip(reach, padding, strict=True)]
        output_padding = [int(rng.integers(0, s)) if transposed else 0 for s in stride]
        Case(
            (int(rng.integers(1, 4)), groups * int(rng.integers(1, 7)), *pixels),
            groups * int(rng.integers(1, 7)),
            kernel,
            stride,
            padding,
            dilation,
            groups,
            transposed,
            output_padding,
            bool(rng.integers(0, 2)),
        ).check()


def test_dynamic_sizes() -> None:
    """Also those that decide how x is read: a width of whole groups and another."""
    case = Case((3, 3, 16, 16), 6, (4, 4), stride=(4,))
    for shape in ((3, 3, 16, 16), (1, 3, 9, 13), (2, 3, 4, 4)):
        x = drawn(shape, 7)
        y = case.call(Dynamic(x, (3, 3, 16, 16)))
        assert_close(y, case.wanted(x), case.products, str(shape))
    y = case.call(Dynamic(np.zeros((0, 3, 16, 16), F32), (3, 3, 16, 16)))
    assert y.shape == (0, 6, 4, 4)


def test_one_number_for_all_dimensions() -> None:
    case = Case((1, 3, 9, 9), 4, (3, 3), stride=(2,), padding=(1,))
    case.window[:3] = [[2], [1], [1]]
    case.check()


X, W = np.zeros((1, 4, 5, 5), F32), np.zeros((6, 4, 3, 3), F32)
WINDOW: list[Any] = [[1, 1], [0, 0], [1, 1], False, [0, 0], 1]
REFUSED = {
    "dtype": ([X.astype(np.int8), W, None, *WINDOW], "must be float32, got int8"),
    "rank": ([X[0], W, None, *WINDOW], "the weight is"),
    "channels": ([X[:, :3].copy(), W, None, *WINDOW], "x has 3 channels, a weight of"),
    "groups": ([X, W, None, *WINDOW[:-1], 4], "must be divisible by groups = 4"),
    "no_groups": ([X, W, None, *WINDOW[:-1], 0], "groups is 0, it must be at least 1"),
    "bias": ([X, W, np.zeros(5, F32), *WINDOW], r"the bias is \[5\], it must be \[6\]"),
    "stride": ([X, W, None, [0, 1], *WINDOW[1:]], "stride has 0, it must be at least 1"),
    "list": ([X, W, None, [1, 1, 1], *WINDOW[1:]], "stride has 3 numbers, it must have 2"),
    "window": ([X[:, :, :2].copy(), W, None, *WINDOW], "the window is 3 pixels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    (x, weight, bias, *window), reason = REFUSED[case]
    bias = None if bias is None else Constant(bias)
    with pytest.raises(OpError, match=reason):
        run_op(CONVOLUTION, [x, Constant(weight), bias, *window], Output(F32, (1, 6, 3, 3)))
