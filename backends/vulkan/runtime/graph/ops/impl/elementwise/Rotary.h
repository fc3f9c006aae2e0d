// Push constants of rotary.comp.
#pragma once

#include <cstdint>

namespace etvk::ops {

struct RotaryPush {
  uint32_t count, width, rotated, repeats, rows, first_row;
};

}  // namespace etvk::ops
