// Results that are the memory of what they are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"

namespace etvk::ops {

// Adds y as the bytes of x under the sizes `shape(sizes of x)`, which must be as many elements;
// nothing is dispatched. For any dtype, which both have.
void add_view(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
              std::function<std::vector<int64_t>(const std::vector<int64_t>&)> shape);

}  // namespace etvk::ops
