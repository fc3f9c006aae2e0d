// Push constants and specialization constants of pool.comp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "graph/ops/impl/Grid.h"

namespace etvk::ops {

constexpr size_t kPoolLoops = 4;

struct PoolPush {
  uint32_t count;
  uint32_t y_sizes[kPoolLoops];
  uint32_t x_strides[kPoolLoops];
  int32_t x_size[2];
  int32_t kernel[2];
  int32_t stride[2];
  int32_t padding[2];
  int32_t dilation[2];
};

struct QuantizedPoolPush {
  PoolPush pool;
  int32_t input_zero_point;
  GridPush output_grid;
};

// DIVISOR: which multiplier a mean takes.
enum class PoolDivisor : uint32_t {
  kSameForAll,  // the first one
  kPaddedTaps,  // that of the window's elements in the image and its padding
  kTaps,        // that of those in the image
};

}  // namespace etvk::ops
