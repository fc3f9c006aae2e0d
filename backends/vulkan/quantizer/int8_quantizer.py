"""VulkanInt8Quantizer: annotates for PT2E what the kernels here keep in int8."""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import Quantizer
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from .annotations import annotate_int8_ops, annotate_layer
from .int8_values import Int8Values
from .op_kinds import STATIC_LAYERS, kind_of
from .scopes import Scopes, type_name
from .specs import Int8Config


class VulkanInt8Quantizer(Quantizer):
    """A PT2E quantizer for encoders, decoders and convolutional networks.

        prepared = prepare_pt2e(torch.export.export(model, inputs).module(), VulkanInt8Quantizer())
        prepared(*inputs)  # calibrate; not needed for dynamic ones
        quantized = torch.export.export(convert_pt2e(prepared), inputs)

    Static: linear layers and convolutions take int8, and give it where all that reads them takes
    it; so do arithmetic, activations, means, pooling and moves between them, and attention. What a
    norm, a softmax or another float op reads stays float32, and with it the residual stream of a
    transformer. An activation, or the addition behind a layer, is computed before rounding. The
    result of a last layer is float32. Values of other dtypes than float32 are left alone.

    Dynamic: linear layers and convolutions take int8; those of three dimensions stay float32.

    The configuration of an op is that of the innermost module around it with a configured name,
    else with a configured type, else that of its kind, else the default.

    Args:
        dynamic, per_channel, per_token: the default, as for Int8Config.
    """

    def __init__(
        self, dynamic: bool = False, per_channel: bool = True, per_token: bool = True
    ) -> None:
        super().__init__()
        default = Int8Config(dynamic, per_channel, per_token)
        self._scopes: Scopes[Int8Config | None] = Scopes(default)

    def set_global(self, config: Int8Config | None) -> VulkanInt8Quantizer:
        """The configuration of all that has none of its own; None leaves it in float32."""
        self._scopes.default = _checked(config)
        return self

    def set_module_name(self, name: str, config: Int8Config | None) -> VulkanInt8Quantizer:
        """Of the ops in a module, such as "layers.0.attention", and in those inside of it.

        `annotate` raises ValueError where the model has no op in a module of that name.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be a module's name, a str, got {name!r}")
        self._scopes.names[name] = _checked(config)
        return self

    def set_module_type(
        self, module_type: type[torch.nn.Module], config: Int8Config | None
    ) -> VulkanInt8Quantizer:
        """Of the ops in modules of exactly this class, such as torch.nn.Conv2d."""
        if not (isinstance(module_type, type) and issubclass(module_type, torch.nn.Module)):
            raise TypeError(f"module_type must be a class of modules, got {module_type!r}")
        self._scopes.types[type_name(module_type)] = _checked(config)
        return self

    def set_operator_type(
        self,
        operator_type: torch._ops.OpOverloadPacket | torch._ops.OpOverload,
        config: Int8Config | None,
    ) -> VulkanInt8Quantizer:
        """Of all ops of a kind, such as torch.ops.aten.add."""
        packet = getattr(operator_type, "overloadpacket", operator_type)
        if not isinstance(packet, torch._ops.OpOverloadPacket):
            raise TypeError(
                f"operator_type must be an op such as torch.ops.aten.linear, got {operator_type!r}"
            )
        self._scopes.ops[packet] = _checked(config)
        return self

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate the ops of an exported module, but those that another quantizer has annotated.

        Raises:
            ValueError: where the model has no module of a configured name.
        """
        self._scopes.check_names(model)
        values = Int8Values(model.graph, self._is_static)
        annotate_int8_ops(model.graph, values)
        for node in model.graph.nodes:
            config = self._config_of(node)
            if config is not None and Q_ANNOTATION_KEY not in node.meta and values.is_layer(node):
                annotate_layer(node, values, config)
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing: whatever is annotated can run."""

    def _config_of(self, node: Node) -> Int8Config | None:
        config = self._scopes.of(node)
        has_none = config is not None and config.dynamic and kind_of(node) in STATIC_LAYERS
        return None if has_none else config

    def _is_static(self, node: Node) -> bool:
        config = self._config_of(node)
        is_free = Q_ANNOTATION_KEY not in node.meta
        return config is not None and not config.dynamic and is_free


def _checked(config: Int8Config | None) -> Int8Config | None:
    if config is not None and not isinstance(config, Int8Config):
        raise TypeError(f"config must be an Int8Config, or None for float32, got {config!r}")
    return config
