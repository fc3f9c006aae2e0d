"""Networks with an outlier behind a norm, and the parameters that smooth_outliers has to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from int8_quantizer import Net

N, L, C = 3, 5, 8
OUTLIER = 3  # a channel, and how much larger than the others it is
TIMES = 40.0


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def spread(*shape: int) -> nn.Parameter:
    """About 1, but in the outlier's channel of the last dimension that is not 1."""
    values = 1 + 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    axis = max(at for at, size in enumerate(shape) if size != 1)
    values.select(axis, OUTLIER).mul_(TIMES)
    return nn.Parameter(values)


def with_outlier(norm: nn.Module) -> nn.Module:
    norm.weight = spread(C)
    if getattr(norm, "bias", None) is not None:
        norm.bias = nn.Parameter(rows(C))
    return norm


def layer_norm(**options: Any) -> nn.Module:
    return with_outlier(nn.LayerNorm(C, **options))


def linear(k: int = C, n: int = 6, bias: bool = True) -> nn.Linear:
    torch.manual_seed(k + n)
    return nn.Linear(k, n, bias)


def rms(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


@dataclass(frozen=True)
class Case:
    """A network, its input's shape, and the parameters that have to change."""

    build: Callable[[], nn.Module]
    changes: str
    shape: tuple[int, ...] = (N, L, C)


def case(
    function: Callable[..., torch.Tensor],
    changes: str,
    shape: tuple[int, ...] = (N, L, C),
    **parts: Callable[[], nn.Module | nn.Parameter],
) -> Case:
    return Case(
        lambda: Net(function, **{name: part() for name, part in parts.items()}), changes, shape
    )


def conv(k: int = C, n: int = 4, kernel: int = 1, **options: Any) -> nn.Conv2d:
    torch.manual_seed(k + n)
    return nn.Conv2d(k, n, kernel, **options)


def group_norm() -> nn.Module:
    return with_outlier(nn.GroupNorm(2, C))


IMAGE = (2, C, 5, 6)
NORM = "norm.weight norm.bias"
SMOOTHED = {
    "layer norm": case(lambda s, x: s.a(s.norm(x)), f"{NORM} a.weight", norm=layer_norm, a=linear),
    "layer norm without bias": case(
        lambda s, x: s.a(s.norm(x)),
        "norm.weight a.weight",
        norm=lambda: layer_norm(bias=False),
        a=linear,
    ),
    "layer norm without weight and bias": case(
        lambda s, x: s.a(F.layer_norm(x * s.row, (C,))),
        "layer_norm_argument2 a.weight",
        row=lambda: spread(C),
        a=linear,
    ),
    "layer norm without weight": case(
        lambda s, x: s.a(F.layer_norm(x * s.row, (C,), bias=s.bias)),
        "layer_norm_argument2 bias a.weight",
        row=lambda: spread(C),
        bias=lambda: nn.Parameter(rows(C)),
        a=linear,
    ),
    "one row": case(
        lambda s, x: s.a(s.norm(x)), f"{NORM} a.weight", (C,), norm=layer_norm, a=linear
    ),
    "2-D": case(lambda s, x: s.a(s.norm(x)), f"{NORM} a.weight", (4, C), norm=layer_norm, a=linear),
    "4-D": case(
        lambda s, x: s.a(s.norm(x)), f"{NORM} a.weight", (2, 3, 4, C), norm=layer_norm, a=linear
    ),
    "q, k and v": case(
        lambda s, x: (lambda y: s.q(y) * s.k(y) + s.v(y))(s.norm(x)),
        f"{NORM} q.weight k.weight v.weight",
        norm=layer_norm,
        q=linear,
        k=linear,
        v=linear,
    ),
    "rms norm": case(
        lambda s, x: s.a(s.norm(x)),
        "norm.weight a.weight",
        norm=lambda: with_outlier(nn.RMSNorm(C)),
        a=linear,
    ),
    "rms norm written out": case(
        lambda s, x: s.a(s.row * rms(x).to(x.dtype)),
        "row a.weight",
        row=lambda: spread(C),
        a=linear,
    ),
    "rms norm with a computed weight": case(
        lambda s, x: s.a(rms(x) * (1.0 + s.row)),
        "mul_1_argument1 a.weight",
        row=lambda: spread(1, C),
        a=linear,
    ),
    "weight [K, N]": case(
        lambda s, x: s.norm(x) @ s.w + s.b,
        f"{NORM} w",
        norm=layer_norm,
        w=lambda: nn.Parameter(rows(C, 6)),
        b=lambda: nn.Parameter(rows(6)),
    ),
    "addmm of a transposed weight": case(
        lambda s, x: torch.addmm(s.b, s.norm(x), s.w.t()),
        f"{NORM} addmm_argument2",
        (4, C),
        norm=layer_norm,
        w=lambda: nn.Parameter(rows(6, C)),
        b=lambda: nn.Parameter(rows(6)),
    ),
    "moves and functions": case(
        lambda s, x: s.a(F.dropout(F.relu(s.norm(x) * 2), 0.1, False)[:, 1:].flatten(0, 1)),
        f"{NORM} a.weight",
        norm=layer_norm,
        a=linear,
    ),
    "a sum with rows": case(
        lambda s, x: s.a(s.norm(x) + s.places),
        f"{NORM} places a.weight",
        norm=layer_norm,
        places=lambda: nn.Parameter(rows(L, C)),
        a=linear,
    ),
    "a token and a mean": case(
        lambda s, x: (lambda y: s.a(y[:, 0]) + s.b(y.mean(1)))(s.norm(x)),
        f"{NORM} a.weight b.weight",
        norm=layer_norm,
        a=linear,
        b=linear,
    ),
    "channels to the front and back": case(
        lambda s, x: s.a(s.norm(x).permute(0, 3, 1, 2)),
        f"{NORM} a.weight",
        (2, 5, 6, C),
        norm=layer_norm,
        a=lambda: conv(kernel=3, padding=1),
    ),
    "group norm": case(
        lambda s, x: s.a(s.norm(x)), f"{NORM} a.weight", IMAGE, norm=group_norm, a=conv
    ),
    "instance norm in front of rows": case(
        lambda s, x: s.a(s.norm(x).flatten(2).transpose(1, 2)),
        f"{NORM} a.weight",
        IMAGE,
        norm=lambda: with_outlier(nn.InstanceNorm2d(C, affine=True)),
        a=linear,
    ),
    "grouped convolution": case(
        lambda s, x: s.a(F.max_pool2d(s.norm(x), 2)),
        f"{NORM} a.weight",
        IMAGE,
        norm=group_norm,
        a=lambda: conv(kernel=2, groups=2),
    ),
    "depthwise convolution": case(
        lambda s, x: s.a(s.norm(x)),
        f"{NORM} a.weight",
        IMAGE,
        norm=group_norm,
        a=lambda: conv(n=2 * C, kernel=3, groups=C),
    ),
    "grouped transposed convolution": case(
        lambda s, x: s.a(s.norm(x)),
        f"{NORM} a.weight",
        IMAGE,
        norm=group_norm,
        a=lambda: nn.ConvTranspose2d(C, 6, 2, groups=2),
    ),
    "a residual, too": case(
        lambda s, x: (lambda y: F.pad(s.a(y), (0, 2)) + y)(F.dropout(s.norm(x), 0.1, False)),
        "layer_norm_1_argument2 layer_norm_1_argument3 a.weight",
        norm=layer_norm,
        a=linear,
    ),
    "a residual, and moves in front of layers": case(
        lambda s, x: (lambda y: F.pad(s.a(y.transpose(0, 1)).transpose(0, 1), (0, 2)) + y)(
            s.norm(x)
        ),
        "layer_norm_1_argument2 layer_norm_1_argument3 a.weight",
        norm=layer_norm,
        a=linear,
    ),
    "one norm for two layers": case(
        lambda s, x: s.b(s.norm(F.pad(s.a(s.norm(x)), (0, 2)))),
        f"{NORM} layer_norm_1_argument2 layer_norm_1_argument3 a.weight b.weight",
        norm=layer_norm,
        a=linear,
        b=linear,
    ),
}

LEFT = {
    "a function that is not homogeneous": case(
        lambda s, x: s.a(F.gelu(s.norm(x))), "", norm=layer_norm, a=linear
    ),
    "no layer": case(lambda s, x: s.norm(x) * 2, "", norm=layer_norm),
    "a result that is read too": case(
        lambda s, x: (lambda y: (s.a(y.relu()), y))(s.norm(x)), "", norm=layer_norm, a=linear
    ),
    "a norm written out that is read too": case(
        lambda s, x: (lambda y: s.a(y) + y)(s.row * rms(x)),
        "",
        row=lambda: spread(C),
        a=lambda: linear(n=C),
    ),
    "a shared weight": case(lambda s, x: s.a(s.norm(x)) + s.a(x), "", norm=layer_norm, a=linear),
    "tied embeddings": case(
        lambda s, x: F.linear(s.norm(F.embedding(x.argmax(2), s.words)), s.words),
        "",
        norm=layer_norm,
        words=lambda: nn.Parameter(rows(C, C)),
    ),
    "a weight that is computed": case(lambda s, x: F.linear(s.norm(x), x[0]), "", norm=layer_norm),
    "transposed channels": case(
        lambda s, x: s.a(s.norm(x).transpose(1, 2)), "", (N, C, C), norm=layer_norm, a=linear
    ),
    "channels that are split": case(
        lambda s, x: s.a(s.norm(x).unflatten(2, (2, 4))), "", norm=layer_norm, a=lambda: linear(4)
    ),
    "some of the channels": case(
        lambda s, x: s.a(s.norm(x)[..., 2:6]), "", norm=layer_norm, a=lambda: linear(4)
    ),
    "a norm over two dimensions": case(
        lambda s, x: s.a(s.norm(x)), "", norm=lambda: nn.LayerNorm((L, C)), a=linear
    ),
    "numbers that are added": case(lambda s, x: s.a(s.norm(x) + 1), "", norm=layer_norm, a=linear),
    "a division that rounds": case(
        lambda s, x: s.a(torch.div(s.norm(x), 2, rounding_mode="floor")),
        "",
        norm=layer_norm,
        a=linear,
    ),
    "the norm times itself": case(
        lambda s, x: (lambda y: s.a(y * y))(s.norm(x)), "", norm=layer_norm, a=linear
    ),
    "integers": case(
        lambda s, x: s.a(s.norm(x).to(torch.int32).to(torch.float32)),
        "",
        norm=layer_norm,
        a=linear,
    ),
    "float64": case(
        lambda s, x: s.a(s.norm(x.double())),
        "",
        norm=lambda: layer_norm().double(),
        a=lambda: linear().double(),
    ),
    "equal channels": case(
        lambda s, x: F.linear(x.mean(2, keepdim=True) * s.row, s.w),
        "",
        row=lambda: nn.Parameter(torch.full((C,), 2.0)),
        w=lambda: nn.Parameter(torch.ones(4, C)),
    ),
}
