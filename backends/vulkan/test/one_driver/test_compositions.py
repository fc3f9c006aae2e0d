"""Ops that are written out as compositions of others: one delegate, and what PyTorch gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from programs import load
from whole_models import AllOf, Function, Together, check, drawn, exact, lowered, pte_of, whole

Calls = dict[str, Callable[..., Any]]

SPECIAL = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.5, -2.0])


# ---- Functions.

OF_TWO: Calls = {
    "copysign": torch.copysign,
    "copysign_number": lambda a, b: torch.copysign(a, -0.0) + b,
    "hypot": torch.hypot,
    "fmax": torch.fmax,
    "fmin": torch.fmin,
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "remainder": lambda a, b: torch.remainder(3.5, a) + b,
    "isclose": torch.isclose,
    "isfinite": lambda a, b: torch.isfinite(a) & torch.isfinite(b),
    "rrelu": lambda a, b: F.rrelu(a) + b,
}


def test_functions() -> None:
    check(AllOf(OF_TWO), [drawn((5, 7)), drawn((7,), seed=1)], names=list(OF_TWO))
    large = [drawn((9,)) * 1e38, drawn((9,), seed=1) * 1e38]
    check(AllOf({"hypot": torch.hypot}), [one * 0.5 for one in large])
    pairs = [SPECIAL[:, None].clone(), SPECIAL.clone()]
    special = {name: OF_TWO[name] for name in OF_TWO if name not in ("remainder", "rrelu")}
    check(AllOf(special), pairs, names=list(special))
    check(Function(lambda a: torch.ldexp(a, torch.tensor([3, -4]))), [drawn((3, 2))])


def test_clamps_by_tensors() -> None:
    calls: Calls = {
        "both": torch.clamp,
        "min": lambda x, low, high: torch.clamp(x, min=low),
        "max": lambda x, low, high: torch.clamp(x, max=high),
        "crossed": lambda x, low, high: torch.clamp(x, high, low),
        "clamp_min": lambda x, low, high: torch.clamp_min(x, low),
    }
    bounds = [drawn((7,), -2.0, 0.0, 1), drawn((5, 1), 0.0, 2.0, 2)]
    check(AllOf(calls), [drawn((5, 7)), *bounds], names=list(calls))
    special = [SPECIAL[:, None, None].clone(), SPECIAL[:, None].clone(), SPECIAL.clone()]
    check(AllOf(calls), special, names=list(calls))
    integers = torch.randint(-9, 9, (5, 7), generator=torch.Generator().manual_seed(0))
    exact(AllOf(calls), [integers, integers[0].clone(), integers[:, :1].clone()])
    # PyTorch converts what is of another dtype.
    check(AllOf(calls), [drawn((5, 7)), integers, bounds[1]])
    check(Function(lambda a, b: F.cosine_similarity(a, b)), [drawn((5, 7)), drawn((5, 7), seed=1)])


def test_clamps_of_dynamic_sizes() -> None:
    rows = {0: Dim("rows", max=9)}
    sets = [[drawn((n, 3)), drawn((n, 1), -2.0, 0.0, 1)] for n in (4, 9, 1)]
    check(Function(lambda x, low: torch.clamp(x, min=low)), *sets, dynamic_shapes=((rows, rows),))


# ---- Integers and bools.

INTEGERS = torch.tensor([[0, 1, -1, 2, 7, -7], [100, -100, 31, 30, -31, 65536]])
COUNTS = torch.tensor([[0, 1, 2, 30, 5, 40], [3, -1, 70, 1, 31, 2]])
OF_INTEGERS: Calls = {
    "right": lambda x, n: x >> n,
    "right_of_number": lambda x, n: torch.bitwise_right_shift(1000, n),
    "right_by_numbers": lambda x, n: [x >> 0, x >> 3, x >> 31, x >> 45, x >> 63],
    "left_by_numbers": lambda x, n: [x << 0, x << 3, torch.bitwise_left_shift(x, 5)],
    "remainder": lambda x, n: torch.remainder(17, x * 2 + 1),
    "fmax": lambda x, n: torch.fmax(x, n),
    "cumprod": lambda x, n: torch.cumprod(x % 3, 1),
    "cummax": lambda x, n: torch.cummax(x, 1),
    "kthvalue": lambda x, n: torch.kthvalue(x, 2, 0).values,
    "median": lambda x, n: [torch.median(x), torch.median(x, 1).values],
    "powers": lambda x, n: [(x % 99) ** 2, (x % 4) ** (n % 5), 2 ** (n % 30)],
}


@cache
def of_integers(dtype: torch.dtype) -> Together:
    return Together(OF_INTEGERS, [INTEGERS.to(dtype), COUNTS.to(dtype)])


@pytest.mark.parametrize("name", OF_INTEGERS)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32], ids=["int64", "int32"])
def test_integers(name: str, dtype: torch.dtype) -> None:
    of_integers(dtype).exact(name)


def test_shifts_to_the_left() -> None:
    """What is wider than 32 bits is none of the device's, so of int64 the counts are small."""
    model = AllOf({"left": lambda x, n: x << n, "of_number": lambda x, n: 3 << n})
    exact(model, [INTEGERS, COUNTS % 14])
    exact(model, [INTEGERS.int(), COUNTS.int()])


