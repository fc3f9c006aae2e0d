"""Inputs of a program: from files, or random."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from executorch.runtime import Method, Program, Runtime

from .dtypes import DTYPES
from .files import require_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which method of which program runs on what."""
    parser.add_argument("model", type=Path, help="MODEL.pte")
    parser.add_argument("--data", type=Path, help="FILE.ptd with weights outside of the program")
    parser.add_argument("--method", default="forward", help="default: forward")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a tensor as .npy or .pt, once for each input; default: random",
    )
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="I=AxB",
        help="sizes of random input I (from 0); default: the largest that it may have",
    )
    parser.add_argument("--seed", type=int, default=1, help="of random inputs; default: 1")


def load(options: argparse.Namespace, traced: bool = False) -> Program:
    """The program; with `traced`, its executions can be written to an ETDump.

    Raises:
        OSError, ValueError: where it can't be read.
    """
    require_file(options.model)
    if options.data is not None:
        require_file(options.data, "--data")
    try:
        program = Runtime.get().load_program(
            str(options.model),
            enable_etdump=traced,
            data_path=None if options.data is None else str(options.data),
        )
    except RuntimeError as error:
        with_data = "" if options.data is None else f", or {options.data} no data of it"
        raise ValueError(
            f"{options.model} is no program of ExecuTorch{with_data}: {error}"
        ) from error
    if options.method not in program.method_names:
        names = ", ".join(sorted(program.method_names))
        raise ValueError(f"{options.model} has no method {options.method!r}; it has {names}")
    return program


def load_method(program: Program, options: argparse.Namespace) -> Method:
    """Raises RuntimeError where it can't be loaded; stderr says why."""
    try:
        method = program.load_method(options.method)
    except RuntimeError as error:
        raise RuntimeError(
            f"{options.model}: {options.method} can't be loaded, for the reason above: {error}"
        ) from error
    assert method is not None
    return method


def execute(
    method: Method, given: Sequence[torch.Tensor], options: argparse.Namespace
) -> list[Any]:
    """Raises RuntimeError where it fails; stderr says why."""
    try:
        return list(method.execute(given))
    except RuntimeError as error:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in given)
        raise RuntimeError(
            f"{options.model}: {options.method} fails on inputs of {shapes}, for the reason above: "
            f"{error}"
        ) from error


def require_repeat(options: argparse.Namespace) -> None:
    if options.repeat < 1:
        raise ValueError(f"--repeat {options.repeat}: expected at least 1")


def make(metadata: Any, options: argparse.Namespace) -> list[torch.Tensor]:
    """One tensor for each input of a method.

    Raises:
        OSError, ValueError: for files or sizes that do not fit.
    """
    count = metadata.num_inputs()
    if options.input and options.size:
        raise ValueError("--input and --size exclude each other: a file has its own sizes")
    if options.input and len(options.input) != count:
        raise ValueError(f"--input was given {len(options.input)} times, the method has {count}")
    sizes = dict(map(_parse_size, options.size))
    if unknown := sizes.keys() - set(range(count)):
        raise ValueError(f"--size {min(unknown)}=: the method has inputs 0 to {count - 1}")
    torch.manual_seed(options.seed)
    return [
        _input(index, metadata, options.input[index] if options.input else None, sizes.get(index))
        for index in range(count)
    ]


def _input(index: int, metadata: Any, path: Path | None, sizes: list[int] | None) -> torch.Tensor:
    try:
        info = metadata.input_tensor_meta(index)
    except RuntimeError as error:
        raise ValueError(f"input {index} is no tensor, and only tensors can be given") from error
    bounds, dtype = tuple(info.sizes()), DTYPES.get(info.dtype())
    if dtype is None:
        raise ValueError(f"input {index} has a dtype that is not known here, code {info.dtype()}")
    if path is None:
        shape = tuple(sizes) if sizes is not None else bounds
        _check_shape(f"--size {index}=", shape, bounds)
        return _random(shape, dtype)
    tensor = _read(path)
    _check_shape(f"--input {path}", tuple(tensor.shape), bounds)
    if tensor.dtype != dtype:
        raise ValueError(f"--input {path} is {tensor.dtype}, input {index} of the method {dtype}")
    return tensor.contiguous()


def _check_shape(what: str, shape: Sequence[int], bounds: Sequence[int]) -> None:
    fits = len(shape) == len(bounds)
    if not fits or not all(0 <= a <= b for a, b in zip(shape, bounds, strict=True)):
        raise ValueError(
            f"{what} has shape {list(shape)}, the program takes {list(bounds)} at most"
        )


def _read(path: Path) -> torch.Tensor:
    require_file(path, "--input")
    try:
        value = torch.from_numpy(np.load(path)) if path.suffix == ".npy" else torch.load(path)
    except Exception as error:  # of many kinds, by what the file is instead
        raise ValueError(
            f"--input {path} holds no tensor (a .npy or .pt file does): {error}"
        ) from error
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"--input {path} holds a {type(value).__name__}, not a tensor")
    return value


def _random(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Floats within -1 .. 1, integers of small values, bytes of their whole range."""
    if dtype.is_floating_point:
        return (torch.rand(*shape) * 2 - 1).to(dtype)
    if dtype == torch.bool:
        return torch.randint(0, 2, tuple(shape)).to(dtype)
    if dtype in (torch.int8, torch.uint8):
        info = torch.iinfo(dtype)
        return torch.randint(info.min, info.max + 1, tuple(shape)).to(dtype)
    return torch.randint(0, 10, tuple(shape)).to(dtype)


def _parse_size(text: str) -> tuple[int, list[int]]:
    index, _, sizes = text.partition("=")
    try:
        return int(index), [int(size) for size in sizes.split("x")] if sizes else []
    except ValueError:
        raise ValueError(f"--size {text}: expected INDEX=AxBxC, such as 0=1x128") from None
