"""Small models, one per rule or limit, and the pipeline that quantizes and lowers them.

The fusion tests look at what each lowers to; the runtime tests run each .pte. A case states
what its delegates must contain.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, ClassVar

import pytest
import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from torch import nn
from torch.export import Dim, ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from on_cpu import ON_CPU, on_cpu

QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor.default"
KEPT_DEQUANTIZE = "et_vk.q8ta_dequantize.default"
LINEAR = "et_vk.q8ta_linear.default"
GEMV = "et_vk.q8ta_linear_gemv.default"
BOUNDED = "et_vk.q8ta_linear.bounded"
FLOAT_OUT = "et_vk.linear_q8ta_q8csw.int8"
RESIDUAL = "et_vk.q8ta_linear.residual"
DYNAMIC = "et_vk.linear_dq8ca_q8csw.default"
CONV = "et_vk.q8ta_conv2d.default"
CONV_POINTWISE = "et_vk.q8ta_conv2d_pw.default"
CONV_DEPTHWISE = "et_vk.q8ta_conv2d_dw.default"
CONV_TRANSPOSED = "et_vk.q8ta_conv2d_transposed.default"
CONV_BOUNDED = "et_vk.q8ta_conv2d.bounded"
CONV_RESIDUAL = "et_vk.q8ta_conv2d.residual"
CONV_CLAMPED = "et_vk.conv_with_clamp.default"
CONV_FLOAT_OUT = "et_vk.conv2d_q8ta_q8csw.int8"
TABLE = "et_vk.q8ta_table.default"
BINARY = "et_vk.q8ta_binary.default"
MEAN = "et_vk.q8ta_mean.default"
PERMUTE = "aten.permute_copy.default"
SLICE = "aten.slice_copy.Tensor"
SELECT = "aten.select_copy.int"
EXPAND = "aten.expand_copy.default"
CAT = "aten.cat.default"
VIEW = "aten.view_copy.default"
UNSQUEEZE = "aten.unsqueeze_copy.default"
SQUEEZE = "aten.squeeze_copy.dims"
FIXED_VIEW = "et_vk.fixed_view.default"


class Quantizer(XNNPACKQuantizer):
    """Without the patterns of quantization-aware training, which take seconds to set up."""

    SUPPORTED_PATTERNS: ClassVar = [
        pattern for pattern in XNNPACKQuantizer.SUPPORTED_PATTERNS if not pattern.is_qat
    ]


class _LeavesConvolutions(Quantizer):
    SUPPORTED_PATTERNS: ClassVar = [
        pattern for pattern in Quantizer.SUPPORTED_PATTERNS if "conv" not in pattern.name
    ]


Inputs = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class ModelCase:
    """A model and what must become of it.

    Attributes:
        name: unique.
        build: makes the module; the seed is set before.
        input_shapes: of the example inputs.
        chains: op names of each expected delegate, in order.
        cpu_ops: ops that stay outside of the delegates.
        per_channel, is_dynamic: for XNNPACKQuantizer.
        quantize: False leaves the model in float.
        convolutions: False leaves those in float.
        dynamic_shapes: for torch.export.
        options: compile options for the partitioner.
        transform: applied to the quantized graph module before it is exported again, to reach
            graphs that XNNPACKQuantizer does not make.
        other_shapes: further input shapes to run, for dynamic models.
        covered_by: the case of the same kind that runs without --all, where this one does not.
    """

    name: str
    build: Callable[[], nn.Module]
    input_shapes: tuple[tuple[int, ...], ...]
    chains: tuple[tuple[str, ...], ...]
    cpu_ops: frozenset[str] = frozenset()
    per_channel: bool = True
    is_dynamic: bool = False
    quantize: bool = True
    convolutions: bool = True
    dynamic_shapes: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    transform: Callable[[torch.fx.GraphModule], None] | None = None
    other_shapes: tuple[tuple[tuple[int, ...], ...], ...] = ()
    covered_by: str = ""

    def inputs(self, shapes: tuple[tuple[int, ...], ...] | None = None, seed: int = 1) -> Inputs:
        """Normally distributed float32 inputs."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(
            torch.randn(shape, generator=generator) for shape in shapes or self.input_shapes
        )


@dataclass(frozen=True)
class Lowered:
    """A case after the pipeline.

    Attributes:
        quantized: the PT2E graph in eager mode, the reference of every result.
        exported: its exported program, before lowering.
        program: the lowered program.
        partitioner: the one that lowered it.
    """

    quantized: nn.Module
    exported: ExportedProgram
    program: EdgeProgramManager
    partitioner: Any


