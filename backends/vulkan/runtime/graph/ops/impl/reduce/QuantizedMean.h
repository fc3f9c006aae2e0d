// Push constants of q8ta_mean.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct MeanPush {
  uint32_t count, steps;
  float scale;
  int32_t correction;
  GridPush output_grid;
  uint32_t last_word;
  uint32_t sizes[kMaxLoops];
  uint32_t strides[kMaxLoops];
};

}  // namespace etvk::ops
