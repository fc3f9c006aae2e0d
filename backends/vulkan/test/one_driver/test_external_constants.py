"""Weights in data files beside the program, as ExecuTorch's passes tag them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from executorch.backends.vulkan.partitioner.vulkan_partitioner import (
    VulkanPartitioner as StockPartitioner,
)
from executorch.exir import (
    ExecutorchBackendConfig,
    ExecutorchProgramManager,
    to_edge_transform_and_lower,
)
from executorch.exir.passes.external_constants_pass import (
    delegate_external_constants_pass_unlifted,
)
from executorch.runtime import Runtime
from torch import nn
from torch.fx import Node

from executorch_vulkan import VulkanPartitioner
from fnv1a import fnv1a
from linear_fixture import built
from model_cases import quantized_module
from on_cpu import on_cpu
from programs import load, run

INNER, OUTER = 250, 256  # 250 is padded for the kernels: constants of our own
LAYER_BYTES = INNER * OUTER
Tag = Callable[[Node], str | None]


class TiedLayers(nn.Module):
    """Two delegates around ops on the CPU; the first layer is used in both."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(OUTER, INNER), nn.Linear(INNER, OUTER)
        self.points = nn.Parameter(torch.linspace(-1.0, 1.0, 64).view(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        # In short rows: the CPU's op has a constant of their square.
        y = on_cpu(y.unflatten(-1, (-1, 8)), self.points).flatten(-2)
        return self.first(y)


@cache
def tied() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(3, OUTER)
    rows = torch.export.Dim("rows", min=1, max=64)
    return quantized_module(TiedLayers().eval(), (x,), ({0: rows},)), x


def tagged(module: nn.Module, x: torch.Tensor, tag: Tag) -> torch.export.ExportedProgram:
    unlifted = torch.export.export(module, (x,)).module()
    delegate_external_constants_pass_unlifted(unlifted, tag)
    return torch.export.export(unlifted, (x,))


def lower(
    tag: Tag, partitioner: Any = None, config: ExecutorchBackendConfig | None = None
) -> ExecutorchProgramManager:
    exported = tagged(*tied(), tag)
    edge = to_edge_transform_and_lower(exported, partitioner=[partitioner or VulkanPartitioner()])
    return edge.to_executorch(config)


def all_in(name: str | None) -> Tag:
    return lambda node: name


def only(target: str, tag: str) -> Tag:
    return lambda node: tag if node.target == target else None


def weight_of(layer: str) -> str:
    """The name that PT2E gave to a layer's int8 weight: convert_pt2e numbers them."""
    module, _ = tied()
    (name,) = (
        name
        for name, buffer in module.named_buffers()
        if buffer.dtype == torch.int8
        and list(buffer.shape) == ([INNER, OUTER] if layer == "first" else [OUTER, INNER])
    )
    return name


def save(program: ExecutorchProgramManager, folder: Path) -> tuple[Path, dict[str, Path]]:
    """(the .pte, each .ptd by name)."""
    model = folder / "model.pte"
    model.write_bytes(bytes(program.buffer))
    program.write_tensor_data_to_file(str(folder))
    return model, {path.name: path for path in folder.glob("*.ptd")}


@cache
def whole(name: str | None) -> ExecutorchProgramManager:
    """All constants in the file `name`, or in the program."""
    return lower(all_in(name))


@cache
def expected() -> torch.Tensor:
    """What the program with all of its weights inside gives."""
    _, x = tied()
    return run(bytes(whole(None).buffer), [x])[0]


def run_with(model: Path, data: Path) -> torch.Tensor:
    _, x = tied()
    method = Runtime.get().load_program(model, data_path=data).load_method("forward")
    return method.execute([x])[0].clone()


def test_weights_in_a_data_file(tmp_path: Path) -> None:
    inside, program = whole(None), whole("weights")
    model, files = save(program, tmp_path)
    assert list(files) == ["weights.ptd"]
    # The tied layer is there once.
    assert len(inside.buffer) > 2 * LAYER_BYTES
    assert model.stat().st_size < 0.2 * LAYER_BYTES
    assert 2 * LAYER_BYTES < files["weights.ptd"].stat().st_size < 2.2 * LAYER_BYTES
    assert torch.equal(run_with(model, files["weights.ptd"]), expected())


@pytest.mark.parametrize("layer", ["first", "second"])
def test_one_weight_in_a_data_file(layer: str, tmp_path: Path) -> None:
    model, files = save(lower(only(weight_of(layer), "one.ptd")), tmp_path)
    assert list(files) == ["one.ptd"]
    assert LAYER_BYTES < model.stat().st_size < 1.25 * LAYER_BYTES  # the other one is not in it
    # The sums that we make of a weight lie beside it.
    assert LAYER_BYTES + 4 * INNER < files["one.ptd"].stat().st_size < 1.1 * LAYER_BYTES
    assert torch.equal(run_with(model, files["one.ptd"]), expected())


def test_equal_constants_of_which_one_is_tagged(tmp_path: Path) -> None:
    """Both have the same bytes, and so the same name in the program's own data."""

    class Twins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.here, self.there = nn.Linear(64, 64), nn.Linear(64, 64)
            self.there.load_state_dict(self.here.state_dict())

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.here(x), self.there(x)

    torch.manual_seed(0)
    x = torch.randn(2, 64)
    module = quantized_module(Twins().eval(), (x,))
    for first in (0, 1):  # of the two weights
        exported = tagged(module, x, only(f"_frozen_param{first}", "file"))
        edge = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
        folder = tmp_path / str(first)
        folder.mkdir()
        model, files = save(edge.to_executorch(), folder)
        assert model.stat().st_size > 64 * 64 and files["file.ptd"].stat().st_size > 64 * 64
        program = Runtime.get().load_program(model, data_path=files["file.ptd"])
        outputs = program.load_method("forward").execute([x])
        assert torch.equal(outputs[0], module(x)[0]) and torch.equal(outputs[1], module(x)[1])


def test_methods_that_share_a_data_file(tmp_path: Path) -> None:
    module, x = tied()
    few = x[:1].clone()
    methods = {"many": tagged(module, x, all_in("w")), "one": tagged(module, few, all_in("w"))}
    edge = to_edge_transform_and_lower(methods, partitioner=[VulkanPartitioner()])
    model, files = save(edge.to_executorch(), tmp_path)
    assert model.stat().st_size < 0.3 * LAYER_BYTES  # two plans, and no weight
    assert files["w.ptd"].stat().st_size < 2.2 * LAYER_BYTES
    program = Runtime.get().load_program(model, data_path=files["w.ptd"])
    assert torch.equal(program.load_method("many").execute([x])[0], expected())
    assert torch.equal(program.load_method("one").execute([few])[0], expected()[:1])


def test_constants_of_the_cpu_in_the_same_file(tmp_path: Path) -> None:
    """`external_constants` sends what no delegate has to a file of this name."""
    name = "_default_external_constant"
    config = ExecutorchBackendConfig(external_constants=True)
    model, files = save(lower(all_in(name), config=config), tmp_path)
    assert list(files) == [f"{name}.ptd"]
    assert b"points" in files[f"{name}.ptd"].read_bytes()
    assert torch.equal(run_with(model, files[f"{name}.ptd"]), expected())


def etvk_run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [built("bin/etvk_run"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_two_data_files(tmp_path: Path) -> None:
    """From C++: ExecuTorch's Python takes one file."""
    second = weight_of("second")
    model, files = save(lower(lambda node: "b" if node.target == second else "a"), tmp_path)
    assert sorted(files) == ["a.ptd", "b.ptd"]
    _, x = tied()
    (tmp_path / "x.bin").write_bytes(x.numpy().tobytes())
    given = [model, "--input", tmp_path / "x.bin", "--repeat", 1]
    both = ["--data", files["a.ptd"], "--data", files["b.ptd"]]

    done = etvk_run(*given, *both)
    assert done.returncode == 0, done.stderr
    assert f"{fnv1a(expected().numpy().tobytes()):016x}" in done.stdout

    for missing, present in (("a", "b"), ("b", "a")):
        done = etvk_run(*given, "--data", files[f"{present}.ptd"])
        assert done.returncode == 1 and "InvalidProgram" in done.stderr
        assert f"is kept in {missing}.ptd, and the program was loaded without it" in done.stderr
        assert f"{present}.ptd" not in done.stderr


def test_a_missing_data_file_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    pte = bytes(whole("weights").buffer)
    with pytest.raises(RuntimeError, match="0x:23"):
        load(pte)
    message = capfd.readouterr().err
    assert "is kept in weights.ptd, and the program was loaded without it" in message
    assert "data_path" in message


def test_another_models_data_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of the right name but with other weights, it is as good as missing."""
    model, files = save(whole("weights"), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    x = torch.randn(1, 16)
    exported = tagged(quantized_module(nn.Linear(16, 16).eval(), (x,)), x, all_in("weights"))
    edge = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    save(edge.to_executorch(), other)
    with pytest.raises(RuntimeError, match="0x:23"):
        run_with(model, other / "weights.ptd")
    assert "is kept in weights.ptd" in capfd.readouterr().err
    assert torch.equal(run_with(model, files["weights.ptd"]), expected())


def test_files_of_a_given_size(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ExecuTorch's option for all constants; names of files are made of their content."""
    options = {"external_constants_max_data_bytes": 4 * LAYER_BYTES}
    model, files = save(lower(all_in(None), VulkanPartitioner(options)), tmp_path)
    assert model.stat().st_size < 0.2 * LAYER_BYTES
    assert files and all(name.startswith("vulkan_constants_") for name in files)
    arguments = [part for path in files.values() for part in ("--data", path)]
    assert etvk_run(model, *arguments, "--repeat", 1).returncode == 0
    with pytest.raises(RuntimeError, match="0x:23"):
        load(model.read_bytes())
    assert "is kept in a file vulkan_constants_*.ptd" in capfd.readouterr().err


def test_the_stock_partitioner_heeds_tags_too() -> None:
    program = lower(all_in("weights"), StockPartitioner())
    assert len(program.buffer) < 0.2 * LAYER_BYTES
    assert len(bytes(program._tensor_data["weights"])) > 2 * LAYER_BYTES