def export_quantized(case: ModelCase) -> tuple[nn.Module, ExportedProgram]:
    """Quantize the case with PT2E, calibrated on its own inputs."""
    torch.manual_seed(0)
    module = case.build().eval()
    inputs = case.inputs(seed=0)
    dims = case.dynamic_shapes
    if not case.quantize:
        return module, torch.export.export(module, inputs, dynamic_shapes=dims, strict=False)
    quantizer = (Quantizer if case.convolutions else _LeavesConvolutions)().set_global(
        get_symmetric_quantization_config(
            is_per_channel=case.per_channel, is_dynamic=case.is_dynamic
        )
    )
    exported = torch.export.export(module, inputs, dynamic_shapes=dims, strict=False)
    prepared = prepare_pt2e(exported.module(), quantizer)
    for seed in range(4):
        prepared(*case.inputs(seed=seed))
    quantized = convert_pt2e(prepared)
    if case.transform is not None:
        case.transform(quantized)
        quantized.recompile()
    return quantized, torch.export.export(quantized, inputs, dynamic_shapes=dims, strict=False)


def quantized_module(
    module: nn.Module,
    inputs: Inputs,
    dynamic_shapes: Any = None,
    is_dynamic: bool = False,
    per_channel: bool = True,
) -> nn.Module:
    """`module` quantized with PT2E, calibrated on `inputs` unless it is dynamic."""
    config = get_symmetric_quantization_config(per_channel, is_dynamic=is_dynamic)
    quantizer = Quantizer().set_global(config)
    exported = torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes, strict=False)
    prepared = prepare_pt2e(exported.module(), quantizer)
    prepared(*inputs)
    return convert_pt2e(prepared)


@cache
def _exported(name: str) -> tuple[nn.Module, ExportedProgram]:
    return export_quantized(CASES[name])


@cache
def _lowered(name: str) -> Lowered:
    from executorch_vulkan import VulkanPartitioner

    case = CASES[name]
    quantized, exported = _exported(name)
    partitioner = VulkanPartitioner(case.options)
    program = to_edge_transform_and_lower(copy.deepcopy(exported), partitioner=[partitioner])
    return Lowered(quantized, exported, program, partitioner)


def quantize_and_lower(case: ModelCase) -> Lowered:
    """The case lowered for our runtime; done once per process."""
    return _lowered(case.name)


def output_steps(lowered: Lowered) -> list[float | None]:
    """The real value of one quantization step of each output; None where an output is float."""
    dequantize = torch.ops.quantized_decomposed.dequantize_per_tensor.default
    steps: list[float | None] = []
    for node in lowered.exported.graph_module.graph.output_node().args[0]:
        while node.target in (torch.ops.aten.view.default, torch.ops.aten.squeeze.dim):
            node = node.args[0]
        steps.append(node.args[1] if node.target == dequantize else None)
    return steps


class _Reshape(nn.Module):
    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(self.sizes)


class _SharedLayer(nn.Module):
    """One layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(18, 18)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.relu(self.layer(x)))


class _SharedInput(nn.Module):
    """Three layers on one input, as in attention."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(32, 24) for _ in range(3))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.q(x), self.k(x), self.v(x)


class _TwoReaders(nn.Module):
    """One output read by a relu and by another layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.plain, self.gated = (nn.Linear(16, 16) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.plain(y) + self.gated(torch.relu(y))


class _Clamped(nn.Module):
    def __init__(self, low: float | None, high: float | None) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(24, 20), nn.Linear(20, 7)
        self.low, self.high = low, high

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.clamp(self.first(x), self.low, self.high))


class _Squeezed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 32), nn.Linear(32, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x).unsqueeze(1)).squeeze(1)


class _Between(nn.Module):
    """Two layers with an op in between that stays on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(on_cpu(self.first(x)))


class _TwoViews(nn.Module):
    """Views of two dynamic sizes that can't be written with a single -1."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 32), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        return self.second(self.first(x).reshape(batch, length, 2, 16))


class _SizesAcross(nn.Module):
    """Views of dynamic sizes on both sides of an op that stays on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 32), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        y = on_cpu(self.first(x).view(batch, length, 2, 16))
        return self.second(y).view(batch, length, 16)


class _Classifier(nn.Module):
    """A convolution, perhaps in float, and a layer behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.layer = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.flatten(torch.relu(self.conv(x)), 1))


class _Bottleneck(nn.Module):
    """As of MobileNetV2: pointwise, depthwise, pointwise, and the sum with the input."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Conv2d(8, 24, 1, bias=False), nn.Conv2d(24, 8, 1)
        self.depthwise = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.relu6 = nn.ReLU6()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(self.relu6(self.depthwise(self.relu6(self.up(x)))))


class _Strided(nn.Module):
    """As of ResNet: two paths to half the size, added, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.main, self.short = nn.Conv2d(6, 10, 3, 2, 1), nn.Conv2d(6, 10, 1, 2)
        self.last = nn.Linear(10, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.main(x) + self.short(x))
        return self.last(x.mean((2, 3)))


class _MergedViews(nn.Module):
    """Behind an op on the CPU, a view whose sizes nothing else needs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        return self.layer(on_cpu(x).view(batch, length, 4, 4).view(-1, 8))


