"""Lower exported programs with ExecuTorch's own Vulkan partitioner, in a process without ours.

Usage: python stock_blobs.py OUT.pickle PROGRAM.pt2...

Writes for every program, by its file's stem, what `describe` gives of each delegate, and the .pte.
Programs are read rather than quantized here: a convolution that calibrates in another process
gives other last bits on some machines.
"""

from __future__ import annotations

import importlib.util
import pickle
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner
from executorch.backends.vulkan.patterns import fusable_patterns
from executorch.exir import to_edge_transform_and_lower


def load_reader() -> ModuleType:
    """The blob reader by its path: importing it as part of the package would register our rules."""
    path = Path(__file__).resolve().parents[2] / "program.py"
    spec = importlib.util.spec_from_file_location("blob_reader", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["blob_reader"] = module
    spec.loader.exec_module(module)
    return module


def describe(delegate: Any) -> list[tuple[str, list[Any]]]:
    """A delegate's ops with their arguments by value; tensors that are not constant by place."""
    places: dict[int, int] = {}

    def value(arg: Any) -> Any:
        if not hasattr(arg, "dtype"):
            return arg
        what = arg.data if arg.data is not None else places.setdefault(arg.id, len(places))
        return (arg.dtype, arg.shape, arg.hints, what)

    return [(op.name, [value(arg) for arg in op.args]) for op in delegate.chain]


def _keep_pattern_graphs() -> None:
    """Without our package, the stock engine traces its own pattern graphs at every lowering."""
    for entry in fusable_patterns.values():
        if entry.get_graphs_fn is not None:
            entry.get_graphs_fn = cache(entry.get_graphs_fn)


def main(out: str, files: list[str]) -> None:
    reader = load_reader()
    _keep_pattern_graphs()
    found = {}
    for file in files:
        exported = torch.export.load(file)
        program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
        described = [describe(delegate) for delegate in reader.read_delegates(program)]
        found[Path(file).stem] = (described, bytes(program.to_executorch().buffer))
    assert "executorch_vulkan" not in sys.modules
    Path(out).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
