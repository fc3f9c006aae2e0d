"""Quantized layers that int8 refuses: in float32, in one delegate with all that is around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from executorch_vulkan import explain
from executorch_vulkan.reporting.report import Row
from programs import load
from quantized_graphs import Grid, QuantizedWeight
from whole_models import lowered, pte_of, whole

IN, OUT = Grid(0.0517), Grid(0.0973, -7)
U8_IN, U8_OUT = (Grid(scale, 120, 0, 255, torch.uint8) for scale in (0.0517, 0.0973))
WIDE = Grid(1.93e-4, 0, -32767, 32767, torch.int16)
_ops = torch.ops.quantized_decomposed


class Weight(nn.Module):
    """A constant of any integers, with one scale, or one for each index of `axis`."""

    def __init__(
        self,
        *shape: int,
        grid: Grid = Grid(0.0047, 9),  # noqa: B008
        axis: int | None = None,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(len(shape) + shape[0])
        low, high = max(grid.quant_min, -200), min(grid.quant_max, 255)
        values = torch.randint(low, high + 1, shape, generator=generator)
        self.register_buffer("values", values.to(grid.dtype))
        n = 1 if axis is None else shape[axis]
        scales = (torch.rand(n, generator=generator) + 0.5) * grid.scale
        self.register_buffer("scales", scales)
        # Some of the channels are symmetric.
        zeros = torch.full((n,), grid.zero_point) * (torch.arange(n) % 3 != 1)
        self.register_buffer("zeros", zeros)
        self.grid, self.axis = grid, axis

    def forward(self) -> torch.Tensor:
        if self.axis is None:
            return self.grid.dequantize(self.values)
        bounds = self.grid.args[2:]
        return _ops.dequantize_per_channel(self.values, self.scales, self.zeros, self.axis, *bounds)


class Groups(nn.Module):
    """int8 [6, 8] with a scale for each four of a row."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        values = torch.randint(-8, 8, (6, 8), generator=generator, dtype=torch.int8)
        self.register_buffer("values", values)
        self.register_buffer("scales", torch.rand(6, 2, generator=generator) * 0.1 + 0.01)
        self.register_buffer("zeros", torch.zeros(6, 2, dtype=torch.int32))

    def forward(self) -> torch.Tensor:
        return torch.ops.torchao.dequantize_affine(
            self.values, [1, 4], self.scales, self.zeros, torch.int8, -8, 7
        )


class Bias(nn.Module):
    """int32 on the scale of input times weight."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.arange(-2 * n, 2 * n, 4, dtype=torch.int32) * 50)

    def forward(self) -> torch.Tensor:
        return _ops.dequantize_per_tensor(self.values, 2.43e-4, 0, -(2**31), 2**31 - 1, torch.int32)


class Refused(nn.Module):
    """quantize -> dequantize -> layer -> `after`."""

    def __init__(
        self,
        layer: Callable[..., torch.Tensor],
        weight: nn.Module,
        bias: nn.Module | None = None,
        grid: Grid = IN,
        after: Callable[[torch.Tensor], torch.Tensor] = OUT.round_trip,
    ) -> None:
        super().__init__()
        self.layer, self.weight, self.bias = layer, weight, bias
        self.grid, self.after = grid, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = () if self.bias is None else (self.bias(),)
        return self.after(self.layer(self.grid.round_trip(x), self.weight(), *bias))


class Int8(nn.Module):
    def __init__(self, n: int = 6, k: int = 6) -> None:
        super().__init__()
        self.weight = QuantizedWeight(n, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return OUT.round_trip(F.linear(x, self.weight()))


def chain(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(*parts)


class Shared(nn.Module):
    """Of one dequantized weight with scales along N of the first layer, which are along K of the
    second."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = QuantizedWeight(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight()
        x = OUT.round_trip(F.linear(IN.round_trip(x), weight))
        return OUT.round_trip(x @ weight)


