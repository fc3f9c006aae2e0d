"""What the stock runtime can run comes out as the stock partitioner would write it."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from executorch.backends.vulkan.partitioner.vulkan_partitioner import (
    VulkanPartitioner as StockPartitioner,
)
from executorch.exir import to_edge_transform_and_lower

import stock_blobs
from executorch_vulkan.program import read_delegates
from model_cases import CASES, ModelCase, export_quantized, quantize_and_lower
from programs import load, pte_bytes, run
from stock_blobs import describe

NAMES = ("mlp", "mlp_m1", "no_bias", "conv_relu", "conv_transposed", "conv_separable")


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Any], bytes]]:
    """By case, from a process without us: what the delegates hold, and the .pte."""
    folder = tmp_path_factory.mktemp("stock")
    out = folder / "blobs.pickle"
    files = [folder / f"{name}.pt2" for name in NAMES]
    for file in files:
        torch.export.save(quantize_and_lower(CASES[file.stem]).exported, file)
    subprocess.run([sys.executable, stock_blobs.__file__, str(out), *map(str, files)], check=True)
    return pickle.loads(out.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_same_ops_constants_and_layouts(
    name: str, stock: dict[str, tuple[list[Any], bytes]]
) -> None:
    ours = [describe(d) for d in read_delegates(quantize_and_lower(CASES[name]).program)]
    theirs, _ = stock[name]
    assert len(ours) == len(theirs) == 1
    for our_op, their_op in zip(ours[0], theirs[0], strict=True):
        assert our_op == their_op


@pytest.mark.parametrize("name", NAMES)
def test_the_stock_partitioner_still_works_with_our_rules(
    name: str, stock: dict[str, tuple[list[Any], bytes]]
) -> None:
    exported = copy.deepcopy(quantize_and_lower(CASES[name]).exported)
    program = to_edge_transform_and_lower(exported, partitioner=[StockPartitioner()])
    (found,) = read_delegates(program)
    assert [describe(found)] == stock[name][0]


@pytest.mark.parametrize("name", NAMES)
def test_a_stock_pte_runs_here(name: str, stock: dict[str, tuple[list[Any], bytes]]) -> None:
    inputs = CASES[name].inputs(seed=5)
    ours, theirs = run(pte_bytes(name), inputs), run(stock[name][1], inputs)
    assert torch.equal(ours[0], theirs[0])


class ShapeOps(torch.nn.Module):
    """Float ops that only move elements, with a constant among them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.randn(2, 5, 8))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        permuted = x.permute(1, 0, 2)
        picked = permuted.transpose(1, 2)[:, 1:, :][0]
        expanded = picked.unsqueeze(0).expand(3, -1, -1)
        joined = torch.cat([x, self.rows, x], 0)
        return permuted, picked, expanded, joined, x[..., ::2], x[:, -1]


@pytest.mark.parametrize("dynamic", [False, True])
def test_stock_shape_ops_run_here(dynamic: bool) -> None:
    module = ShapeOps().eval()
    shapes = ({0: torch.export.Dim("rows", min=1, max=12)},) if dynamic else None
    exported = torch.export.export(module, (torch.randn(4, 5, 8),), dynamic_shapes=shapes)
    options = {"require_dynamic_shapes": True} if dynamic else {}
    program = to_edge_transform_and_lower(exported, partitioner=[StockPartitioner(options)])
    pte = bytes(program.to_executorch().buffer)  # which the method reads while it lives
    method = load(pte)
    for rows in (4, 12, 1, 7) if dynamic else (4,):
        x = torch.randn(rows, 5, 8)
        for actual, expected in zip(method.execute([x]), module(x), strict=True):
            assert torch.equal(actual, expected)


class ShuffledPixels(torch.nn.Module):
    """A shuffle of pixels between convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(4, 16, 3, padding=1)
        self.second = torch.nn.Conv2d(4, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.pixel_shuffle(self.first(x), 2))


def test_stock_image_ops_run_here() -> None:
    class Float(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            smooth = F.interpolate(x, size=(7, 9), mode="bilinear", align_corners=True)
            return F.interpolate(x, scale_factor=2), smooth, F.pixel_shuffle(x, 2)

    x = torch.randn(1, 4, 5, 6)
    exported = torch.export.export(Float(), (x,))
    program = to_edge_transform_and_lower(exported, partitioner=[StockPartitioner()])
    [delegate] = read_delegates(program)
    assert {"aten.upsample_nearest2d.vec", "aten.pixel_shuffle.default"} <= {
        op.name for op in delegate.chain
    }
    for actual, expected in zip(
        run(bytes(program.to_executorch().buffer), [x]), Float()(x), strict=True
    ):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_a_stock_shuffle_of_int8_pixels_runs_here() -> None:
    case = ModelCase("pixels", ShuffledPixels, ((1, 4, 6, 6),), ())
    module, exported = export_quantized(case)
    program = to_edge_transform_and_lower(exported, partitioner=[StockPartitioner()])
    [delegate] = read_delegates(program)
    assert "et_vk.q8ta_pixel_shuffle.default" in {op.name for op in delegate.chain}
    [x] = case.inputs(seed=3)
    [y] = run(bytes(program.to_executorch().buffer), [x])
    wanted = module(x)
    step = float(wanted.unique().diff().min())
    assert int(((y - wanted) / step).abs().round().max()) <= 1


def test_a_stock_rms_norm_runs_here() -> None:
    class Norm(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.rand(16) + 0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))

    module, x = Norm().eval(), torch.randn(2, 5, 16)
    exported = torch.export.export(module, (x,))
    program = to_edge_transform_and_lower(exported, partitioner=[StockPartitioner()])
    [delegate] = read_delegates(program)
    assert "et_vk.rms_norm.default" in delegate.op_names
    [y] = run(bytes(program.to_executorch().buffer), [x])
    torch.testing.assert_close(y, module(x), rtol=0, atol=1e-5)