class _ViewChain(nn.Module):
    """Two views in a row whose sizes are computed at run time."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        return self.layer(x.view(batch, length, 4, 4).view(batch, length * 2, 8))


class _Apply(nn.Module):
    """A function of the tensor as a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class _Gated(nn.Module):
    """Two layers on one input, combined."""

    def __init__(self, combine: Callable[..., torch.Tensor], n: int = 24) -> None:
        super().__init__()
        self.left, self.right, self.last = nn.Linear(16, 24), nn.Linear(16, n), nn.Linear(24, 8)
        self.combine = combine

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.combine(self.left(x), self.right(x)))


class _Blocks(nn.Module):
    """Residual blocks, with a relu behind the sum or without."""

    def __init__(self, relu: bool) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 24), nn.Linear(24, 8)
        self.up = nn.ModuleList(nn.Linear(24, 40) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(40, 24) for _ in range(2))
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(torch.relu(up(x)))
            x = torch.relu(x) if self.relu else x
        return self.last(x)


class _Shifted(nn.Module):
    """A parameter added to a layer's result."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 24), nn.Linear(24, 8)
        self.shift = nn.Parameter(torch.randn(5, 24))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x) + self.shift)


class _Heads(nn.Module):
    """One layer split into three, each moved and used."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 36), nn.Linear(12, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.first(x).chunk(3, -1)
        return self.last(q + k * v)


class _Mixer(nn.Module):
    """Layers over tokens and over channels, with residuals, and a mean at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(12, 16), nn.Linear(16, 10)
        self.tokens = _sequential(nn.Linear(9, 20), nn.ReLU(), nn.Linear(20, 9))
        self.channels = _sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        x = x + self.tokens(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(x)
        return self.head(x.mean(1))


def _sequential(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


def _mlp() -> nn.Module:
    return _sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 96), nn.ReLU(), nn.Linear(96, 10)
    )


def _two(k: int, hidden: int, n: int, bias: bool = True) -> Callable[[], nn.Module]:
    return lambda: _sequential(
        nn.Linear(k, hidden, bias=bias), nn.ReLU(), nn.Linear(hidden, n, bias=bias)
    )


def _drop_last_quantize(graph_module: torch.fx.GraphModule) -> None:
    """Let the last layer give float, as quantizers do that leave outputs alone."""
    output = graph_module.graph.output_node()
    for dequantize in list(output.all_input_nodes):
        quantize = dequantize.args[0]
        assert isinstance(quantize, torch.fx.Node)
        dequantize.replace_all_uses_with(quantize.args[0])
    graph_module.graph.eliminate_dead_code()


def _quantize_nodes(graph_module: torch.fx.GraphModule) -> list[torch.fx.Node]:
    target = torch.ops.quantized_decomposed.quantize_per_tensor.default
    return graph_module.graph.find_nodes(op="call_function", target=target)


def _fold_clamp_pair(graph_module: torch.fx.GraphModule) -> None:
    """Take out the quantize and dequantize between the first layer and its clamp."""
    quantize = _quantize_nodes(graph_module)[1]
    for dequantize in list(quantize.users):
        dequantize.replace_all_uses_with(quantize.args[0])
    graph_module.graph.eliminate_dead_code()


def _drop_all_inner_pairs(graph_module: torch.fx.GraphModule) -> None:
    """Take out each quantize and dequantize but those on a linear's input and at the end."""
    for quantize in _quantize_nodes(graph_module):
        for dequantize in list(quantize.users):
            wanted = (torch.ops.aten.linear.default, "output")
            if not any(user.target in wanted for user in dequantize.users):
                dequantize.replace_all_uses_with(quantize.args[0])
    graph_module.graph.eliminate_dead_code()


def _share_clamp_grid(graph_module: torch.fx.GraphModule) -> None:
    """Quantize the clamp's result as its input is."""
    before, after = _quantize_nodes(graph_module)[1:3]
    for node in (after, *after.users):
        node.args = (node.args[0], *before.args[1:])


def _duplicate_output_quantize(
    change: Callable[[list[Any]], None],
) -> Callable[[torch.fx.GraphModule], None]:
    """Quantize the first layer's result a second time and return that too."""

    def transform(graph_module: torch.fx.GraphModule) -> None:
        graph = graph_module.graph
        quantize = _quantize_nodes(graph_module)[1]
        args = list(quantize.args)
        change(args)
        dequantize = next(iter(quantize.users))
        with graph.inserting_after(quantize):
            second = graph.call_function(quantize.target, tuple(args))
        with graph.inserting_after(second):
            back = graph.call_function(dequantize.target, (second, *args[1:]))
        output = graph.output_node()
        output.args = ((*output.args[0], back),)  # type: ignore[misc]
        graph_module.graph._codegen = torch.fx.graph.CodeGen()

    return transform


def _other_scale(args: list[Any]) -> None:
    args[1] *= 1.5


def _nothing(args: list[Any]) -> None:
    pass


def _narrow_range(graph_module: torch.fx.GraphModule) -> None:
    """Quantize the first layer's result to -127..127."""
    quantize = _quantize_nodes(graph_module)[1]
    for node in (quantize, *quantize.users):
        node.update_arg(3, -127)