class SharedConvolution(nn.Module):
    """Two convolutions by one dequantized weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = Weight(3, 3, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight()
        y = OUT.round_trip(F.conv2d(IN.round_trip(x), weight, padding=1))
        return OUT.round_trip(F.conv2d(y, weight, padding=2, dilation=2))


def addmm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.addmm(bias, x, weight)


def relu(x: torch.Tensor) -> torch.Tensor:
    return OUT.round_trip(F.relu(x))


def padded(x: torch.Tensor, weight: torch.Tensor, *bias: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, weight, *bias, padding=1)


def depthwise(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, weight, bias, stride=2, groups=8)


def grouped(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, weight, groups=4)


def transposed(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)


U8 = Grid(0.0047, 120, 0, 255, torch.uint8)
I16 = Grid(3.1e-3, 0, -32767, 32767, torch.int16)
Part = tuple[nn.Module, tuple[int, ...], int]
# The layers by kind, the sizes of x, and how many of the layers are refused.
PARTS: dict[str, Part] = {
    "linear": (Refused(F.linear, Weight(6, 8)), (4, 8), 1),
    "per channel, bias, relu": (
        Refused(F.linear, Weight(6, 8, axis=0), Bias(6), after=relu),
        (4, 8),
        1,
    ),
    "uint8 weight": (Refused(F.linear, Weight(6, 8, grid=U8), Bias(6)), (2, 3, 8), 1),
    "uint8 weight per channel": (Refused(F.linear, Weight(6, 8, grid=U8, axis=0)), (1, 8), 1),
    "int16 weight": (Refused(F.linear, Weight(6, 8, grid=I16, axis=0)), (4, 8), 1),
    "groups": (Refused(F.linear, Groups(), Bias(6)), (4, 8), 1),
    "scales along K": (Refused(F.linear, Weight(6, 8, axis=1)), (4, 8), 1),
    "matmul [K, N]": (Refused(torch.matmul, Weight(8, 6, axis=1)), (2, 3, 8), 1),
    "addmm": (Refused(addmm, Weight(8, 6, grid=U8), Bias(6)), (4, 8), 1),
    "bmm": (Refused(torch.bmm, Weight(2, 8, 6)), (2, 3, 8), 1),
    "float result": (Refused(F.linear, Weight(6, 8), after=lambda y: y), (4, 8), 1),
    "uint8 activations": (
        Refused(F.linear, Weight(6, 8, grid=U8), Bias(6), U8_IN, U8_OUT.round_trip),
        (4, 8),
        1,
    ),
    "uint8 activations, convolution": (
        Refused(padded, Weight(8, 3, 3, 3, grid=U8), None, U8_IN, U8_OUT.round_trip),
        (2, 3, 5, 4),
        1,
    ),
    "int16 activations": (
        Refused(F.linear, Weight(6, 8, axis=0), Bias(6), WIDE, WIDE.round_trip),
        (4, 8),
        1,
    ),
    "int16 result": (Refused(F.linear, QuantizedWeight(), after=WIDE.round_trip), (4, 8), 1),
    "conv1d": (Refused(F.conv1d, Weight(8, 3, 3, axis=0)), (2, 3, 9), 1),
    "conv2d": (Refused(padded, Weight(8, 3, 3, 3, axis=0), Bias(8), after=relu), (2, 3, 5, 4), 1),
    "depthwise": (Refused(depthwise, Weight(8, 1, 3, 3, grid=U8), Bias(8)), (2, 8, 9, 7), 1),
    "grouped": (Refused(grouped, Weight(8, 2, 3, 3, axis=0)), (2, 8, 5, 4), 1),
    "transposed": (Refused(transposed, Weight(4, 3, 3, 3, axis=1), Bias(3)), (2, 4, 5, 6), 1),
    "transposed 1d": (Refused(F.conv_transpose1d, Weight(4, 3, 3, grid=U8)), (2, 4, 5), 1),
    "conv3d": (Refused(F.conv3d, Weight(4, 3, 2, 2, 2, axis=0), Bias(4)), (1, 3, 3, 4, 3), 1),
    "transposed 3d": (Refused(F.conv_transpose3d, Weight(4, 3, 2, 2, 2)), (1, 4, 3, 3, 2), 1),
    "between int8 layers": (
        chain(Refused(F.linear, QuantizedWeight(6, 8)), Refused(F.linear, Weight(6, 6)), Int8()),
        (4, 8),
        1,
    ),
    "shared": (Shared(), (4, 8), 1),
    "shared by convolutions": (SharedConvolution(), (2, 3, 5, 4), 2),
}


class Parts(nn.Module):
    """Modules each on an input of its own: one program takes less time than one for each."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(module for module, _, _ in parts.values())

    def forward(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        return [part(x) for part, x in zip(self.parts, inputs, strict=True)]


def inputs_of(parts: Mapping[str, Part], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(sizes, generator=generator) for _, sizes, _ in parts.values()]


@cache
def results() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], list[Row]]:
    """Those of the only delegate and of eager mode, by part, and explain()'s rows of layers."""
    module, inputs = Parts(PARTS), inputs_of(PARTS, 0)
    program = whole(lowered(module, inputs))
    method = load(pte := pte_of(program))
    inputs = inputs_of(PARTS, 1)
    found = [result.clone() for result in method.execute(inputs)]
    del pte
    rows = [row for row in explain(program) if "quantize" not in row.op]
    return (
        dict(zip(PARTS, found, strict=True)),
        dict(zip(PARTS, module(*inputs), strict=True)),
        rows,
    )


def check(name: str, result: torch.Tensor, wanted: torch.Tensor) -> None:
    """A rounding that falls the other way is a step, and rare."""
    assert result.shape == wanted.shape and result.dtype == wanted.dtype
    difference = (result - wanted).abs()
    if name == "float result":
        assert float(difference.max()) <= 1e-5 * float(wanted.abs().max())
        return
    step = {"int16 activations": WIDE, "int16 result": WIDE}.get(name, OUT).scale
    assert float(difference.max()) <= 1.001 * step
    assert int((difference > step / 2).sum()) <= 1 + difference.numel() // 200
    assert len(wanted.unique()) > 5


@pytest.mark.parametrize("name", PARTS)
def test_values(name: str) -> None:
    found, wanted, _ = results()
    check(name, found[name], wanted[name])


def test_what_int8_takes_stays_int8() -> None:
    """The neighbours of a refused layer, and who shares its weight."""
    rows = results()[2]
    refused = [row for row in rows if row.reason]
    assert len(refused) == sum(count for _, _, count in PARTS.values())
    assert {row.became for row in refused} <= {row.op for row in rows}
    in_int8 = [row.became for row in rows if row.became.startswith("et_vk.q8ta_linear")]
    assert len(in_int8) == 3


DYNAMIC = ("linear", "uint8 weight", "conv1d", "conv2d", "transposed", "int16 activations")


def test_dynamic_batch() -> None:
    parts = {name: PARTS[name] for name in DYNAMIC}
    batch = Dim("batch", min=1, max=5)
    module = Parts(parts)
    inputs = [torch.cat([x] * 5)[:3] for x in inputs_of(parts, 0)]
    program = whole(lowered(module, inputs, (tuple({0: batch} for _ in inputs),)))
    method = load(pte := pte_of(program))
    for size in (3, 5, 1):
        inputs = [torch.cat([x] * 5)[:size] for x in inputs_of(parts, size)]
        for name, result, wanted in zip(
            parts, method.execute(inputs), module(*inputs), strict=True
        ):
            check(name, result, wanted)
    del pte
