// Push constants of convert.comp.
#pragma once

#include <cstdint>

namespace etvk::ops {

struct ConvertPush {
  uint32_t count;
};

}  // namespace etvk::ops