_BATCH = Dim("batch", min=1, max=16)
_LENGTH = Dim("length", min=1, max=32)
_QLD = (QUANTIZE, LINEAR, DEQUANTIZE)
_QLLD = (QUANTIZE, LINEAR, LINEAR, DEQUANTIZE)


def _cases() -> Iterator[ModelCase]:
    yield ModelCase("mlp", _mlp, ((5, 64),), ((QUANTIZE, *(LINEAR,) * 3, DEQUANTIZE),))
    yield ModelCase("mlp_m1", _mlp, ((1, 64),), ((QUANTIZE, *(GEMV,) * 3, DEQUANTIZE),))
    yield ModelCase("no_bias", _two(64, 32, 8, bias=False), ((6, 64),), (_QLLD,))
    yield ModelCase(
        "vector", lambda: _sequential(nn.Linear(64, 32)), ((64,),), ((QUANTIZE, GEMV, DEQUANTIZE),)
    )
    yield ModelCase("per_tensor", _two(64, 30, 10), ((3, 64),), (_QLLD,), per_channel=False)
    yield ModelCase("leading_2x3x4x64", _two(64, 32, 12), ((2, 3, 4, 64),), (_QLLD,))
    for shape in ((2, 8, 64), (3, 5, 64), (2, 1, 2, 3, 64)):
        name = "leading_" + "x".join(map(str, shape))
        yield ModelCase(name, _two(64, 32, 12), (shape,), (_QLLD,), covered_by="leading_2x3x4x64")
    yield ModelCase(
        "leading_4x1x64", _two(64, 32, 12), ((4, 1, 64),), ((QUANTIZE, GEMV, GEMV, DEQUANTIZE),)
    )
    for k in (1, 3, 62, 63, 65):
        covered_by = "" if k in (1, 63) else "k_63"
        yield ModelCase(f"k_{k}", _two(k, 9, 5), ((4, k),), (_QLLD,), covered_by=covered_by)
    yield ModelCase("n_30_feeds_k_30", _two(64, 30, 30), ((4, 64),), (_QLLD,))
    yield ModelCase(
        "reshape_between",
        lambda: _sequential(nn.Linear(16, 32), _Reshape(2, 64), nn.Linear(64, 8)),
        ((4, 16),),
        ((QUANTIZE, LINEAR, VIEW, LINEAR, DEQUANTIZE),),
        covered_by="two_reshapes",
    )
    yield ModelCase(
        "flatten_between",
        lambda: _sequential(nn.Linear(16, 32), nn.Flatten(), nn.Linear(128, 8)),
        ((3, 4, 16),),
        ((QUANTIZE, LINEAR, VIEW, LINEAR, DEQUANTIZE),),
        covered_by="dynamic_flatten",
    )
    yield ModelCase(
        "two_reshapes",
        lambda: _sequential(
            nn.Linear(16, 32), _Reshape(2, 2, 32), _Reshape(2, 64), nn.Linear(64, 8)
        ),
        ((4, 16),),
        ((QUANTIZE, LINEAR, VIEW, LINEAR, DEQUANTIZE),),
    )
    yield ModelCase(
        "reshape_first",
        lambda: _sequential(_Reshape(3, 32), nn.Linear(32, 8)),
        ((3, 4, 8),),
        ((VIEW, QUANTIZE, LINEAR, DEQUANTIZE),),
    )
    yield ModelCase(
        "unsqueeze_squeeze",
        _Squeezed,
        ((4, 16),),
        ((QUANTIZE, LINEAR, UNSQUEEZE, GEMV, SQUEEZE, DEQUANTIZE),),
    )
    yield ModelCase(
        "relu6",
        lambda: _sequential(nn.Linear(24, 20), nn.ReLU6(), nn.Linear(20, 7)),
        ((4, 24),),
        (_QLLD,),
    )
    yield ModelCase(
        "hardtanh",
        lambda: _sequential(nn.Linear(24, 20), nn.Hardtanh(-0.25, 0.3), nn.Linear(20, 7)),
        ((4, 24),),
        ((QUANTIZE, BOUNDED, LINEAR, DEQUANTIZE),),
    )
    clamped = ((QUANTIZE, BOUNDED, LINEAR, DEQUANTIZE),)
    for name, bounds in {"both": (-0.2, 0.1), "low": (-0.2, None), "high": (None, 0.1)}.items():
        yield ModelCase(
            f"clamp_{name}",
            partial(_Clamped, *bounds),
            ((4, 24),),
            clamped,
            transform=_share_clamp_grid,
            covered_by="" if name == "both" else "clamp_both",
        )
    yield ModelCase(
        # The clamp is the whole range of its quantize, so it costs no bounds of its own.
        "clamp_is_range",
        partial(_Clamped, -0.2, 0.1),
        ((4, 24),),
        (_QLLD,),
        transform=_fold_clamp_pair,
    )
    yield ModelCase(
        "clamp_on_another_grid",
        partial(_Clamped, -0.2, 0.1),
        ((4, 24),),
        ((QUANTIZE, BOUNDED, LINEAR, DEQUANTIZE),),
    )
    yield ModelCase(
        "clamp_before_quantize",
        lambda: _sequential(nn.Linear(24, 20), nn.Hardtanh(-0.25, 0.3), nn.Linear(20, 7)),
        ((4, 24),),
        clamped,
        transform=_fold_clamp_pair,
    )
    yield ModelCase("narrow_range", _two(24, 20, 7), ((4, 24),), clamped, transform=_narrow_range)
    yield ModelCase("shared_layer", _SharedLayer, ((3, 18),), (_QLLD,))
    yield ModelCase(
        "shared_input", _SharedInput, ((3, 32),), ((QUANTIZE, *(LINEAR, DEQUANTIZE) * 3),)
    )
    yield ModelCase(
        "float_output",
        _two(64, 30, 10),
        ((4, 64),),
        ((QUANTIZE, LINEAR, FLOAT_OUT),),
        transform=_drop_last_quantize,
        covered_by="float_output_3d",
    )
    yield ModelCase(
        "float_output_3d",
        _two(64, 30, 10),
        ((2, 3, 64),),
        ((QUANTIZE, LINEAR, FLOAT_OUT),),
        transform=_drop_last_quantize,
    )
    yield ModelCase(
        "quantized_twice_alike",
        _two(64, 32, 10),
        ((4, 64),),
        ((QUANTIZE, LINEAR, DEQUANTIZE, LINEAR, DEQUANTIZE),),
        transform=_duplicate_output_quantize(_nothing),
    )
    yield ModelCase(
        "quantized_twice_differently",
        lambda: _sequential(nn.Linear(64, 32), nn.Linear(32, 10)),
        ((4, 64),),
        ((QUANTIZE, FLOAT_OUT, QUANTIZE, QUANTIZE, KEPT_DEQUANTIZE, LINEAR, DEQUANTIZE),),
        transform=_duplicate_output_quantize(_other_scale),
    )
    yield ModelCase(
        "two_readers",
        _TwoReaders,
        ((3, 16),),
        ((QUANTIZE, LINEAR, LINEAR, TABLE, RESIDUAL, DEQUANTIZE),),
    )
    yield ModelCase("cpu_between", _Between, ((3, 16),), (_QLD, _QLD), frozenset({ON_CPU}))
    yield ModelCase(
        "convolution_before",
        _Classifier,
        ((2, 1, 8, 8),),
        ((CONV_CLAMPED, VIEW, QUANTIZE, LINEAR, DEQUANTIZE),),
        convolutions=False,
        covered_by="dynamic_convolution_before",
    )
    yield ModelCase(
        "dynamic_quantization", _two(64, 32, 8), ((4, 64),), ((DYNAMIC, DYNAMIC),), is_dynamic=True
    )
    yield from _activation_cases()
    yield from _move_cases()
    yield from _arithmetic_cases()
    yield from _convolution_cases()
    yield from _dynamic_cases()


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "elu": lambda: nn.ELU(0.7),
}


