// Push constants of upsample.comp, and how rows and columns of x are found.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Grid.h"

namespace etvk::ops {

struct UpsamplePush {
  uint32_t count, inner, x_height, x_width, y_height, y_width;
  float scale_height, scale_width;
  uint32_t step_height, step_width;
  float x_scale;
  int32_t x_zero_point;
  GridPush output_grid;
};

}  // namespace etvk::ops