def test_bools() -> None:
    calls: Calls = {
        "add": lambda a, b: a + b,
        "mul": lambda a, b: a * b,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
        "sign": lambda a, b: [torch.sign(a), a & True, a | False, b ^ True],
        "amax": lambda a, b: [a.amax(), a.amax(1), a.amax((0, 1), keepdim=True), a.max()],
        "amin": lambda a, b: [a.amin(), a.amin(1), a.amin((0, 1), keepdim=True), a.min()],
    }
    mask = torch.rand(4, 5, generator=torch.Generator().manual_seed(0)) > 0.5
    exact(AllOf(calls), [mask, mask[1].clone()], [torch.ones_like(mask), ~mask[0]])


# ---- Reductions, scans and picks.

OF_ONE: Calls = {
    "var_mean": lambda x: [*torch.var_mean(x), *torch.var_mean(x, 1, correction=0)],
    "std_mean": lambda x: torch.std_mean(x, 2, keepdim=True),
    "dist": lambda x: torch.dist(x, x * 0.5, 3.0),
    "median": lambda x: [x.median(), x.median(1).values, x.median(-1, keepdim=True).values],
    "kthvalue": lambda x: x.kthvalue(2, -2).values,
    "cumprod": lambda x: [x.cumprod(0), x.cumprod(-1)],
    "cummax": lambda x: [x.cummax(1).values, x.cummin(2).values],
    "logcumsumexp": lambda x: x.logcumsumexp(2),
    "diagonal": lambda x: [x.diagonal() + 1, x.diagonal(-1, 1, 2) + 1, x.diagonal(2, -1, 0) + 1],
    "diagonals": lambda x: [x[0].diag() + 1, x[0, 0].diag(1) + 1, x[0].trace()],
    "diagonal_scatter": lambda x: torch.diagonal_scatter(x, x.diagonal(1, 0, 2) * 2, 1, 0, 2),
    "unfold": lambda x: [x.unfold(1, 2, 1) + 1, x.unfold(-1, 3, 2) + 1],
    "viewed": lambda x: x.unfold(1, 5, 5).unfold(2, 7, 7).view(3, 35) + 1,
    "as_strided": lambda x: x.as_strided((3, 2, 2), (7, 0, 2), 5) + 1,
}


@cache
def of_one() -> Together:
    """ExecuTorch refuses most of these ops where they stay in the program."""
    return Together(OF_ONE, [drawn((3, 5, 7))], validity=True)


@pytest.mark.parametrize("name", OF_ONE)
def test_of_one_tensor(name: str) -> None:
    of_one().check(name)


def test_nan_in_order() -> None:
    """Where there is one, it is the median, and all behind it of a cumulative maximum."""
    x = drawn((4, 6))
    x[1, 2] = x[3, 5] = math.nan
    calls: Calls = {
        "values": lambda x: [x.median(1).values, x.cummax(1).values, x.cummin(0).values],
        "kthvalue": lambda x: [x.kthvalue(5, 1).values, x.kthvalue(6, 1).values],
    }
    check(AllOf(calls), [x])
    places = Function(lambda x: [x.cummax(1)[1], x.cummin(0)[1], x.kthvalue(3, 1)[1]])
    exact(places, [x])
    exact(Function(lambda x: [torch.median(x, 1)[1]]), [x])


def test_equal_elements_in_cumulative_extremes() -> None:
    """The last of them is where it is."""
    x = torch.tensor([[1.0, 1.0, 0.0, 2.0, 2.0, 1.0]])
    exact(Function(lambda x: [*torch.cummax(x, 1), *torch.cummin(x, 1)]), [x])


