// How the int8 results of a problem are quantized.
#pragma once

#include "graph/selfcheck/Random.h"

namespace etvk {

// Sets `inv_output_scale`, within the two bounds given, `output_zero_point`, up to the reach given
// on both sides of 0, `quant_min` and `quant_max` of push constants.
template <typename Push>
void draw_output_grid(Push& push, float least_inverse, float most_inverse, Random& random,
                      int32_t zero_point_reach = 30) {
  using Integer = decltype(push.quant_min);
  push.inv_output_scale = random.uniform(least_inverse, most_inverse);
  push.output_zero_point =
      static_cast<Integer>(random.integer(-zero_point_reach, zero_point_reach));
  push.quant_min = static_cast<Integer>(random.integer(-128, -100));
  push.quant_max = static_cast<Integer>(random.integer(100, 127));
}

}  // namespace etvk
