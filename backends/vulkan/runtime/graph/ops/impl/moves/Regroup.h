// Copies that split the dimensions of a tensor into pieces, permute these, and join them again.
#pragma once

#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct Regroup {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  Sizes counts;  // how many pieces each dimension of x is split into
  Sizes pieces;  // their sizes, the outermost first; at most one of a dimension is -1: what is left
  Sizes dims;    // the order of the pieces in y
  Sizes groups;  // how many of them each dimension of y is made of
};

// Throws kInvalidProgram where the lists contradict each other.
void add_regroup(ComputeGraph& graph, const Regroup& call);

}  // namespace etvk::ops
