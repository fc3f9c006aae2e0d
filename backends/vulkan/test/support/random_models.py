"""Models drawn at random: layers, activations, residuals and shape ops in any order.

A model is a list of steps, plain data that a failing test prints. Steps never touch the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

Step = tuple[Any, ...]

# Exact in int8 or clamps of it, and those whose float32 may differ in the last bit.
EXACT_ACTIVATIONS: dict[str, Any] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "hardtanh": lambda x: functional.hardtanh(x, -0.4, 0.7),
    "clamp": lambda x: torch.clamp(x, min=-0.3),
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.1),
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
}
TRANSCENDENTAL: dict[str, Any] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "elu": functional.elu,
}
ACTIVATIONS = {**EXACT_ACTIVATIONS, **TRANSCENDENTAL}
WITH_LINEAR = ("linear", "residual", "cat")
CONVOLUTIONS: dict[tuple[int, bool], type[nn.Module]] = {
    (1, False): nn.Conv1d,
    (2, False): nn.Conv2d,
    (2, True): nn.ConvTranspose2d,
}
_MAX_ELEMENTS = 600  # of one batch entry, so that a model takes milliseconds on a CPU driver


@dataclass(frozen=True)
class RandomModel:
    """A model's plan.

    Attributes:
        shape: of one batch entry of the input.
        steps: what happens to it, in order.
        batches: batch sizes to run, the first also for export and calibration.
        seed: of weights and inputs.
    """

    shape: tuple[int, ...]
    steps: tuple[Step, ...]
    batches: tuple[int, ...]
    seed: int

    @property
    def is_transcendental(self) -> bool:
        return any(part in TRANSCENDENTAL for step in self.steps for part in step)

    def module(self) -> nn.Module:
        torch.manual_seed(self.seed)
        return _Module(self.steps).eval()

    def inputs(self, batch: int, seed: int) -> tuple[torch.Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1000 + seed)
        return (torch.randn((batch, *self.shape), generator=generator),)


class _Module(nn.Module):
    def __init__(self, steps: tuple[Step, ...]) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList(map(_layer, steps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for (kind, *arguments), layer in zip(self.steps, self.layers, strict=True):
            x = _apply(kind, arguments, x, layer)
        return x


def _layer(step: Step) -> nn.Module:
    if step[0] in WITH_LINEAR:
        return nn.Linear(step[1], step[2], bias=step[3])
    if step[0] in ("convolution", "convolution_residual"):
        _, rank, transposed, ic, oc, options = step
        return CONVOLUTIONS[rank, transposed](ic, oc, **dict(options))
    return nn.Identity()


def _apply(kind: str, arguments: list[Any], x: torch.Tensor, layer: Any) -> torch.Tensor:
    if kind in ("linear", "convolution"):
        return layer(x)
    if kind == "convolution_residual":
        return x + layer(x)
    if kind == "residual":
        y = layer(x)
        activation = arguments[3]
        return x + (y if activation is None else ACTIVATIONS[activation](y))
    if kind == "cat":
        return torch.cat([x, layer(x)], dim=-1)
    if kind == "activation":
        return ACTIVATIONS[arguments[0]](x)
    if kind == "reshape":
        return x.reshape(x.shape[0], *arguments)
    if kind == "permute":
        return x.permute(0, *(dim + 1 for dim in arguments))
    if kind == "slice":
        dim, start, end, stride = arguments
        return x[(slice(None),) * (dim + 1) + (slice(start, end, stride),)]
    if kind == "select":
        return x.select(arguments[0] + 1, arguments[1])
    if kind == "unsqueeze":
        return x.unsqueeze(arguments[0] + 1)
    if kind == "halves":
        first, second = x.chunk(2, dim=-1)
        return first + second
    if kind == "mean":
        return x.mean(arguments[0] + 1)
    raise ValueError(kind)


_features = st.one_of(st.integers(1, 40), st.sampled_from([1, 3, 16, 31, 33, 64]))


@st.composite
def random_models(draw: st.DrawFn, dynamic: bool) -> RandomModel:
    """2 to 8 steps behind a first linear, of which at least one more is a linear."""
    leading = draw(st.lists(st.integers(1, 6), max_size=2))
    shape = (*leading, draw(_features))
    sizes = list(shape)
    steps: list[Step] = [_linear(draw, sizes)]
    count = draw(st.integers(2, 7))
    while len(steps) < count:
        # ExecuTorch's to_edge narrows the bounds of a dynamic batch before some convolutions.
        steps += _step(draw, sizes, with_convolutions=not dynamic)
    steps.append(_linear(draw, sizes))
    if draw(st.booleans()):
        steps.append(("activation", draw(st.sampled_from(sorted(ACTIVATIONS)))))
    batches = (5, 1, 16, 2) if dynamic else (draw(st.sampled_from([1, 2, 7, 32])),)
    return RandomModel(shape, tuple(steps), batches, draw(st.integers(0, 99)))


def _linear(draw: st.DrawFn, sizes: list[int]) -> Step:
    rows = math.prod(sizes[:-1])
    out = min(draw(_features), max(1, _MAX_ELEMENTS // rows))
    step = ("linear", sizes[-1], out, draw(st.booleans()))
    sizes[-1] = out
    return step


def _step(draw: st.DrawFn, sizes: list[int], with_convolutions: bool) -> list[Step]:
    """One step, or two where one needs the other; `sizes` becomes that of its result."""
    kinds = ["linear", "activation", "activation", "residual", "slice", "unsqueeze", "split"]
    if len(sizes) > 1:
        kinds += ["flatten", "permute", "select"]
    if with_convolutions and len(sizes) in (2, 3):
        kinds += ["convolution", "convolution", "convolution_residual"]
    odd = [dim for dim, size in enumerate(sizes[:-1]) if size % 2 == 1]
    if odd:
        kinds.append("mean")
    if sizes[-1] % 2 == 0:
        kinds.append("halves")
    if math.prod(sizes) * 2 <= _MAX_ELEMENTS:
        kinds.append("cat")
    kind = draw(st.sampled_from(kinds))
    last = sizes[-1]
    if kind == "linear":
        return [_linear(draw, sizes)]
    if kind == "convolution":
        return [_convolution(draw, sizes)]
    if kind == "convolution_residual":
        rank, ic = len(sizes) - 1, sizes[0]
        side, groups = draw(st.integers(0, 1)), draw(st.sampled_from([1, ic]))
        options = {"kernel_size": 2 * side + 1, "padding": side, "groups": groups}
        return [("convolution_residual", rank, False, ic, ic, tuple(options.items()))]
    if kind == "activation":
        return [("activation", draw(st.sampled_from(sorted(ACTIVATIONS))))]
    if kind == "residual":
        activation = draw(st.sampled_from([None, *sorted(ACTIVATIONS)]))
        return [("residual", last, last, draw(st.booleans()), activation)]
    if kind == "cat":
        out = draw(st.integers(1, max(1, last)))
        sizes[-1] += out
        return [("cat", last, out, draw(st.booleans()))]
    if kind == "halves":
        sizes[-1] //= 2
        return [("halves",)]
    if kind == "mean":
        # XNNPACKQuantizer does not quantize a mean; the layers around it make it so. Over an even
        # number on one grid half of the means are ties, which eager mode rounds either way.
        before = _linear(draw, sizes)
        dim = draw(st.sampled_from(odd))
        del sizes[dim]
        return [before, ("mean", dim), _linear(draw, sizes)]
    return [_move(draw, kind, sizes)]


def _convolution(draw: st.DrawFn, sizes: list[int]) -> Step:
    """Of what is [C, L] or [C, H, W] of one batch entry."""
    ic, *pixels = sizes
    transposed = len(pixels) == 2 and math.prod(sizes) * 4 <= _MAX_ELEMENTS and draw(st.booleans())
    groups = (
        1 if transposed else draw(st.sampled_from([d for d in range(1, ic + 1) if ic % d == 0]))
    )
    stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, 1))
    # A window that fits into the smallest side with its padding.
    reach = min(pixels) + 2 * padding - 1
    kernel_size = draw(st.integers(1, max(1, min(3, reach // dilation + 1))))
    padding = min(padding, dilation * (kernel_size - 1))
    options = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    options |= {"dilation": dilation, "groups": groups, "bias": draw(st.booleans())}
    span = dilation * (kernel_size - 1)
    if transposed:
        pixels = [(size - 1) * stride - 2 * padding + span + 1 for size in pixels]
    else:
        pixels = [(size + 2 * padding - span - 1) // stride + 1 for size in pixels]
    most = max(1, _MAX_ELEMENTS // math.prod(pixels) // groups)
    oc = groups * draw(st.integers(1, min(most, 12)))
    step = ("convolution", len(pixels), transposed, ic, oc, tuple(options.items()))
    sizes[:] = [oc, *pixels]
    return step


def _move(draw: st.DrawFn, kind: str, sizes: list[int]) -> Step:
    if kind == "flatten":
        dim = draw(st.integers(0, len(sizes) - 2))
        sizes[dim : dim + 2] = [sizes[dim] * sizes[dim + 1]]
        return ("reshape", *sizes)
    if kind == "split":
        last = sizes[-1]
        inner = draw(st.sampled_from([d for d in range(1, last + 1) if last % d == 0]))
        sizes[-1:] = [last // inner, inner]
        return ("reshape", *sizes)
    if kind == "permute":
        order = draw(st.permutations(range(len(sizes))))
        sizes[:] = [sizes[dim] for dim in order]
        return ("permute", *order)
    dim = draw(st.integers(0, len(sizes) - 1))
    if kind == "unsqueeze":
        sizes.insert(dim, 1)
        return ("unsqueeze", dim)
    if kind == "select":
        dim = draw(st.integers(0, len(sizes) - 2))
        return ("select", dim, draw(st.integers(0, sizes.pop(dim) - 1)))
    start = draw(st.integers(0, sizes[dim] - 1))
    end = draw(st.integers(start + 1, sizes[dim]))
    stride = draw(st.integers(1, 3))
    sizes[dim] = -(-(end - start) // stride)
    return ("slice", dim, start, end, stride)
