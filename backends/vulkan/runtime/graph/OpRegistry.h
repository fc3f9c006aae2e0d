// From the op names in a blob to the functions that build their nodes.
#pragma once

#include <string>

#include "graph/ComputeGraph.h"

namespace etvk {

// Checks the call's arguments and adds its nodes; throws Error naming the op and what is wrong.
using OpBuilder = void (*)(ComputeGraph& graph, const OpCall& call);

// Null when there is no such op.
OpBuilder find_op(const std::string& name);

}  // namespace etvk
