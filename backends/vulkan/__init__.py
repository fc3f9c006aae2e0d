"""Run statically quantized int8 models on any Vulkan GPU through ExecuTorch.

Importing registers the fusion rules and ops used ahead of time, and makes the delegate known to
`executorch.runtime.Runtime` in this process. It works on a machine without Vulkan as well.
"""

from .runtime.loader import check_executorch_version as _check_executorch_version

# First, so that another version of executorch gives this error and not one of its own internals.
_check_executorch_version()

from .stock_logging import import_quietly as _import_quietly  # noqa: E402

# Ahead of everything else that imports the stock export code.
_import_quietly()

# Out variants of quantize and dequantize, which ExecuTorch needs where they stay on the CPU.
import executorch.kernels.quantized as _quantized_kernels  # noqa: E402, F401

from . import custom_ops as _custom_ops  # noqa: E402, F401
from . import graph_builder as _graph_builder  # noqa: E402
from . import patterns as _patterns  # noqa: E402, F401
from .partitioner import VulkanPartitioner  # noqa: E402
from .quantizer import Int8Config, VulkanInt8Quantizer, smooth_outliers  # noqa: E402
from .reporting.explain import explain  # noqa: E402
from .runtime.loader import Device, devices, linear_kernel, load  # noqa: E402

_graph_builder.register()
load()

__all__ = [
    "Device",
    "Int8Config",
    "VulkanInt8Quantizer",
    "VulkanPartitioner",
    "devices",
    "explain",
    "linear_kernel",
    "smooth_outliers",
]
