// Push constants of gather.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct GatherPush {
  uint32_t count, x_size, x_step;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t x_strides[kMaxLoops];
  uint32_t index_strides[kMaxLoops];
};

}  // namespace etvk::ops
