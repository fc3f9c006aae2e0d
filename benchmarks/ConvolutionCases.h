// Convolutions of well-known networks, for the benchmark.
#pragma once

#include <vector>

#include "OpCaseBuilder.h"

namespace etvk::bench {

// Their shape is [images, output channels].
std::vector<Maker> convolution_makers();

}  // namespace etvk::bench
