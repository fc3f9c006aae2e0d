// Push constants of reduce.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct ReducePush {
  uint32_t count, steps, part_steps;
  float elements;
  uint32_t sizes[kMaxLoops];
  uint32_t strides[kMaxLoops];
};

}  // namespace etvk::ops
