// Cases of float32 matrix products and attention.
#pragma once

#include <vector>

#include "OpCaseBuilder.h"

namespace etvk::bench {

std::vector<Maker> product_makers();

}  // namespace etvk::bench