def _activation_cases() -> Iterator[ModelCase]:
    def model(activation: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        return lambda: _sequential(nn.Linear(24, 40), activation(), nn.Linear(40, 7))

    # Without --all each form has a third of the activations: the ops' tests have every one in both
    # kinds of results, and test_activation_match.py every one in each form.
    forms = "between", "folded", "float_output"
    for index, (name, activation) in enumerate(_ACTIVATIONS.items()):
        kept = f"{name}_{forms[index % 3]}"
        # The quantizer puts a pair between the layer and the activation, which is then the layer's
        # table; others do not.
        ops = ((QUANTIZE, BOUNDED, LINEAR, DEQUANTIZE),)
        build = model(activation)
        cases = (
            ModelCase(f"{name}_between", build, ((6, 24),), ops),
            ModelCase(f"{name}_folded", build, ((2, 3, 24),), ops, transform=_drop_all_inner_pairs),
            ModelCase(
                f"{name}_float_output",
                partial(lambda a: _sequential(nn.Linear(24, 40), a()), activation),
                ((2, 3, 24),),
                ((QUANTIZE, FLOAT_OUT),),
                transform=_drop_all_inner_pairs,
            ),
        )
        for case in cases:
            yield case if case.name == kept else replace(case, covered_by=kept)
    for name, function in {
        "relu6": nn.functional.relu6,
        "softplus": nn.functional.softplus,
        "mish": nn.functional.mish,
    }.items():
        yield ModelCase(
            f"{name}_table",
            partial(
                lambda f: _sequential(nn.Linear(24, 20), _Apply(f), nn.Linear(20, 7)), function
            ),
            ((6, 24),),
            ((QUANTIZE, BOUNDED, LINEAR, DEQUANTIZE),),
            covered_by="" if name == "mish" else "mish_table",
        )
    yield ModelCase(
        # The quantizer puts a pair behind each mul and sub.
        "written_out",
        lambda: _sequential(
            nn.Linear(24, 20),
            _Apply(lambda x: x * torch.sigmoid(1.702 * x) - 0.5),
            nn.Linear(20, 7),
        ),
        ((6, 24),),
        ((QUANTIZE, LINEAR, TABLE, TABLE, BINARY, TABLE, LINEAR, DEQUANTIZE),),
    )
    yield ModelCase(
        "table_float_output",
        lambda: _sequential(nn.Linear(24, 20), nn.SiLU()),
        ((6, 24),),
        ((QUANTIZE, LINEAR, TABLE),),
    )


def _move_cases() -> Iterator[ModelCase]:
    functions: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], int, tuple[str, ...]]] = {
        "permute": (lambda x: x.permute(0, 2, 1), 5, (PERMUTE,)),
        "permute_first": (lambda x: x.permute(1, 0, 2), 24, (PERMUTE,)),
        "transpose_batch": (lambda x: x.transpose(0, 1).reshape(5, -1), 72, (PERMUTE, VIEW)),
        "slice": (lambda x: x[:, 1:4, ::2], 12, (SLICE, SLICE)),
        # The quantizer calibrates select, expand and what it cuts in pieces apart from its input.
        "select": (lambda x: x[:, -1], 24, (SELECT,)),
        "expand": (lambda x: x[:, :1].expand(-1, 4, -1), 24, (SLICE, EXPAND)),
        "cat": (lambda x: torch.cat([x, x[:, :2]], 1), 24, (SLICE, CAT)),
        "stack": (lambda x: torch.stack([x, x], 1), 24, (CAT, VIEW)),
        "unbind": (
            lambda x: torch.cat(x.unbind(1)[1:3], -1),
            48,
            (SELECT, TABLE, SELECT, TABLE, CAT),
        ),
        "split": (
            lambda x: torch.cat(x.split([2, 1, 2], 1)[::2], -1),
            48,
            (SLICE, SLICE, CAT),
        ),
        "chain": (
            lambda x: x.permute(0, 2, 1).reshape(3, 4, 30)[:, 1:],
            30,
            (PERMUTE, VIEW, SLICE),
        ),
        "flatten_contiguous": (
            lambda x: x.transpose(1, 2).contiguous().flatten(1),
            120,
            (PERMUTE, VIEW),
        ),
        "unsqueeze": (lambda x: x.unsqueeze(2).transpose(1, 3), 5, (UNSQUEEZE, PERMUTE)),
    }
    covered = {
        "permute": "dynamic_permute",
        "permute_first": "move_transpose_batch",
        "select": "move_unbind",
        "cat": "move_split",
        "flatten_contiguous": "move_transpose_batch",
    }
    for name, (function, k, ops) in functions.items():
        first = BOUNDED if name in ("select", "expand") else LINEAR
        second = GEMV if name == "unsqueeze" else LINEAR
        yield ModelCase(
            f"move_{name}",
            partial(
                lambda f, k: _sequential(nn.Linear(16, 24), _Apply(f), nn.Linear(k, 8)), function, k
            ),
            ((3, 5, 16),),
            ((QUANTIZE, first, *ops, second, DEQUANTIZE),),
            covered_by=covered.get(name, ""),
        )


