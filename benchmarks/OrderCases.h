// Cases of cumulative sums and of the largest elements of rows.
#pragma once

#include <vector>

#include "OpCaseBuilder.h"

namespace etvk::bench {

std::vector<Maker> order_makers();

}  // namespace etvk::bench
