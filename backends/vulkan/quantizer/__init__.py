"""A PT2E quantizer for what the kernels here keep in int8, and what makes models ready for it."""

from .int8_quantizer import VulkanInt8Quantizer
from .smoothing import smooth_outliers
from .specs import Int8Config

__all__ = ["Int8Config", "VulkanInt8Quantizer", "smooth_outliers"]
