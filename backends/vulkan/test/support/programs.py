"""Run lowered programs through ExecuTorch's Runtime, and the programs that several tests load."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from executorch.runtime import Method, Runtime

from model_cases import CASES, quantize_and_lower


@cache
def pte_bytes(case_name: str) -> bytes:
    """The .pte of a model case, lowered for our runtime."""
    program = copy.deepcopy(quantize_and_lower(CASES[case_name]).program)
    return bytes(program.to_executorch().buffer)  # which changes the program in place


def load(pte: bytes) -> Method:
    """The program's forward method. Raises RuntimeError with ExecuTorch's code in it."""
    return Runtime.get().load_program(pte).load_method("forward")


def run(pte: bytes, inputs: Sequence[Any]) -> list[torch.Tensor]:
    """Outputs of one execution, copied: ExecuTorch reuses their memory for the next one."""
    return [output.clone() for output in load(pte).execute(list(inputs))]