@pytest.mark.parametrize("right", [False, True])
def test_places_in_what_is_sorted(right: bool) -> None:
    values = torch.tensor([[0.5, 1.0, -3.0, math.nan], [7.0, math.inf, 1.5, 2.0]])
    bounds = torch.tensor([-1.0, 1.0, 1.0, 2.0])
    rows = torch.stack([bounds, bounds + 0.5])

    def function(x: torch.Tensor) -> list[torch.Tensor]:
        return [
            torch.bucketize(x, bounds, right=right),
            torch.searchsorted(bounds, x, right=right, out_int32=True),
            torch.searchsorted(rows, x, side="right" if right else "left"),
        ]

    exact(Function(function), [values])


def test_products() -> None:
    a, b, c = drawn((3, 4)), drawn((2, 3, 5), seed=1), drawn((2, 5, 4), seed=2)
    calls: Calls = {
        "addbmm": lambda a, b, c: [
            torch.addbmm(a, b, c, beta=0.5, alpha=2),
            torch.addbmm(a * math.nan, b, c, beta=0),
        ],
        "addmv": lambda a, b, c: torch.addmv(a[:, 0], b[0], c[0, :, 0], beta=2, alpha=0.5),
        "bilinear": lambda a, b, c: F.bilinear(b[0], a, c[:, :, :], a[0, :2]),
    }
    check(AllOf(calls), [a, b, c])


def test_masked_scatter() -> None:
    x, source = drawn((3, 4)), drawn((5, 4), seed=1)
    mask = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)) > 0.4
    calls: Calls = {
        "whole": lambda x, mask, source: x.masked_scatter(mask, source),
        "row": lambda x, mask, source: x.masked_scatter(mask[0], source),
    }
    for one in (mask, torch.zeros_like(mask), torch.ones_like(mask)):
        exact(AllOf(calls), [x, one, source])


# ---- Poolings of three dimensions.

POOLINGS: Calls = {
    "avg": lambda x: F.avg_pool3d(x, 2),
    "avg_of_sizes": lambda x: F.avg_pool3d(x, (3, 2, 1), (2, 1, 2), (1, 1, 0)),
    "avg_ceil": lambda x: F.avg_pool3d(x, 2, 2, 1, ceil_mode=True, count_include_pad=False),
    "avg_ceil_with_pads": lambda x: F.avg_pool3d(x, 3, 2, 1, ceil_mode=True),
    "avg_divisor": lambda x: F.avg_pool3d(x, 2, 1, divisor_override=3),
    "max": lambda x: F.max_pool3d(x, 2),
    "max_of_sizes": lambda x: F.max_pool3d(x, (2, 3, 2), (1, 2, 1), (1, 1, 1), (2, 1, 1)),
    "max_ceil": lambda x: F.max_pool3d(x, 2, 2, 1, ceil_mode=True),
    "adaptive_avg": lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)),
    "adaptive_max": lambda x: F.adaptive_max_pool3d(x, (3, 2, 4)),
    "normed": lambda x: F.local_response_norm(x[:, :, 0], 3),
}


@cache
def poolings() -> Together:
    return Together(POOLINGS, [drawn((2, 3, 5, 6, 7))])


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings(name: str) -> None:
    poolings().check(name)


def test_poolings_without_a_batch() -> None:
    calls = {name: POOLINGS[name] for name in ("avg", "max_of_sizes", "adaptive_max")}
    check(AllOf(calls), [drawn((3, 5, 6, 7))])


def test_poolings_of_dynamic_batches() -> None:
    batch = {0: Dim("batch", max=5)}
    sets = [[drawn((n, 2, 4, 4, 6))] for n in (2, 5, 1)]
    check(Function(lambda x: F.max_pool3d(x, 2)), *sets, dynamic_shapes=((batch,),))


# ---- Resizing with antialiasing.


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_resizing(mode: str) -> None:
    """Smaller and larger, by sizes and factors; also of a parameter, which is a constant then."""
    form = {"mode": mode, "antialias": True}

    class Resized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(drawn((1, 3, 9, 9), seed=1))

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [
                F.interpolate(x, (4, 5), **form),
                F.interpolate(x, (15, 3), **form),
                F.interpolate(x, (5, 20), align_corners=True, **form),
                F.interpolate(x, scale_factor=(0.45, 1.7), **form),
                F.interpolate(x, (1, 1), **form) + F.interpolate(self.places, (4, 6), **form),
            ]

    batch = {0: Dim("batch", max=5)}
    sets = [[drawn((n, 3, 11, 13), seed=n)] for n in (2, 5, 1)]
    check(Resized(), *sets, dynamic_shapes=(batch,))


# ---- Sampling.


