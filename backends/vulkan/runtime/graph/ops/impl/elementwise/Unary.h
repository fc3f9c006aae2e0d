// Push constants of unary.comp.
#pragma once

#include <cstdint>

#include "graph/ops/ElementwiseTable.h"

namespace etvk::ops {

struct UnaryPush {
  uint32_t count;
  uint32_t parameters[kMostParameters];  // bits of what x is
};

}  // namespace etvk::ops
