// Push constants of scan.comp.
#pragma once

#include <cstdint>

namespace etvk::ops {

struct ScanPush {
  uint32_t rows, steps, inner, first, end;
};

}  // namespace etvk::ops
