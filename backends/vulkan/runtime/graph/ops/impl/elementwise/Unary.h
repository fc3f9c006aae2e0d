// Push constants of unary.comp.
#pragma once

#include <cstdint>

#include "graph/ops/ElementwiseTable.h"

namespace etvk::ops {

struct UnaryPush {
  uint32_t count;
  Bits parameters[kMostParameters];
};

}  // namespace etvk::ops