def _arithmetic_cases() -> Iterator[ModelCase]:
    combined = ((QUANTIZE, LINEAR, LINEAR, BINARY, LINEAR, DEQUANTIZE),)
    joined = ((QUANTIZE, LINEAR, RESIDUAL, LINEAR, DEQUANTIZE),)
    yield ModelCase(
        *("add", partial(_Gated, torch.add), ((6, 16),), joined),
        covered_by="residual_blocks_relu_false",
    )
    yield ModelCase("add_relu", partial(_Gated, lambda a, b: torch.relu(a + b)), ((6, 16),), joined)
    yield ModelCase("mul", partial(_Gated, torch.mul), ((2, 3, 16),), combined)
    yield ModelCase("add_broadcast", partial(_Gated, torch.add, n=1), ((2, 3, 16),), combined)
    yield ModelCase(
        "add_alpha", partial(_Gated, lambda a, b: torch.add(a, b, alpha=2)), ((6, 16),), combined
    )
    yield ModelCase(
        "add_constant",
        _Shifted,
        ((2, 5, 16),),
        ((QUANTIZE, LINEAR, BINARY, LINEAR, DEQUANTIZE),),
    )
    yield ModelCase(
        "scalar",
        lambda: _sequential(nn.Linear(16, 24), _Apply(lambda x: 0.5 * x + 1), nn.Linear(24, 8)),
        ((6, 16),),
        # A pair stands between the mul and the add: the layer's table is of both.
        ((QUANTIZE, BOUNDED, LINEAR, DEQUANTIZE),),
    )
    yield ModelCase(
        "mean",
        lambda: _sequential(nn.Linear(16, 24), _Apply(lambda x: x.mean(1)), nn.Linear(24, 8)),
        ((3, 7, 16),),
        ((QUANTIZE, LINEAR, MEAN, LINEAR, DEQUANTIZE),),
    )
    for relu in (False, True):
        yield ModelCase(
            f"residual_blocks_relu_{relu}".lower(),
            partial(_Blocks, relu),
            ((6, 16),),
            ((QUANTIZE, LINEAR, *(LINEAR, RESIDUAL) * 2, LINEAR, DEQUANTIZE),),
        )
    parts = (SLICE, TABLE) * 3
    yield ModelCase(
        "chunked",
        _Heads,
        ((2, 3, 16),),
        ((QUANTIZE, LINEAR, *parts, BINARY, BINARY, LINEAR, DEQUANTIZE),),
        covered_by="dynamic_chunked",
    )
    tokens = (PERMUTE, LINEAR, LINEAR, PERMUTE, BINARY)
    channels = (LINEAR, RESIDUAL)
    yield ModelCase(
        "mixer",
        _Mixer,
        ((2, 9, 12),),
        ((QUANTIZE, LINEAR, *tokens, *channels, MEAN, LINEAR, DEQUANTIZE),),
    )


