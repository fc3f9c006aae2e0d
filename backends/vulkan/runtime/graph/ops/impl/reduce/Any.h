// Push constants of any.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct AnyPush {
  uint32_t count, steps;
  uint32_t sizes[kMaxLoops];
  uint32_t strides[kMaxLoops];
};

}  // namespace etvk::ops
