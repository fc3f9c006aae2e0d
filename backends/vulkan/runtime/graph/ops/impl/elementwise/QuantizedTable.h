// Tables of an int8 value's 256 results, for ops that have one of their own.
#pragma once

#include <string>

#include "graph/ComputeGraph.h"

namespace etvk::ops {

// y = table[x + 128], of x's current sizes; `table` holds 256 elements of y's type.
void dispatch_table(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                    ValueId y, const Binding& table);

}  // namespace etvk::ops
