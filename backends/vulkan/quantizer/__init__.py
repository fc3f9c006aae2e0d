"""A PT2E quantizer for what the kernels here keep in int8."""

from .int8_quantizer import VulkanInt8Quantizer
from .specs import Int8Config

__all__ = ["Int8Config", "VulkanInt8Quantizer"]
