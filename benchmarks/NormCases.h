// Cases of softmax and norms.
#pragma once

#include <vector>

#include "OpCaseBuilder.h"

namespace etvk::bench {

std::vector<Maker> norm_makers();

}  // namespace etvk::bench
