"""Say of each layer of a saved program (MODEL.pt2) what it becomes here, or why it does not."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

from ..partitioner import VulkanPartitioner
from ..reporting.explain import explain
from .files import require_file

NAME = "explain"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="what torch.export.save wrote")


def call(options: argparse.Namespace) -> None:
    require_file(options.model)
    try:
        program = torch.export.load(options.model)
    except Exception as error:  # of many kinds, by what the file is instead
        raise ValueError(
            f"{options.model} is not what torch.export.save writes: {error}"
        ) from error
    # Lowered, so that the reasons are those of the partitioner that sees the weights.
    try:
        lowered = to_edge_transform_and_lower(
            program,
            partitioner=[VulkanPartitioner()],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
    except Exception as error:  # of ExecuTorch's passes, of many kinds
        raise ValueError(f"{options.model} can't be lowered: {error}") from error
    print(explain(lowered))