def check_sampled(module: nn.Module, *sets: list[torch.Tensor], dynamic_shapes: Any = None) -> None:
    """By the largest element of all: what a place is off by counts wherever x has it."""
    method = load(pte := pte_of(whole(lowered(module, sets[0], dynamic_shapes))))
    for inputs in sets:
        for actual, wanted in zip(
            method.execute(inputs), module(*(x.double() for x in inputs)), strict=True
        ):
            assert actual.shape == wanted.shape
            assert float((actual - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())
    del pte


# By mode: padding, and whether corners are at the ends. Each value of one is with each of another,
# but for bicubic, whose programs are large; --all has every combination.
SAMPLED = {
    "bilinear": [("zeros", False), ("border", True), ("reflection", False)],
    "nearest": [("zeros", True), ("border", False), ("reflection", True)],
    "bicubic": [("reflection", False)],
}
OTHER_SAMPLED = {
    "bilinear": [("zeros", True), ("border", False), ("reflection", True)],
    "nearest": [("zeros", False), ("border", True), ("reflection", False)],
    "bicubic": [("zeros", False), ("border", False)],
}


@pytest.mark.parametrize(
    "forms", [SAMPLED, pytest.param(OTHER_SAMPLED, marks=pytest.mark.all)], ids=["pairs", "others"]
)
@pytest.mark.parametrize("mode", SAMPLED)
def test_grid_sample(mode: str, forms: dict[str, list[tuple[str, bool]]]) -> None:
    """Inside and outside, by each padding, with corners at the ends and beside them."""

    def function(x: torch.Tensor, grid: torch.Tensor) -> list[torch.Tensor]:
        return [F.grid_sample(x, grid, mode, padding, corners) for padding, corners in forms[mode]]

    batch = {0: Dim("batch", max=5)}
    sets = [[drawn((n, 3, 5, 7)), drawn((n, 4, 6, 2), -2.7, 2.7, n)] for n in (2, 5, 1)]
    check_sampled(Function(function), *sets, dynamic_shapes=((batch, batch),))


def test_spatial_transformer() -> None:
    def function(x: torch.Tensor, theta: torch.Tensor) -> list[torch.Tensor]:
        return [F.grid_sample(x, F.affine_grid(theta, [2, 3, 6, 5], False), align_corners=False)]

    check_sampled(Function(function), [drawn((2, 3, 5, 7)), drawn((2, 2, 3), -1.0, 1.0)])


def test_grid_sample_of_one_pixel() -> None:
    calls: Calls = {
        str(corners): lambda x, grid, corners=corners: F.grid_sample(
            x, grid, padding_mode="reflection", align_corners=corners
        )
        for corners in (False, True)
    }
    check_sampled(AllOf(calls), [drawn((1, 2, 1, 4)), drawn((1, 3, 3, 2), -2.0, 2.0)])


# ---- Convolutions of three dimensions.

VOLUME = (2, 4, 5, 6, 7)
VOLUMES: dict[str, Callable[[], nn.Module]] = {
    "same_size": lambda: nn.Conv3d(4, 6, 3, padding=1),
    "all_moves": lambda: nn.Conv3d(4, 6, (2, 5, 2), (2, 1, 2), (1, 2, 0), (2, 1, 1)),
    "groups": lambda: nn.Conv3d(4, 8, 3, groups=2, bias=False),
    "depthwise": lambda: nn.Conv3d(4, 8, 3, groups=4, padding=1),
    "pointwise": lambda: nn.Conv3d(4, 6, 1),
    "of_planes": lambda: nn.Conv3d(4, 6, (1, 3, 3), 2, (0, 1, 1)),
    "of_lines": lambda: nn.Conv3d(4, 6, (3, 1, 1), (2, 1, 1), (1, 0, 0)),
    "padding_same": lambda: nn.Conv3d(4, 6, (2, 3, 4), padding="same"),
    "padding_valid": lambda: nn.Conv3d(4, 6, (2, 3, 4), padding="valid"),
    "transposed": lambda: nn.ConvTranspose3d(4, 6, 3),
    "transposed_side_by_side": lambda: nn.ConvTranspose3d(4, 6, 2, 2),
    "transposed_cropped": lambda: nn.ConvTranspose3d(4, 6, 2, 2, 1, 1),
    "transposed_groups": lambda: nn.ConvTranspose3d(4, 6, 3, 2, 1, 1, groups=2),
    "transposed_all_moves": lambda: nn.ConvTranspose3d(
        *(4, 6, (3, 2, 1), (2, 3, 1), (2, 1, 0), (1, 0, 0)), bias=False, dilation=(2, 1, 1)
    ),
    "transposed_of_lines": lambda: nn.ConvTranspose3d(4, 6, (3, 1, 1), (2, 1, 1)),
}


@cache
def of_volumes(batch: bool = True) -> Together:
    torch.manual_seed(0)
    names = VOLUMES if batch else ("all_moves", "of_lines", "transposed_groups")
    layers = {name: VOLUMES[name]() for name in names}
    if not batch:
        return Together(layers, [drawn(VOLUME[1:])])
    dims = (({0: Dim("batch", max=5)},),)
    sets = [[drawn((n, *VOLUME[1:]), seed=n)] for n in (2, 5, 1)]
    return Together(layers, *sets, dynamic_shapes=dims)


@pytest.mark.parametrize("name", VOLUMES)
def test_convolutions(name: str) -> None:
    of_volumes().check(name)


@pytest.mark.parametrize("name", ["all_moves", "of_lines", "transposed_groups"])
def test_convolutions_without_a_batch(name: str) -> None:
    of_volumes(batch=False).check(name)


class Viewed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv3d(4, 6, 3), nn.BatchNorm3d(6), nn.ReLU(), nn.ConvTranspose3d(6, 3, 2, 2))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).view(2, 3, -1)


