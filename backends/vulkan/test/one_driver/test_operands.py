"""Weights and biases as other quantizers, layouts and passes leave them, against eager PT2E."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from executorch.backends.transforms.convert_dtype_pass import I64toI32
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from executorch.exir.dialects._ops import ops as exir_ops
from executorch.exir.pass_base import ExportPass, PassResult
from torch import nn
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner, explain
from executorch_vulkan.program import read_delegates
from model_cases import BOUNDED, DEQUANTIZE, LINEAR, QUANTIZE, quantized_module
from on_cpu import on_cpu
from operand_quantizer import OperandQuantizer, quantized_by
from programs import run
from quantized_graphs import Grid, Layer, QuantizedWeight

OUT = Grid(0.1, -7)
CONFIG = EdgeCompileConfig(_check_ir_validity=False)
_edge = exir_ops.edge
_ops = torch.ops.quantized_decomposed

# Sizes of x, the dynamic ones by dimension, and further sizes to run.
SHAPES: dict[str, tuple[tuple[int, ...], Any, tuple[tuple[int, ...], ...]]] = {
    "2d": ((6, 16), None, ()),
    "3d": ((2, 3, 16), None, ()),
    "dynamic_2d": ((6, 16), ({0: Dim("rows", max=9)},), ((1, 16), (9, 16))),
    "dynamic_3d": (
        (2, 3, 16),
        ({0: Dim("batch", max=4), 1: Dim("length", max=9)},),
        ((1, 1, 16), (4, 9, 16)),
    ),
}
shapes = pytest.mark.parametrize("shape", SHAPES)
scales = pytest.mark.parametrize("per_channel", [True, False], ids=["per_channel", "per_tensor"])


def inputs_of(*sizes: int, seed: int = 0) -> tuple[torch.Tensor]:
    """Shifted, so that zero points are not 0."""
    return (torch.randn(sizes, generator=torch.Generator().manual_seed(seed)) + 0.2,)


def lower(
    module: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    dynamic_shapes: Any = None,
    passes: Sequence[Any] = (),
) -> Any:
    exported = torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes)
    return to_edge_transform_and_lower(
        exported,
        transform_passes=list(passes) or None,
        partitioner=[VulkanPartitioner()],
        compile_config=CONFIG,
    )


def chain(program: Any) -> tuple[str, ...]:
    """The ops of the only delegate, beside which nothing is left."""
    report = explain(program)
    assert not report.left_out, report
    [delegate] = read_delegates(program)
    calls = [n for n in program.exported_program().graph.nodes if n.op == "call_function"]
    assert len(calls) == 2, calls  # the delegate's and the getitem of its result
    return delegate.op_names


def check_values(program: Any, module: nn.Module, inputs: Sequence[tuple[torch.Tensor]]) -> None:
    """At most one step of the output from the module in PyTorch, and 99.5 % equal."""
    pte = bytes(program.to_executorch().buffer)
    for one in inputs:
        result, expected = run(pte, one)[0], module(*one)
        assert result.shape == expected.shape and result.dtype == expected.dtype
        step = float(expected.unique().diff().min())
        difference = (result - expected).abs()
        assert float(difference.max()) <= 1.001 * step
        assert int((difference > step / 2).sum()) <= 0.005 * difference.numel()


def check(module: nn.Module, shape: str, ops: tuple[str, ...]) -> Any:
    """Lower for one of SHAPES, compare the ops of the delegate and all values."""
    sizes, dims, others = SHAPES[shape]
    program = lower(module, inputs_of(*sizes), dims)
    assert chain(program) == ops
    check_values(program, module, [inputs_of(*one, seed=5) for one in (sizes, *others, sizes)])
    return program


class TwoLayers(nn.Module):
    """Two layers of a function of (x, weight, bias), and a relu between.

    Args:
        transposed: weights are [N, K], not [K, N].
    """

    def __init__(self, layer: Callable[..., torch.Tensor], transposed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, (k, n) in {"first": (16, 24), "second": (24, 10)}.items():
            weight = torch.randn((n, k) if transposed else (k, n)) / 4
            setattr(self, f"{name}_weight", nn.Parameter(weight))
            setattr(self, f"{name}_bias", nn.Parameter(torch.randn(n)))
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.layer(x, self.first_weight, self.first_bias))
        return self.layer(x, self.second_weight, self.second_bias)


# OperandQuantizer rounds in front of the relu, and again behind it, on another grid.
TWO_LAYERS = (QUANTIZE, BOUNDED, LINEAR, DEQUANTIZE)


def conv1d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """As GPT-2 writes its layers."""
    y = torch.addmm(bias, x.reshape(-1, x.shape[-1]), weight)
    return y.reshape(*x.shape[:-1], -1)


class TestQuantizedBias:
    """int32 on the scale of input times weight, folded to float32."""

    @scales
    @shapes
    def test_linear(self, shape: str, per_channel: bool) -> None:
        sizes, dims, _ = SHAPES[shape]
        model = TwoLayers(nn.functional.linear, transposed=True)
        module = quantized_by(OperandQuantizer(per_channel), model, inputs_of(*sizes), dims)
        assert str(module.graph).count("torch.int32") == 2
        check(module, shape, TWO_LAYERS)

    @pytest.mark.parametrize("shape", ["2d", "dynamic_3d"])
    def test_qualcomm(self, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Per channel, with uint8 activations."""
        from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer, QuantDtype

        monkeypatch.setenv("QNN_SDK_ROOT", "")  # or it downloads its SDK
        quantizer = QnnQuantizer()
        quantizer.set_default_quant_config(QuantDtype.use_8a8w, is_linear_per_channel=True)
        sizes, dims, _ = SHAPES[shape]
        model = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 10))
        module = quantized_by(quantizer, model, inputs_of(*sizes), dims)
        assert str(module.graph).count("torch.int32") == 2
        program = lower(module, inputs_of(*sizes), dims)
        ops = chain(program)
        assert (ops[0], ops[-1]) == (QUANTIZE, DEQUANTIZE)
        assert (ops.count(QUANTIZE), sum("q8ta_linear" in op for op in ops)) == (1, 2)
        check_values(program, module, [inputs_of(*sizes, seed=5)])

    @pytest.mark.parametrize("shape", ["2d", "dynamic_2d"])
    def test_cadence(self, shape: str) -> None:
        """Per tensor, also for a weight [K, N]."""
        from executorch.backends.cadence.aot.quantizer import patterns, quantizer

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(16, 24)
                self.weight = nn.Parameter(torch.randn(24, 10) / 4)
                self.bias = nn.Parameter(torch.randn(10))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.addmm(self.bias, self.layer(x), self.weight)

        rules = (patterns.AddmmPattern(), patterns.LinearPattern())
        parts = [quantizer.CadenceAtenQuantizer(r, quantizer.qconfig_A8W8sym) for r in rules]
        sizes, dims, _ = SHAPES[shape]
        whole = quantizer.CadenceQuantizer(parts)
        module = quantized_by(whole, Model(), inputs_of(*sizes), dims)
        assert str(module.graph).count("torch.int32") == 2
        check(module, shape, (QUANTIZE, LINEAR, LINEAR, DEQUANTIZE))

    @staticmethod
    def layer(bias: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> nn.Module:
        """A layer with `bias` of int32 values and their scales."""

        class Bias(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = QuantizedWeight()
                generator = torch.Generator().manual_seed(3)
                values = torch.randint(-3000, 3000, (6,), generator=generator, dtype=torch.int32)
                self.register_buffer("values", values)
                self.register_buffer("scales", self.weight.scales * 0.05)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = Grid().round_trip(x)
                b = bias(self.values, self.scales)
                return OUT.round_trip(nn.functional.linear(x, self.weight(), b))

        return Bias()

    @pytest.mark.parametrize(
        "bias",
        [
            lambda b, s: (b * s).float(),
            lambda b, s: (b.double() * s.double()).float(),
            lambda b, s: _ops.dequantize_per_tensor(b, 5e-4, 0, -(2**31), 2**31 - 1, torch.int32),
            lambda b, s: _ops.dequantize_per_tensor(
                b, 5e-4, 0, -(2**31), 2**31 - 1, torch.int32, out_dtype=torch.float64
            ).float(),
            lambda b, s: _ops.dequantize_per_channel(
                b, s, torch.zeros(6, dtype=torch.int64), 0, -(2**31), 2**31 - 1, torch.int32
            ).clone(),
            lambda b, s: _ops.dequantize_per_channel(
                b.reshape(2, 3).clone().reshape(6), s, None, 0, -(2**31), 2**31 - 1, torch.int32
            ),
        ],
        ids=["mul", "float64", "per_tensor", "out_dtype", "clone", "view"],
    )
    def test_any_computation_of_constants(self, bias: Any) -> None:
        module = self.layer(bias)
        program = lower(module, inputs_of(8, 8))
        assert chain(program) == (QUANTIZE, LINEAR, DEQUANTIZE)
        check_values(program, module, [inputs_of(8, 8, seed=5)])

    def test_the_bias_is_eager_s_to_the_last_bit(self) -> None:
        def bias(values: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
            zeros = torch.zeros(6, dtype=torch.int64)
            bounds = (-(2**31), 2**31 - 1, torch.int32)
            return _ops.dequantize_per_channel(values, scales, zeros, 0, *bounds)

        module = self.layer(bias)
        [delegate] = read_delegates(lower(module, inputs_of(8, 8)))
        [linear] = [op for op in delegate.chain if op.name == LINEAR]
        data = linear.args[8].data
        assert data is not None
        found = torch.frombuffer(bytearray(data), dtype=torch.float32)
        assert torch.equal(found[:6], bias(module.values, module.scales))


class TestWeightsStoredByInputs:
    """[K, N], transposed ahead of time."""

    @scales
    @pytest.mark.parametrize("shape", ["2d", "dynamic_2d"])
    def test_addmm(self, shape: str, per_channel: bool) -> None:
        sizes, dims, _ = SHAPES[shape]
        model = TwoLayers(lambda x, w, b: torch.addmm(b, x, w))
        quantizer = OperandQuantizer(per_channel, quantize_bias=False)
        check(quantized_by(quantizer, model, inputs_of(*sizes), dims), shape, TWO_LAYERS)

    @scales
    @shapes
    def test_matmul_and_add(self, shape: str, per_channel: bool) -> None:
        sizes, dims, _ = SHAPES[shape]
        model = TwoLayers(lambda x, w, b: torch.matmul(x, w) + b)
        module = quantized_by(OperandQuantizer(per_channel), model, inputs_of(*sizes), dims)
        check(module, shape, TWO_LAYERS)

    @pytest.mark.parametrize(
        ("layer", "shape"),
        [
            (lambda x, w, b: x @ w, "3d"),
            (lambda x, w, b: x.transpose(0, 1).contiguous().transpose(0, 1) @ w, "3d"),
            (conv1d, "dynamic_3d"),
            (lambda x, w, b: torch.addmm(b.reshape(1, -1), x, w), "2d"),
            (lambda x, w, b: nn.functional.linear(x, w.t(), b), "2d"),
        ],
        ids=["at", "not_contiguous", "conv1d", "bias_1_n", "linear"],
    )
    def test_other_layers(self, layer: Any, shape: str) -> None:
        sizes, dims, _ = SHAPES[shape]
        quantizer = OperandQuantizer(quantize_bias=False)
        module = quantized_by(quantizer, TwoLayers(layer), inputs_of(*sizes), dims)
        program = lower(module, inputs_of(*sizes), dims)
        report = explain(program)
        assert not report.left_out, report
        check_values(program, module, [inputs_of(*sizes, seed=5)])

    def test_a_tied_weight_is_there_once(self) -> None:
        class Tied(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = nn.Parameter(torch.randn(16, 16) / 4)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.tanh(x @ self.weight) @ self.weight

        module = quantized_by(OperandQuantizer(), Tied(), inputs_of(6, 16))
        program = check(module, "2d", TWO_LAYERS)
        [delegate] = read_delegates(program)
        first, second = (op for op in delegate.chain if op.name in (BOUNDED, LINEAR))
        assert first.args[3].id == second.args[3].id
        weight = next(one for one in module.state_dict().values() if one.dtype == torch.int8)
        assert first.args[3].data == weight.t().contiguous().numpy().tobytes()


class MoveConstants(ExportPass):
    """Puts ops between the constants whose names hold `name` and what reads them.

    Args:
        calls: (op, arguments behind the tensor, keyword arguments), in order.
    """

    def __init__(self, name: str, *calls: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> None:
        super().__init__()
        self.name, self.calls = name, calls

    def call(self, graph_module: torch.fx.GraphModule) -> PassResult:
        graph = graph_module.graph
        for node in graph.find_nodes(op="placeholder"):
            if self.name not in node.name:
                continue
            readers, result = list(node.users), node
            for target, args, kwargs in self.calls:
                value = target(result.meta["val"], *args, **kwargs)
                with graph.inserting_before(readers[0]):
                    result = graph.call_function(target, (result, *args), kwargs)
                result.meta["val"] = value
            for reader in readers:
                reader.replace_input_with(node, result)
        return PassResult(graph_module, True)


def cast(dtype: torch.dtype) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    return _edge.aten._to_copy.default, (), {"dtype": dtype}


def view(*sizes: int) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    return _edge.aten.view_copy.default, (list(sizes),), {}


TRANSPOSE = (_edge.aten.permute_copy.default, ([1, 0],), {})
CLONE = (_edge.aten.clone.default, (), {})
PASSES: dict[str, Any] = {
    "zero_points_to_int32": I64toI32(False),
    "zero_points": MoveConstants("zero_point", cast(torch.int32), view(2, -1), view(-1)),
    "scales": MoveConstants("scale", cast(torch.float64), CLONE, cast(torch.float32)),
    "weights": MoveConstants("frozen_param", TRANSPOSE, CLONE, TRANSPOSE),
    "biases": MoveConstants(
        "bias", view(1, -1), cast(torch.float64), view(-1), cast(torch.float32)
    ),
}
MODEL = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 10))


class TestConstantsBehindOps:
    @pytest.mark.parametrize("name", PASSES)
    def test_pass(self, name: str) -> None:
        module = quantized_module(MODEL.eval(), inputs_of(6, 16))
        program = lower(module, inputs_of(6, 16), passes=[PASSES[name]])
        assert chain(program) == (QUANTIZE, LINEAR, LINEAR, DEQUANTIZE)
        check_values(program, module, [inputs_of(6, 16, seed=5)])

    def test_zero_points_that_are_not_zero_are_seen(self) -> None:
        weight = QuantizedWeight()
        weight.zeros[2] = 1
        program = lower(Layer(weight=weight), inputs_of(4, 8), passes=[I64toI32(False)])
        [row] = [row for row in explain(program) if "addmm" in row.op]
        assert row.reason.startswith("weight zero points are not all zero")

    def test_a_buffer_that_is_written_is_no_constant(self) -> None:
        class Written(QuantizedWeight):
            def forward(self) -> torch.Tensor:
                self.scales.mul_(1.5)
                return super().forward()

        program = lower(Layer(weight=Written()), inputs_of(4, 8))
        [row] = [row for row in explain(program) if "addmm" in row.op]
        assert row.reason.startswith("weight scale is not a constant;")

    def test_layers_of_two_delegates_that_share_a_cast(self) -> None:
        """The cast can be in one of them only."""

        class Shared(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(16, 16)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.layer(on_cpu(self.layer(x)))

        module = quantized_module(Shared().eval(), inputs_of(6, 16))
        program = lower(module, inputs_of(6, 16), passes=[I64toI32(False)])
        layers = explain(program).in_float
        assert len(layers) == 2 and all("_to_dim_order_copy" in row.reason for row in layers)
        check_values(program, module, [inputs_of(6, 16, seed=5)])


class TestQuantizesThatAreNotFolded:
    """convert_pt2e(fold_quantize=False)"""

    @scales
    @pytest.mark.parametrize("layer", [conv1d, nn.functional.linear], ids=["k_n", "n_k"])
    def test_weights_and_biases(self, layer: Any, per_channel: bool) -> None:
        sizes, dims, _ = SHAPES["dynamic_3d"]
        quantizer = OperandQuantizer(per_channel, quantize_bias=True)
        model = TwoLayers(layer, transposed=layer is not conv1d)
        module = quantized_by(quantizer, model, inputs_of(*sizes), dims, fold_quantize=False)
        assert sum(".quantize_per" in str(node.target) for node in module.graph.nodes) == 8
        program = lower(module, inputs_of(*sizes), dims)
        names = chain(program)
        assert [names.count(name) for name in (QUANTIZE, BOUNDED, LINEAR)] == [1, 1, 1]
        check_values(program, module, [inputs_of(*sizes, seed=5)])

    @pytest.mark.parametrize("combine", [torch.add, torch.mul])
    def test_constants_of_arithmetic(self, combine: Any) -> None:
        """A parameter that is quantized in the graph is an int8 constant of the delegate."""

        class Shifted(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer, self.shift = Layer(), nn.Parameter(torch.linspace(-1, 1, 24).view(4, 6))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return OUT.round_trip(combine(self.layer(x), Grid().round_trip(self.shift)))

        module = Shifted()
        program = lower(module, inputs_of(4, 8))
        names = chain(program)
        assert names.count(QUANTIZE) == 1
        check_values(program, module, [inputs_of(4, 8, seed=5)])

    @staticmethod
    def reason(module: nn.Module) -> str:
        program = lower(module, inputs_of(8, 8))
        [row] = [row for row in explain(program) if "mm.default" in row.op]
        return row.reason

    def test_of_what_is_not_a_constant(self) -> None:
        class Written(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.register_buffer("weight", torch.randn(8, 8))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                self.weight.mul_(0.5)
                weight = Grid(0.02, 0).round_trip(self.weight)
                return OUT.round_trip(nn.functional.linear(Grid().round_trip(x), weight))

        assert "fold_quantize=True" in self.reason(Written())

    def test_read_by_others(self) -> None:
        class Shared(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = nn.Parameter(torch.randn(8, 8))

            def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
                q = Grid(0.02, 0).quantize(self.weight)
                y = nn.functional.linear(Grid().round_trip(x), Grid(0.02, 0).dequantize(q))
                return OUT.round_trip(y), q

        assert "fold_quantize=True" in self.reason(Shared())


class TestOtherDtypes:
    """What runs in float32 only says so while lowering, with the cast that helps."""

    @pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
    def test_model(self, dtype: torch.dtype) -> None:
        x = inputs_of(6, 16)[0].to(dtype)
        module = quantized_module(copy.deepcopy(MODEL).to(dtype).eval(), (x,))
        program = lower(module, (x,))
        assert not read_delegates(program)
        rows = [row for row in explain(program) if "addmm" in row.op or ".quantize" in row.op]
        assert len(rows) == 5
        for row in rows:
            assert str(dtype) in row.reason and "call float() on the model" in row.reason

    def test_the_cast_helps(self) -> None:
        """Half outside, float32 around int8: the casts stay on the CPU."""

        class Casts(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = Layer()

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.layer(x.float()).half()

        module, x = Casts(), inputs_of(4, 8)[0].half()
        program = lower(module, (x,))
        [delegate] = read_delegates(program)
        assert delegate.op_names == (QUANTIZE, LINEAR, DEQUANTIZE)
        check_values(program, module, [(x,)])

    @pytest.mark.parametrize("value", [0.0, 0.25])
    def test_float_zero_points(self, value: float) -> None:
        weight = QuantizedWeight()
        weight.zeros = torch.full((6,), value)
        module = Layer(weight=weight)
        program = lower(module, inputs_of(4, 8))
        [row] = [row for row in explain(program) if "addmm" in row.op]
        if value == 0.0:
            assert row.became == LINEAR
            check_values(program, module, [inputs_of(4, 8, seed=5)])
        else:
            assert row.reason.startswith("weight zero points are not all zero")

    def test_half_scales(self) -> None:
        weight = QuantizedWeight()
        weight.scales = weight.scales.half()
        program = lower(Layer(weight=weight), inputs_of(4, 8))
        [row] = [row for row in explain(program) if "addmm" in row.op]
        assert row.reason == (
            "weight scale dtype is torch.float16, not torch.float32; convert it with float()"
        )
