"""Times a PyTorch function on the GPU: one CUDA graph of several calls, warmed up, the median."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

ITERATIONS = 20  # calls in one graph replay
REPEATS = 30
WARMUP_S = 1.0


def median_us(call: Callable[[], Any]) -> float:
    """Median time of one call, in microseconds."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(ITERATIONS):
            call()
    started = time.perf_counter()
    while time.perf_counter() - started < WARMUP_S:
        graph.replay()
        torch.cuda.synchronize()
    times = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e3 / ITERATIONS)
    return statistics.median(times)
