// Push and specialization constants of the kernels of attention.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Grid.h"

namespace etvk::ops {

constexpr int64_t kMaxHeadSize = 256;

struct AttentionPush {
  uint32_t heads, heads_of_group;
  uint32_t L, S;
  uint16_t D, DV;
  uint32_t tiles;
  uint32_t q[4], k[4], v[4], y[4], mask[4];
  float scale, fill;
  float v_scale;
  int8_t q_zero_point, k_zero_point, v_zero_point, unused;
  PackedGridPush output_grid;
};

// MASK of the shader.
enum class MaskForm : uint32_t { kNone, kAdded, kFillTrue, kFillFalse };

}  // namespace etvk::ops