def test_convolutions_whose_result_is_viewed() -> None:
    """As the contiguous tensor that PyTorch gives."""
    torch.manual_seed(0)
    check(Viewed(), [drawn(VOLUME)])


# ---- Views of what is written in place.

WRITTEN: Calls = {
    "before": lambda x: (x * 2).relu_().unfold(1, 3, 2) + 1,
    "viewed": lambda x: (x * 2).relu_().unfold(0, 4, 4).unfold(1, 5, 5).reshape(1, 20) + 1,
    "behind": lambda x: [x.unfold(1, 2, 1) + 1, (x + 1).relu_()],
}


def fill_diagonal(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    y.diagonal().fill_(0.5)
    return y


def write_base(x: torch.Tensor) -> list[torch.Tensor]:
    y = x * 2
    windows = y.unfold(1, 2, 2)
    y.mul_(3)
    return [windows + 1, y]


def windows_of_windows(x: torch.Tensor) -> torch.Tensor:
    """As halo attention: made functional, the reshape is a view, as the windows' strides allow."""
    y = (x * 2).relu_().reshape(1, 2, 2, 5)
    windows = y.unfold(2, 2, 1).unfold(3, 3, 2)
    return windows.reshape(2, 1, 2, 6).permute(0, 2, 3, 1).relu_() + 1


WRITTEN |= {"diagonal": fill_diagonal, "base": write_base, "windows": windows_of_windows}


@cache
def written() -> Together:
    return Together(WRITTEN, [drawn((4, 5))])


@pytest.mark.parametrize("name", WRITTEN)
def test_views_beside_writes(name: str) -> None:
    written().check(name)


def test_views_beside_states() -> None:
    """State that a program keeps is still written where the program is made functional."""

    class Count(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.count.add_(1)
            return (x * self.count).unfold(0, 2, 1) * 2

    pte, x = pte_of(whole(lowered(Count(), [drawn((4, 5))]))), drawn((4, 5))
    method = load(pte)
    for call in (1, 2, 3):
        [result] = method.execute([x])
        assert torch.equal(result, (x * call).unfold(0, 2, 1) * 2)


# ---- Poolings of one window.


@pytest.mark.parametrize("batches", [(2,), (2, 5, 1)], ids=["static", "dynamic"])
def test_means_of_channels_last_tensors(batches: tuple[int, ...]) -> None:
    """As are what is permuted in front of them, and what a convolution makes of that."""
    conv = torch.nn.Conv2d(3, 4, 1)

    def function(x: torch.Tensor) -> list[torch.Tensor]:
        image = x.permute(0, 3, 1, 2)
        weight, bias = conv.weight.to(x.dtype), conv.bias.to(x.dtype)
        return [
            F.adaptive_avg_pool2d(image, 1).flatten(1),
            F.adaptive_avg_pool2d(F.conv2d(image, weight, bias), (1, 1)).flatten(1),
            F.adaptive_avg_pool1d(x[:, 0].mT, 1).flatten(1),
            F.adaptive_avg_pool2d(image[0], 1).flatten(),
        ]

    shapes = None if len(batches) == 1 else (({0: Dim("batch", max=5)},),)
    sets = [[drawn((n, 5, 6, 3))] for n in batches]
    check(Function(function), *sets, dynamic_shapes=shapes)


# ---- What stays as it is.


def test_other_dtypes_are_left_alone() -> None:
    x = drawn((4, 5)).double()
    targets = {
        node.target
        for node in lowered(Function(torch.hypot), [x, x]).exported_program().graph.nodes
    }
    assert any("hypot" in str(target) for target in targets)