def _convolution_cases() -> Iterator[ModelCase]:
    def case(
        name: str, build: Callable[[], nn.Module], shape: tuple[int, ...], *ops: str, **kw: Any
    ) -> ModelCase:
        chains = ((QUANTIZE, *ops, DEQUANTIZE),)
        return ModelCase(f"conv_{name}", build, (shape,), chains, **kw)

    yield case(
        "relu",
        lambda: _sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, (3, 2))),
        (2, 3, 7, 9),
        *(CONV, CONV),
    )
    yield case(
        "per_tensor",
        lambda: _sequential(nn.Conv2d(3, 8, 3, dilation=2), nn.ReLU(), nn.Conv2d(8, 5, 1)),
        (2, 3, 7, 9),
        *(CONV_BOUNDED, CONV_BOUNDED),
        per_channel=False,
    )
    yield case(
        "bottleneck", _Bottleneck, (1, 8, 6, 5), CONV_POINTWISE, CONV_DEPTHWISE, CONV_RESIDUAL
    )
    yield case(
        "strided",
        _Strided,
        (2, 3, 12, 12),
        *(CONV, CONV, CONV_RESIDUAL, MEAN, LINEAR),
        covered_by="conv_dynamic_batch",
    )
    yield case(
        "separable",
        lambda: _sequential(
            nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.ReLU(), nn.Conv2d(8, 12, 1)
        ),
        (1, 8, 9, 7),
        *(CONV_DEPTHWISE, CONV_POINTWISE),
    )
    yield case(
        "groups",
        lambda: _sequential(
            nn.Conv2d(8, 16, 3, groups=2),
            nn.Conv2d(16, 12, 3, groups=4),
            nn.Conv2d(12, 24, 3, groups=12),
        ),
        (1, 8, 9, 8),
        *(CONV, CONV_BOUNDED, CONV_BOUNDED),
    )
    yield case(
        "transposed",
        lambda: _sequential(
            nn.ConvTranspose2d(4, 8, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1),
        ),
        (2, 4, 3, 4),
        *(CONV_TRANSPOSED, CONV_TRANSPOSED),
    )
    yield case(
        "1d",
        lambda: _sequential(
            nn.Conv1d(4, 8, 5, padding=2), nn.ReLU(), nn.Conv1d(8, 8, 3, stride=2, groups=8)
        ),
        (2, 4, 17),
        *(CONV_BOUNDED, CONV_BOUNDED),
    )
    yield case(
        "flatten",
        lambda: _sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10)),
        (3, 1, 8, 8),
        *(CONV, VIEW, LINEAR),
    )
    yield ModelCase(
        "conv_float_output",
        lambda: _sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)),
        ((2, 3, 7, 9),),
        ((QUANTIZE, CONV, CONV_FLOAT_OUT),),
        transform=_drop_last_quantize,
    )
    yield ModelCase(
        "conv_silu",
        lambda: _sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 4, 3)),
        ((2, 3, 7, 9),),
        ((QUANTIZE, CONV_BOUNDED, CONV, DEQUANTIZE),),
    )
    yield case(
        "dynamic_batch",
        _Strided,
        (2, 3, 12, 12),
        *(CONV_BOUNDED, CONV_BOUNDED, CONV_RESIDUAL, MEAN, LINEAR),
        dynamic_shapes=({0: _BATCH},),
        other_shapes=tuple(((b, 3, 12, 12),) for b in (1, 16)),
    )


