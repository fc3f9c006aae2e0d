// Push constants of arg_extreme.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct ArgExtremePush {
  uint32_t count, steps, step, places, inner, first, end;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t x_strides[kMaxLoops];
};

}  // namespace etvk::ops
