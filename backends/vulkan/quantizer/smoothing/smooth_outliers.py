"""smooth_outliers: before PT2E, channels that are much larger than others are scaled down."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from ..layers import input_axis, input_of, weight_by_channels
from ..op_kinds import LAYERS, kind_of
from .channel_scales import ChannelRange, Reading, best_scales, scales
from .constants import constant_of, set_constant, states_of
from .norm_copies import copy_norms
from .scalable_values import ScalableValue, scalable_values

logger = logging.getLogger(__name__)


def smooth_outliers(
    model: GraphModule,
    batches: Iterable[Sequence[Any] | Mapping[str, Any]],
    strength: float | None = None,
    per_channel: bool = True,
) -> GraphModule:
    """Even out the channels that layers read behind norms; what the model computes stays the same.

        exported = torch.export.export(model, inputs).module()
        prepared = prepare_pt2e(smooth_outliers(exported, batches), VulkanInt8Quantizer())

    int8 has one grid for a value, so that channels with outliers leave few steps to all others. A
    norm's weight and bias are divided by s, one number for each channel, and the weights of the
    layers that read it are multiplied by s, as in SmoothQuant (Xiao et al. 2022,
    https://arxiv.org/abs/2211.10438). Where others read the norm too, as the residual does in BERT,
    the layers get a norm of their own. Left alone is what other ops than layers read, as gelu does,
    and weights that something else reads as well.

    Args:
        model: what `torch.export.export(...).module()` gives, in float32. It is changed, but no
            tensor that it has in common with the module that was exported.
        batches: the model's inputs, for each call a tuple, or a dict if it was exported with inputs
            by name; such as those that calibrate it later. What it keeps between calls stays.
        strength: of equation 4 there, from 0 to 1: s[j] = max|x[:, j]|^strength /
            max|w[:, j]|^(1 - strength), as multiples of the middle one. None takes for each value
            the one with which int8's error is least by estimate, or leaves it if none helps.
        per_channel: whether weights will have a scale for each output channel, for the estimate.

    Returns:
        `model`.

    Raises:
        TypeError: where `model` is no exported module, or a batch neither a tuple nor a dict.
        ValueError: where `strength` is out of range, there is no batch, or one does not fit.
    """
    _check(model, strength)
    copies = copy_norms(model.graph)
    smoothed = []
    try:
        values = [*scalable_values(model.graph)]
        ranges = _calibrated(model, values, batches)
        for value in values:
            readings = [
                Reading(
                    ranges[input_of(layer)],
                    weight_by_channels(layer, _weight(model, layer)),
                    per_channel,
                )
                for layer in value.layers
            ]
            s = best_scales(readings) if strength is None else scales(readings, strength)
            if s is not None:
                _scale(model, value, s)
                smoothed.append(value.maker)
    finally:
        for copy in copies:
            if copy.norm not in smoothed:
                copy.take_back()
        model.graph.lint()
        model.recompile()
    logger.info("%d of %d values smoothed: %s", len(smoothed), len(values), smoothed)
    return model


def _check(model: object, strength: float | None) -> None:
    if not isinstance(model, GraphModule) or not all(
        "val" in node.meta for node in model.graph.nodes if node.op == "placeholder"
    ):
        raise TypeError(
            "model must be what torch.export.export(...).module() gives, got a "
            f"{type(model).__name__}"
        )
    if strength is not None and not 0 <= strength <= 1:
        raise ValueError(f"strength must be from 0 to 1, or None, got {strength}")


def _calibrated(
    model: GraphModule,
    values: Sequence[ScalableValue],
    batches: Iterable[Sequence[Any] | Mapping[str, Any]],
) -> dict[Node, ChannelRange]:
    """What layers read of the values when `batches` run."""
    ranges: dict[Node, ChannelRange] = {}
    watchers = []
    for layer in [layer for value in values for layer in value.layers]:
        x, axis = input_of(layer), input_axis(layer)
        if x not in ranges:
            ranges[x] = ChannelRange(x.meta["val"].shape[axis], axis)
            name = f"channels_of_{x.name}"
            model.add_submodule(name, ranges[x])
            with model.graph.inserting_before(layer):
                watchers.append(model.graph.call_module(name, (x,)))
    model.recompile()
    states = states_of(model)
    before = [state.clone() for state in states]
    try:
        _run(model, batches)
    finally:
        for state, old in zip(states, before, strict=True):
            state.copy_(old)
        for watcher in watchers:
            model.graph.erase_node(watcher)
            model.delete_submodule(str(watcher.target))
    return ranges


@torch.no_grad()
def _run(model: GraphModule, batches: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
    number = -1
    for number, batch in enumerate(batches):
        if not isinstance(batch, (tuple, list, Mapping)):
            raise TypeError(
                f"batch {number} must be a tuple of the model's inputs, or a dict of them, got a "
                f"{type(batch).__name__}"
            )
        try:
            model(**batch) if isinstance(batch, Mapping) else model(*batch)
        except Exception as error:
            raise ValueError(f"batch {number} does not fit the exported model: {error}") from error
    if number < 0:
        raise ValueError("batches has none: give at least one batch of typical inputs")


def _weight(model: GraphModule, layer: Node) -> Tensor:
    weight = constant_of(model, layer, LAYERS[kind_of(layer)].weight)
    assert weight is not None
    return weight


def _scale(model: GraphModule, value: ScalableValue, s: Tensor) -> None:
    """Divide what makes a value, and multiply the weights of the layers that read it."""
    for row in value.rows:
        old = constant_of(model, row.op, row.at)
        by = s.view(-1, *(1,) * (-1 - row.axis))
        set_constant(model, row.op, row.at, 1 / by if old is None else old / by)
    for layer in value.layers:
        weight = _weight(model, layer).clone(memory_format=torch.contiguous_format)
        channels = weight_by_channels(layer, weight)  # a view
        channels *= s.view(len(channels), 1, -1, 1)
        set_constant(model, layer, LAYERS[kind_of(layer)].weight, weight)