def _dynamic_cases() -> Iterator[ModelCase]:
    batches = tuple(((m, 64),) for m in (1, 7, 16))
    for require in (False, True):
        yield ModelCase(
            f"dynamic_batch_require_{require}".lower(),
            _mlp,
            ((5, 64),),
            ((QUANTIZE, *(LINEAR,) * 3, DEQUANTIZE),),
            dynamic_shapes=({0: _BATCH},),
            options={"require_dynamic_shapes": True} if require else {},
            covered_by="" if require else "dynamic_flatten",
            other_shapes=batches,
        )
    both = ({0: _BATCH, 1: _LENGTH},)
    sizes = tuple(((b, s, 64),) for b, s in ((1, 1), (16, 32), (3, 7)))
    yield ModelCase(
        "dynamic_3d",
        _two(64, 32, 12),
        ((2, 5, 64),),
        (_QLLD,),
        dynamic_shapes=both,
        options={"require_dynamic_shapes": True},
        other_shapes=sizes,
    )
    yield ModelCase(
        "dynamic_flatten",
        lambda: _sequential(nn.Linear(16, 32), nn.Flatten(), nn.Linear(128, 8)),
        ((3, 4, 16),),
        ((QUANTIZE, LINEAR, VIEW, LINEAR, DEQUANTIZE),),
        dynamic_shapes=({0: _BATCH},),
        other_shapes=tuple(((b, 4, 16),) for b in (1, 16)),
    )
    yield ModelCase(
        "dynamic_two_sizes",
        _TwoViews,
        ((2, 5, 16),),
        (("sym_size.int", "sym_size.int", QUANTIZE, LINEAR, VIEW, LINEAR, DEQUANTIZE),),
        dynamic_shapes=both,
        other_shapes=tuple(((b, s, 16),) for b, s in ((1, 1), (16, 32), (3, 7))),
    )
    yield ModelCase(
        "dynamic_chunked",
        _Heads,
        ((2, 3, 16),),
        ((QUANTIZE, LINEAR, *(SLICE, TABLE) * 3, BINARY, BINARY, LINEAR, DEQUANTIZE),),
        dynamic_shapes=both,
        other_shapes=tuple(((b, s, 16),) for b, s in ((1, 1), (16, 32), (3, 7))),
    )
    yield ModelCase(
        "dynamic_permute",
        lambda: _sequential(
            nn.Linear(16, 24), _Apply(lambda x: x.permute(1, 0, 2)), nn.Linear(24, 7)
        ),
        ((2, 3, 16),),
        ((QUANTIZE, LINEAR, PERMUTE, LINEAR, DEQUANTIZE),),
        dynamic_shapes=both,
        other_shapes=tuple(((b, s, 16),) for b, s in ((1, 1), (16, 32), (3, 7))),
    )
    yield ModelCase(
        "dynamic_view_chain",
        _ViewChain,
        ((2, 5, 16),),
        (("sym_size.int", "sym_size.int", "mul", VIEW, QUANTIZE, LINEAR, DEQUANTIZE),),
        dynamic_shapes=both,
        other_shapes=tuple(((b, s, 16),) for b, s in ((1, 1), (16, 32), (3, 7))),
    )
    yield ModelCase(
        "dynamic_sizes_as_inputs",
        _SizesAcross,
        ((2, 5, 16),),
        (
            (QUANTIZE, FIXED_VIEW, LINEAR, FIXED_VIEW, FIXED_VIEW, DEQUANTIZE),
            ("mul", QUANTIZE, FIXED_VIEW, LINEAR, FIXED_VIEW, FIXED_VIEW, DEQUANTIZE),
        ),
        frozenset({"sym_size.int", "mul", ON_CPU}),
        dynamic_shapes=both,
        other_shapes=tuple(((b, s, 16),) for b, s in ((1, 1), (16, 32), (3, 7))),
    )
    yield ModelCase(
        "dynamic_convolution_before",
        _Classifier,
        ((2, 1, 8, 8),),
        ((CONV_CLAMPED, VIEW, QUANTIZE, LINEAR, DEQUANTIZE),),
        dynamic_shapes=({0: _BATCH},),
        other_shapes=tuple(((b, 1, 8, 8),) for b in (1, 16)),
        convolutions=False,
    )
    yield ModelCase(
        "dynamic_merged_views",
        _MergedViews,
        ((2, 5, 16),),
        ((FIXED_VIEW, VIEW, QUANTIZE, LINEAR, DEQUANTIZE),),
        frozenset({"sym_size.int", ON_CPU}),
        dynamic_shapes=both,
        other_shapes=tuple(((b, s, 16),) for b, s in ((1, 1), (16, 32), (3, 7))),
    )


CASES: dict[str, ModelCase] = {case.name: case for case in _cases()}
assert {case.covered_by for case in CASES.values()} - {""} <= {
    case.name for case in CASES.values() if not case.covered_by
}


def each_case(only: Callable[[ModelCase], bool] = lambda case: True) -> pytest.MarkDecorator:
    """Runs a test, by its parameter `case`, with every case; --all's are marked."""
    params = [
        pytest.param(case, id=name, marks=[pytest.mark.all] if case.covered_by else [])
        for name, case in CASES.items()
        if only(case)
    ]
    return pytest.mark.parametrize("case", params)
