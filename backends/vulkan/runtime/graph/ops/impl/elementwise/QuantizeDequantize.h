// Quantizing: adds a quantize node to a graph, for ops that quantize an input of theirs.
#pragma once

#include <string>

#include "graph/ComputeGraph.h"

namespace etvk::ops {

// y = clamp(round_half_even(x * fl32(1 / scale)) + zero_point, quant_min, quant_max), int8.
struct QuantizeParams {
  double scale = 1.0;  // real value of one step
  int32_t zero_point = 0;
  int32_t quant_min = -128;
  int32_t quant_max = 127;
};

// Push constants of quantize_per_tensor.comp and dequantize_per_tensor.comp.
struct QuantizePush {
  uint32_t count;
  float inv_scale;
  int32_t zero_point;
  int32_t quant_min;
  int32_t quant_max;
};

struct DequantizePush {
  uint32_t count;
  float scale;
  int32_t zero_point;
};

// fl32(1 / scale); throws kNotSupported naming `op` when a float32 cannot hold it normally.
float inverse_scale(const std::string& op, double scale);
// Throws kInvalidProgram unless the zero point and the range lie within int8.
void check_int8_range(const std::string& op, int64_t zero_point, int64_t quant_min,
                      int64_t quant_max);

// `x` float32 and `y` int8, of the same shape.
void add_quantize_node(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                       const QuantizeParams& params);

}  // namespace etvk::ops
