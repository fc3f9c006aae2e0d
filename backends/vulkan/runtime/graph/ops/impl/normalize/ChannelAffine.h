// Push constants of channel_affine.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Grid.h"

namespace etvk::ops {

struct ChannelAffinePush {
  uint32_t count, channels, inner;
  GridPush output_grid;
};

}  // namespace etvk::ops
