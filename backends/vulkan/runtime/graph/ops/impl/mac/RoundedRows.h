// Push constants of dequantize_rows.comp.
#pragma once

#include <cstdint>

namespace etvk::ops {

struct DequantizeRowsPush {
  uint32_t M, K;
};

}  // namespace etvk::ops
