"""How much of a value's channels is moved into the weights of the layers that read it.

The formula is SmoothQuant's (Xiao et al. 2022, https://arxiv.org/abs/2211.10438, equation 4):
s[j] = max|x[j]|^strength / max|w[:, j]|^(1 - strength), by which x is divided and w multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_STRENGTHS = [i / 10 for i in range(1, 11)]
# A channel that calibration hardly saw may be as large as others later.
_LEAST = 2.0**-5


class ChannelRange(nn.Module):
    """Sees a value's channels: the least and the largest element of each, and the mean square.

    0 counts as seen, for the grids of int8 have it.
    """

    def __init__(self, channels: int, axis: int) -> None:
        super().__init__()
        self._axis, self._count = axis, 0
        self.least, self.largest = torch.zeros(channels), torch.zeros(channels)
        self._squares = torch.zeros(channels)

    def forward(self, x: Tensor) -> None:
        rows = x.movedim(self._axis, -1).reshape(-1, len(self.least))
        if len(rows):
            self.least = torch.minimum(self.least, rows.amin(0))
            self.largest = torch.maximum(self.largest, rows.amax(0))
            self._squares += rows.square().sum(0)
            self._count += len(rows)

    @property
    def magnitude(self) -> Tensor:
        return torch.maximum(-self.least, self.largest)

    @property
    def mean_square(self) -> Tensor:
        return self._squares / max(self._count, 1)


class Reading:
    """What a layer reads, and of its weight what rounding asks for.

    Args:
        x: the input's K channels.
        weight: float32 [groups, N / groups, K / groups, taps].
        per_channel: whether each of the N output channels will have a scale of its own.
    """

    def __init__(self, x: ChannelRange, weight: Tensor, per_channel: bool) -> None:
        self.x = x
        self.magnitudes = weight.abs().amax(3)  # [groups, N / groups, K / groups]
        self.largest_weights = self.magnitudes.amax(1).flatten()  # [K]
        self.squares = weight.square().sum((1, 3)).flatten()  # [K]
        self.taps = weight.shape[3]
        self.per_channel = per_channel

    def error(self, s: Tensor) -> float:
        """The expected square of the layer's error where x / s and w * s are rounded to int8.

        A rounding is off by step / sqrt(12) in the mean, and no two have to do with each other.
        """
        groups, _, inputs = self.magnitudes.shape
        x_step = ((self.x.largest / s).amax() - (self.x.least / s).amin()) / 255
        w_steps = (self.magnitudes * s.view(groups, 1, inputs)).amax(2) / 127
        if not self.per_channel:
            w_steps = w_steps.amax().expand_as(w_steps)
        of_x = x_step**2 * (self.squares * s**2).sum()
        x_squares = self.taps * (self.x.mean_square / s**2).view(groups, 1, inputs).sum(2)
        return float(of_x + (w_steps**2 * x_squares).sum()) / 12


def scales(readings: Sequence[Reading], strength: float) -> Tensor | None:
    """s [K] for the layers that read one value, as multiples of the middle one.

    It is 1 for channels that are zero or not read. None where what was seen is not finite.
    """
    x = torch.stack([one.x.magnitude for one in readings]).amax(0)
    weight = torch.stack([one.largest_weights for one in readings]).amax(0)
    counts = (x > 0) & (weight > 0)
    if not bool(counts.any() and x.isfinite().all() and weight.isfinite().all()):
        return None
    logs = strength * x.log() - (1 - strength) * weight.log()
    return torch.where(counts, (logs - logs[counts].median()).exp().clamp(min=_LEAST), 1.0)


def best_scales(readings: Sequence[Reading]) -> Tensor | None:
    """Those of the strength with the least error, or None if all are no better than none."""
    best, least = None, sum(one.error(torch.ones_like(one.x.largest)) for one in readings)
    for strength in _STRENGTHS:
        s = scales(readings, strength)
        if s is not None and (error := sum(one.error(s) for one in readings)) < least:
            best, least = s, error
    return best
