// Push constants of channel_affine.comp.
#pragma once

#include <cstdint>

namespace etvk::ops {

struct ChannelAffinePush {
  uint32_t count, channels, inner;
  float inv_output_scale;
  int32_t output_zero_point, quant_min, quant_max;
};

}  // namespace etvk::ops
