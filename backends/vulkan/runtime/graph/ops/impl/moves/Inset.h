// Push constants of inset.comp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etvk::ops {

constexpr size_t kMaxInsetLoops = 6;

struct InsetPush {
  uint32_t count, value;
  uint32_t sizes[kMaxInsetLoops - 1];
  uint32_t x_strides[kMaxInsetLoops];
  uint32_t starts[kMaxInsetLoops];
  uint32_t lengths[kMaxInsetLoops];
  uint32_t steps[kMaxInsetLoops];
};

}  // namespace etvk::ops
