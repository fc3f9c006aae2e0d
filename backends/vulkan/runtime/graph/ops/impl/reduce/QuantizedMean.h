// Push constants of q8ta_mean.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct MeanPush {
  uint32_t count, steps;
  float scale;
  int32_t correction;
  float inv_output_scale;
  int32_t output_zero_point, quant_min, quant_max;
  uint32_t last_word;
  uint32_t sizes[kMaxLoops];
  uint32_t strides[kMaxLoops];
};

}  // namespace etvk::ops
