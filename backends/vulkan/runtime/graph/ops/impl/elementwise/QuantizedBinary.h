// Push constants of q8ta_binary.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct QuantizedBinaryPush {
  uint32_t count;
  float a_scale, b_scale;
  int32_t a_zero_point, b_zero_point;
  GridPush output_grid;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t a_strides[kMaxLoops];
  uint32_t b_strides[kMaxLoops];
};

}  // namespace etvk::ops
