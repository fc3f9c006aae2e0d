"""Lower model cases with ExecuTorch's own Vulkan partitioner, in a process without our package.

Usage: python stock_blobs.py OUT.pickle CASE...

Writes for every case what `describe` gives of each delegate, and the .pte.
"""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner
from executorch.exir import to_edge_transform_and_lower

from model_cases import CASES, export_quantized, keep_stock_pattern_graphs


def load_reader() -> ModuleType:
    """The blob reader by its path: importing it as part of the package would register our rules."""
    path = Path(__file__).parent.parent / "program.py"
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


def main(out: str, names: list[str]) -> None:
    reader = load_reader()
    keep_stock_pattern_graphs()
    found = {}
    for name in names:
        _, exported = export_quantized(CASES[name])
        program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
        described = [describe(delegate) for delegate in reader.read_delegates(program)]
        found[name] = (described, bytes(program.to_executorch().buffer))
    assert "executorch_vulkan" not in sys.modules
    Path(out).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
