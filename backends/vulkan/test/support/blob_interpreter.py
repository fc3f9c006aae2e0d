"""Run a lowered program on the CPU, its Vulkan delegates op by op from what their blobs say.

This checks the blobs themselves, before any kernel: arguments, constants, views, inputs and
outputs. flatc prints floats with 12 digits, so a scale may be off in its last float32 bit; exact
comparisons belong elsewhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from executorch.exir.lowered_backend_module import get_lowered_submodules
from torch.fx import GraphModule, Interpreter

from executorch_vulkan import custom_ops
from executorch_vulkan.partitioning.norm_ops import NORM_OPS
from executorch_vulkan.program import Delegate, SizeValue, TensorValue, read_delegates
from executorch_vulkan.runtime.graph.ops.glsl.elementwise import ROWS
from float_ops import aten

_DTYPES = {
    "BOOL": torch.bool,
    "INT8": torch.int8,
    "INT32": torch.int32,
    "FLOAT32": torch.float32,
}


def _of_integers(op: Callable[..., Any]) -> Callable[..., Any]:
    """`op` of a tensor and integers. A blob has one value for 0 and 0.0, if it has both."""
    return lambda x, *numbers: op(x, *(int(n) if isinstance(n, float) else n for n in numbers))


# Argument lists as in the blob, without the result.
_OPS: dict[str, Callable[..., Any]] = {
    **{op.__name__: reference for op, reference in custom_ops.REFERENCES.items()},
    "quantized_decomposed.quantize_per_tensor.default": lambda x, scale, zp, lo, hi, _dtype: (
        torch.clamp(torch.round(x * custom_ops.inverse_scale(scale)) + zp, lo, hi).to(torch.int8)
    ),
    "quantized_decomposed.dequantize_per_tensor.default": lambda x, scale, zp, *_: (
        custom_ops.dequantize(x, scale, zp)
    ),
    "et_vk.prepack.default": lambda x: x,
    "aten.clone.default": lambda x, *_: x,  # between layouts of the stock runtime
    "aten.mm.default": torch.mm,
    "aten.bmm.default": torch.bmm,
    "aten.addmm.default": lambda c, a, b, beta, alpha: torch.addmm(c, a, b, beta=beta, alpha=alpha),
    "aten.linear.default": torch.nn.functional.linear,
    "aten.permute_copy.default": torch.permute,
    "aten.transpose_copy.int": _of_integers(torch.transpose),
    "aten.slice_copy.Tensor": _of_integers(torch.ops.aten.slice_copy.Tensor),
    "aten.select_copy.int": _of_integers(torch.select),
    "aten.expand_copy.default": lambda x, size, implicit=False: x.expand(size),
    "aten.cat.default": torch.cat,
    "aten.embedding.default": torch.ops.aten.embedding,
    "aten.index_select.default": torch.index_select,
    "aten.index.Tensor": torch.ops.aten.index.Tensor,
    "aten.gather.default": lambda x, dim, index, _sparse: torch.gather(x, dim, index),
    "aten.upsample_nearest2d.vec": lambda x, size, factors: torch.ops.aten.upsample_nearest2d.vec(
        x.float(), size, factors
    ).to(x.dtype),
    "aten.upsample_bilinear2d.vec": torch.ops.aten.upsample_bilinear2d.vec,
    "aten.view_copy.default": lambda x, sizes: x.reshape(sizes),
    "aten.squeeze_copy.dims": lambda x, dims: torch.squeeze(x, dims),
    "aten.unsqueeze_copy.default": _of_integers(torch.unsqueeze),
    "aten.max_pool2d_with_indices.default": torch.ops.aten.max_pool2d_with_indices,
    "aten.adaptive_max_pool2d.default": torch.ops.aten.adaptive_max_pool2d,
    "aten.avg_pool2d.default": torch.ops.aten.avg_pool2d,
    "aten._adaptive_avg_pool2d.default": torch.ops.aten._adaptive_avg_pool2d,
    "aten.convolution.default": torch.convolution,
    "et_vk.conv_with_clamp.default": torch.ops.et_vk.conv_with_clamp,
    "sym_size.int": lambda x, dim: x.shape[dim],
    "mul": operator.mul,
    "add": operator.add,
    "sub": operator.sub,
    "floordiv": operator.floordiv,
}


def _by_position(op: Any) -> Callable[..., Any]:
    """An op of PyTorch, called as a blob does it, with all arguments by position."""
    by_keyword = [argument.name for argument in op._schema.arguments if argument.kwarg_only]

    def call(*args: Any) -> Any:
        count = len(args) - len(by_keyword)
        return op(*args[:count], **dict(zip(by_keyword, args[count:], strict=True)))

    return call


_OPS |= {f"aten.{row.aten}": _by_position(aten(row)) for row in ROWS}
_OPS |= {op.__name__: _by_position(op._op) for op in NORM_OPS}


def run_delegate(delegate: Delegate, inputs: tuple[Any, ...]) -> list[Any]:
    """The delegate's outputs. Raises KeyError for an op that no kernel exists for."""
    assert len(inputs) == len(delegate.inputs)
    values = {value.id: given for value, given in zip(delegate.inputs, inputs, strict=True)}

    def read(arg: Any) -> Any:
        if isinstance(arg, list):
            return [read(one) for one in arg]
        if isinstance(arg, TensorValue) and arg.data is not None:
            flat = torch.frombuffer(bytearray(arg.data), dtype=_DTYPES[arg.dtype])
            return flat.reshape(arg.shape)
        return values[arg.id] if isinstance(arg, (TensorValue, SizeValue)) else arg

    for op in delegate.chain:
        *args, result = op.args
        value = _OPS[op.name](*map(read, args))
        if isinstance(result, list):  # of which the first is made
            value, result = value[0], result[0]
        if isinstance(result, TensorValue):
            assert value.dtype == _DTYPES[result.dtype], op
            # The blob's sizes are upper bounds.
            assert all(a <= b for a, b in zip(value.shape, result.shape, strict=True)), op
        values[result.id] = value
    return [values[output.id] for output in delegate.outputs]


class _Run(Interpreter):
    def __init__(self, graph_module: GraphModule, delegates: dict[str, Delegate]) -> None:
        super().__init__(graph_module)
        self._delegates = delegates

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if "executorch_call_delegate" in str(target):
            return run_delegate(args[0], args[1:])
        return super().call_function(target, args, kwargs)

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self._delegates.get(target) or super().get_attr(target, args, kwargs)


def run_lowered(program: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """The outputs of a program that to_edge_transform_and_lower returned.

    Needs a program whose weights all went into delegates or are unused otherwise.
    """
    exported = program.exported_program()
    graph_module = exported.graph_module
    names = [name for name, _, _ in get_lowered_submodules(graph_module)]
    delegates = dict(zip(names, read_delegates(program), strict=True))
    constants = {**exported.state_dict, **exported.constants}
    signature = exported.graph_signature
    given = iter(inputs)
    args = []
    for node in graph_module.graph.find_nodes(op="placeholder"):
        for table in (
            signature.inputs_to_parameters,
            signature.inputs_to_buffers,
            signature.inputs_to_lifted_tensor_constants,
        ):
            if node.name in table:
                args.append(constants[table[node.name]])
                break
        else:
            args.append(next(given))
    with torch.no_grad():
        return tuple(_Run(graph_module, delegates).run(*args))
