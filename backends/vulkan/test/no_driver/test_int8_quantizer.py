"""VulkanInt8Quantizer: which ops it quantizes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchao.quantization.pt2e.quantizer import ComposableQuantizer

from executorch_vulkan import Int8Config, VulkanInt8Quantizer
from int8_quantizer import Inputs, Net, is_rounded, quantized_for_vulkan, rounded
from transformer_networks import TRANSFORMERS

ROWS = (torch.linspace(-2, 3, 3 * 5 * 8).view(3, 5, 8),)
IMAGES = (torch.linspace(-1, 2, 2 * 4 * 6 * 6).view(2, 4, 6, 6),)


def linear(k: int = 8, n: int = 8, bias: bool = True) -> nn.Linear:
    return nn.Linear(k, n, bias=bias)


def test_a_last_layer_takes_int8_and_gives_float() -> None:
    net = Net(lambda s, x: s.b(s.a(x)), a=linear(), b=linear())
    graph = quantized_for_vulkan(net, ROWS)
    assert rounded(graph, "linear") == [([True, True, False], True), ([True, True, False], False)]


@pytest.mark.parametrize(
    "activation", [F.relu, F.relu_, F.gelu, F.silu, torch.tanh, lambda y: y.clamp(0, 1)]
)
def test_a_layer_is_rounded_behind_its_activation(
    activation: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    net = Net(lambda s, x: s.b(activation(s.a(x))), a=linear(), b=linear())
    [(_, first), _] = rounded(quantized_for_vulkan(net, ROWS), "linear")
    assert not first


def test_a_bias_that_is_added_later_belongs_to_its_layer() -> None:
    bias = nn.Parameter(torch.ones(8))
    net = Net(lambda s, x: s.b(s.a(x) + s.bias), a=linear(bias=False), b=linear(), bias=bias)
    graph = quantized_for_vulkan(net, ROWS)
    assert rounded(graph, "linear")[0] == ([True, True], False)
    assert rounded(graph, "add") == [([False, False], True)]


def test_a_weight_stored_k_by_n_has_a_scale_for_each_column() -> None:
    weight = nn.Parameter(torch.randn(8, 6))
    graph = quantized_for_vulkan(Net(lambda s, x: x @ s.weight, weight=weight), ROWS)
    [dequantize] = [n for n in graph.graph.nodes if "dequantize_per_channel" in str(n.target)]
    assert dequantize.args[3] == 1


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_have_a_scale_for_each_channel_or_one(per_channel: bool) -> None:
    quantizer = VulkanInt8Quantizer(per_channel=per_channel)
    graph = quantized_for_vulkan(linear(), ROWS, quantizer=quantizer)
    names = [str(node.target) for node in graph.graph.nodes]
    assert any("dequantize_per_channel" in name for name in names) == per_channel


@pytest.mark.parametrize(
    ("groups", "per_channel"), [(1, True), (2, False)], ids=["one group", "two groups"]
)
def test_a_grouped_transposed_convolution_has_one_scale(groups: int, per_channel: bool) -> None:
    graph = quantized_for_vulkan(nn.ConvTranspose2d(4, 6, 2, groups=groups), IMAGES)
    names = [str(node.target) for node in graph.graph.nodes]
    assert any("dequantize_per_channel" in name for name in names) == per_channel


def test_what_a_norm_reads_stays_float_and_what_reads_the_norm_is_rounded() -> None:
    def block(s: Net, x: torch.Tensor) -> torch.Tensor:
        y = s.first(x)
        return s.last(s.norm(y + s.second(s.norm(y))))

    net = Net(block, first=linear(), second=linear(), last=linear(), norm=nn.LayerNorm(8))
    graph = quantized_for_vulkan(net, ROWS)
    assert [result for _, result in rounded(graph, "linear")] == [False, False, False]
    assert rounded(graph, "add") == [([False, False], False)]
    assert [reads[0] for reads, _ in rounded(graph, "layer_norm")] == [False, False]
    assert all(reads[:2] == [True, True] for reads, _ in rounded(graph, "linear"))


def test_a_sum_of_layers_is_int8_and_computed_behind_one_of_them() -> None:
    net = Net(
        lambda s, x: s.c(F.relu(s.a(x) + s.b(x))),
        a=nn.Conv2d(4, 4, 1),
        b=nn.Conv2d(4, 4, 1),
        c=nn.Conv2d(4, 4, 1),
    )
    graph = quantized_for_vulkan(net, IMAGES)
    assert [result for _, result in rounded(graph, "conv2d")] == [True, False, False]
    assert rounded(graph, "add") == [([True, False], False)]
    assert rounded(graph, "relu") == [([False], True)]


def test_attention_takes_int8_and_gives_it() -> None:
    def attention(s: Net, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (layer(x).unflatten(2, (2, 4)).transpose(1, 2) for layer in (s.q, s.k, s.v))
        y = F.scaled_dot_product_attention(q, k, v)
        return s.out(y.transpose(1, 2).flatten(2))

    net = Net(attention, q=linear(), k=linear(), v=linear(), out=linear())
    graph = quantized_for_vulkan(net, ROWS)
    assert rounded(graph, "scaled_dot_product_attention") == [([True] * 3, True)]
    assert all(rounds == ([True], True) for rounds in rounded(graph, "transpose"))


def test_attention_by_hand_rounds_q_k_and_v_but_no_scores() -> None:
    def attention(s: Net, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = s.q(x) @ s.k(x).transpose(1, 2) / 8**0.5
        return s.out(scores.masked_fill(mask, -1e30).softmax(-1) @ s.v(x))

    net = Net(attention, q=linear(), k=linear(), v=linear(), out=linear())
    graph = quantized_for_vulkan(net, (*ROWS, torch.zeros(5, 5, dtype=torch.bool)))
    assert rounded(graph, "matmul") == [([True, True], False), ([False, True], True)]
    assert rounded(graph, "softmax") == [([False], False)]


def test_a_softmax_between_constant_matrices_is_no_attention() -> None:
    keys, values = nn.Parameter(torch.randn(8, 6)), nn.Parameter(torch.randn(6, 8))
    net = Net(lambda s, x: (x @ s.keys).softmax(-1) @ s.values, keys=keys, values=values)
    graph = quantized_for_vulkan(net, ROWS)
    assert rounded(graph, "matmul") == [([True, True], False), ([True, True], False)]
    names = [str(node.target) for node in graph.graph.nodes]
    assert sum("dequantize_per_channel" in name for name in names) == 2


def test_moves_keep_the_grid() -> None:
    net = Net(
        lambda s, x: s.b(torch.cat([s.a(x)[:, 1:], s.a(x)[:, :2]], 1).transpose(1, 2)),
        a=linear(),
        b=linear(5),
    )
    graph = quantized_for_vulkan(net, (ROWS[0][:, :4],))
    assert rounded(graph, "cat") == [([True, True], True)]
    quantizes = [n for n in graph.graph.nodes if "quantize_per_tensor" in str(n.target)]
    moved = [n for n in quantizes if "slice" in str(n.args[0]) or "cat" in str(n.args[0])]
    assert len(moved) >= 3 and len({n.args[1:3] for n in moved}) == 1


def test_a_part_of_a_float_value_is_rounded_behind() -> None:
    net = Net(lambda s, x: s.head(s.norm(x)[:, 0]), head=linear(), norm=nn.LayerNorm(8))
    graph = quantized_for_vulkan(net, ROWS)
    assert rounded(graph, "select") == [([False], True)]


def test_integers_and_masks_are_left_alone() -> None:
    network = TRANSFORMERS["sentence_encoder"]
    inputs = network.inputs(2, 6, torch.Generator().manual_seed(0))
    graph = quantized_for_vulkan(network.build(), inputs)

    def masked(s: Net, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        added = (1 - (mask + mask))[..., None] * torch.finfo(torch.float32).min
        return s.b(F.softmax(s.a(x) + added, -1))

    mask = torch.ones(3, 5, dtype=torch.int64)
    other = quantized_for_vulkan(Net(masked, a=linear(), b=linear()), (*ROWS, mask))
    for found in (graph, other):
        for node in found.graph.nodes:
            value = node.meta.get("val")
            if is_rounded(node):
                assert value is None or value.dtype == torch.float32
            if "quantize_per_tensor" in str(node.target) and not is_rounded(node):
                scale = node.args[1]
                assert scale < 1, "a mask was rounded"
    assert rounded(other, "add")[-1] == ([False, False], False)


def test_what_others_read_and_an_op_changes_in_place_is_not_rounded_there() -> None:
    def changed(s: Net, x: torch.Tensor) -> torch.Tensor:
        y = s.a(x)
        return s.b(y.add_(1.0)) + s.c(y)

    net = Net(changed, a=linear(), b=linear(), c=linear())
    graph = quantized_for_vulkan(net, ROWS)
    assert torch.allclose(graph(*ROWS), net(*ROWS), atol=0.1)


def test_parts_of_a_model_stay_in_float_by_name_type_or_kind() -> None:
    class Part(nn.Sequential):
        pass

    def net() -> nn.Module:
        return nn.Sequential(linear(), Part(linear(), nn.ReLU()), nn.Sequential(linear()))

    def layers(quantizer: VulkanInt8Quantizer) -> list[bool]:
        graph = quantized_for_vulkan(net(), ROWS, quantizer=quantizer)
        return [reads[1] for reads, _ in rounded(graph, "linear")]

    def new() -> VulkanInt8Quantizer:
        return VulkanInt8Quantizer()

    assert layers(new()) == [True, True, True]
    assert layers(new().set_module_name("1", None)) == [True, False, True]
    assert layers(new().set_module_name("2.0", None)) == [True, True, False]
    assert layers(new().set_module_type(Part, None)) == [True, False, True]
    assert layers(new().set_operator_type(torch.ops.aten.linear, None)) == [False] * 3
    assert layers(new().set_global(None).set_module_name("1.0", Int8Config())) == [
        False,
        True,
        False,
    ]
    # The innermost name decides, and a name before a type.
    inner = new().set_module_type(Part, None).set_module_name("1.0", Int8Config())
    assert layers(inner) == [True, True, True]


def test_names_are_those_of_a_strict_export_too() -> None:
    module = nn.Sequential(linear(), nn.ModuleList([linear()])[0]).eval()
    exported = torch.export.export(module, ROWS, strict=True).module()
    annotated = VulkanInt8Quantizer().set_module_name("1", None).annotate(exported)
    layers = [n for n in annotated.graph.nodes if "linear" in str(n.target)]
    assert ["quantization_annotation" in layer.meta for layer in layers] == [True, False]


@pytest.mark.parametrize("per_token", [True, False])
def test_dynamic_layers_find_their_scales_at_run_time(per_token: bool) -> None:
    quantizer = VulkanInt8Quantizer(dynamic=True, per_token=per_token)
    net = Net(lambda s, x: s.b(F.relu(s.a(x))) + x, a=linear(), b=linear())
    graph = quantized_for_vulkan(net, ROWS, quantizer=quantizer)
    names = [str(node.target) for node in graph.graph.nodes]
    assert sum("choose_qparams" in name for name in names) == 2
    exact = net(*ROWS)
    assert float((graph(*ROWS) - exact).abs().max()) < 0.05 * float(exact.abs().max())
    # A row that is large must not cost the others their digits.
    large = ROWS[0].clone()
    large[0, 0] *= 1000
    rows_apart = (graph(large) - net(large))[1:].abs().max()
    assert bool(rows_apart < 0.1) == per_token


def test_dynamic_convolutions_have_one_scale_and_mix_with_static_layers() -> None:
    quantizer = VulkanInt8Quantizer(dynamic=True).set_module_name("b", Int8Config())
    net = Net(lambda s, x: s.b(F.relu(s.a(s.c(x)))), a=linear(6), b=linear(), c=nn.Conv2d(4, 4, 1))
    graph = quantized_for_vulkan(net, IMAGES, quantizer=quantizer)
    assert rounded(graph, "conv2d") == [([True, True, False], False)]
    names = [str(node.target) for node in graph.graph.nodes]
    assert sum("choose_qparams.tensor" in name for name in names) == 1
    assert sum("choose_qparams" in name for name in names) == 2
    assert all(reads[:2] == [True, True] for reads, _ in rounded(graph, "linear"))


def test_it_is_composed_with_another_quantizer() -> None:
    first = VulkanInt8Quantizer(dynamic=True).set_global(None)
    first.set_module_name("0", Int8Config(dynamic=True))
    both = ComposableQuantizer([first, VulkanInt8Quantizer()])
    graph = quantized_for_vulkan(nn.Sequential(linear(), linear()), ROWS, quantizer=both)
    names = [str(node.target) for node in graph.graph.nodes]
    assert sum("choose_qparams" in name for name in names) == 1
    assert all(reads[:2] == [True, True] for reads, _ in rounded(graph, "linear"))


def test_half_precision_is_left_alone() -> None:
    inputs: Inputs = (ROWS[0].half(),)
    graph = quantized_for_vulkan(linear().half(), inputs)
    assert rounded(graph, "linear") == [([False, False, False], False)]


def test_what_is_asked_for_wrongly_is_an_error() -> None:
    quantizer = VulkanInt8Quantizer()
    with pytest.raises(TypeError, match="config must be an Int8Config"):
        quantizer.set_global("int8")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a module's name"):
        quantizer.set_module_name(nn.Linear, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a class of modules"):
        quantizer.set_module_type("Linear", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"torch\.ops\.aten\.linear"):
        quantizer.set_operator_type("linear", None)  # type: ignore[arg-type]
    quantizer.set_module_name("encoder", None)
    with pytest.raises(ValueError, match=r"'encoder'; modules: 0"):
        quantized_for_vulkan(nn.Sequential(linear()), ROWS, quantizer=quantizer)
