"""Op schemas that the stock Vulkan library lacks, and the exact reference of every int8 op.

The references define what the kernels must return, byte for byte. They are also the eager
implementations of our overloads, so that a rewritten graph can run and be compared on the CPU.
"""

from .attention import ATTENTION, MATMUL, Q8TA_ATTENTION, attention, matmul
from .convolution import (
    CONV2D_FLOAT_OUT,
    Q8TA_CONV2D,
    Q8TA_CONV2D_BOUNDED,
    Q8TA_CONV2D_DW,
    Q8TA_CONV2D_PW,
    Q8TA_CONV2D_RESIDUAL,
    Q8TA_CONV2D_TRANSPOSED,
    conv2d_q8ta_q8csw,
    q8ta_conv2d,
    q8ta_conv2d_residual,
)
from .definition import REFERENCES
from .dynamic_linear import LINEAR_DYNAMIC, linear_dq8ca_q8csw
from .elementwise import Q8TA_BINARY, Q8TA_DEQUANTIZE, Q8TA_TABLE, q8ta_binary, q8ta_table
from .formulas import (
    INT8_MAX,
    INT8_MIN,
    dequantize,
    fl32,
    inverse_scale,
    quantize,
    quantize_value,
)
from .linear import (
    LINEAR_FLOAT_OUT,
    Q8TA_LINEAR,
    Q8TA_LINEAR_BOUNDED,
    Q8TA_LINEAR_GEMV,
    Q8TA_LINEAR_RESIDUAL,
    activate,
    linear_q8ta_q8csw,
    q8ta_linear,
    q8ta_linear_residual,
)
from .normalize import (
    CHANNEL_AFFINE,
    Q8TA_CHANNEL_AFFINE,
    Q8TA_GROUP_NORM,
    Q8TA_LAYER_NORM,
    Q8TA_LOG_SOFTMAX,
    Q8TA_RMS_NORM,
    Q8TA_SOFTMAX,
    channel_affine,
    q8ta_channel_affine,
)
from .pool import (
    Q8TA_ADAPTIVE_AVG_POOL2D,
    Q8TA_ADAPTIVE_MAX_POOL2D,
    Q8TA_AVG_POOL2D,
    Q8TA_MAX_POOL2D,
    q8ta_adaptive_avg_pool2d,
    q8ta_adaptive_max_pool2d,
    q8ta_avg_pool2d,
    q8ta_max_pool2d,
)
from .reduce import Q8TA_MEAN, q8ta_mean
from .resample import Q8TA_UPSAMPLE_BILINEAR, q8ta_upsample_bilinear2d
from .views import FIXED_VIEW, FROM_DIM_ORDER, REGROUP, TO_DIM_ORDER, fixed_view

__all__ = [
    "ATTENTION",
    "CHANNEL_AFFINE",
    "CONV2D_FLOAT_OUT",
    "FIXED_VIEW",
    "FROM_DIM_ORDER",
    "INT8_MAX",
    "INT8_MIN",
    "LINEAR_DYNAMIC",
    "LINEAR_FLOAT_OUT",
    "MATMUL",
    "Q8TA_ADAPTIVE_AVG_POOL2D",
    "Q8TA_ADAPTIVE_MAX_POOL2D",
    "Q8TA_ATTENTION",
    "Q8TA_AVG_POOL2D",
    "Q8TA_BINARY",
    "Q8TA_CHANNEL_AFFINE",
    "Q8TA_CONV2D",
    "Q8TA_CONV2D_BOUNDED",
    "Q8TA_CONV2D_DW",
    "Q8TA_CONV2D_PW",
    "Q8TA_CONV2D_RESIDUAL",
    "Q8TA_CONV2D_TRANSPOSED",
    "Q8TA_DEQUANTIZE",
    "Q8TA_GROUP_NORM",
    "Q8TA_LAYER_NORM",
    "Q8TA_LINEAR",
    "Q8TA_LINEAR_BOUNDED",
    "Q8TA_LINEAR_GEMV",
    "Q8TA_LINEAR_RESIDUAL",
    "Q8TA_LOG_SOFTMAX",
    "Q8TA_MAX_POOL2D",
    "Q8TA_MEAN",
    "Q8TA_RMS_NORM",
    "Q8TA_SOFTMAX",
    "Q8TA_TABLE",
    "Q8TA_UPSAMPLE_BILINEAR",
    "REFERENCES",
    "REGROUP",
    "TO_DIM_ORDER",
    "activate",
    "attention",
    "channel_affine",
    "conv2d_q8ta_q8csw",
    "dequantize",
    "fixed_view",
    "fl32",
    "inverse_scale",
    "linear_dq8ca_q8csw",
    "linear_q8ta_q8csw",
    "matmul",
    "q8ta_adaptive_avg_pool2d",
    "q8ta_adaptive_max_pool2d",
    "q8ta_avg_pool2d",
    "q8ta_binary",
    "q8ta_channel_affine",
    "q8ta_conv2d",
    "q8ta_conv2d_residual",
    "q8ta_linear",
    "q8ta_linear_residual",
    "q8ta_max_pool2d",
    "q8ta_mean",
    "q8ta_table",
    "q8ta_upsample_bilinear2d",
    "quantize",
    "quantize_value",
]
