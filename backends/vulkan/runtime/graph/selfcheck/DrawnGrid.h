// Grids of a problem's int8 results, which are push constants: ops::GridPush or
// ops::PackedGridPush.
#pragma once

#include "graph/selfcheck/Random.h"
#include "graph/selfcheck/References.h"

namespace etvk {

// Its inverse scale lies within the two bounds, its zero point within the reach on both sides of 0.
template <typename Push>
void draw_grid(Push& grid, float least_inverse, float most_inverse, Random& random,
               int32_t zero_point_reach = 30) {
  using Integer = decltype(grid.quant_min);
  grid.inv_scale = random.uniform(least_inverse, most_inverse);
  grid.zero_point = static_cast<Integer>(random.integer(-zero_point_reach, zero_point_reach));
  grid.quant_min = static_cast<Integer>(random.integer(-128, -100));
  grid.quant_max = static_cast<Integer>(random.integer(100, 127));
}

template <typename Push>
int8_t quantized(float f, const Push& grid) {
  return quantized(f, grid.inv_scale, grid.zero_point, grid.quant_min, grid.quant_max);
}

}  // namespace etvk
