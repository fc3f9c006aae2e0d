// Push constants of q8ta_binary.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct QuantizedBinaryPush {
  uint32_t count;
  float a_scale, b_scale, inv_output_scale;
  int32_t a_zero_point, b_zero_point, output_zero_point, quant_min, quant_max;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t a_strides[kMaxLoops];
  uint32_t b_strides[kMaxLoops];
};

}  // namespace etvk::ops
