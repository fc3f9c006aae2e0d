// Push constants of gather.comp and scatter_map.comp, and dispatches of the first.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

struct GatherPush {
  uint32_t count, x_size, x_step;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t x_strides[kMaxLoops];
  uint32_t index_strides[kMaxLoops];
};

struct ScatterMapPush {
  uint32_t count, map_size, map_step;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t map_strides[kMaxLoops];
  uint32_t value_strides[kMaxLoops];
};

// For the dimensions of y: what one step is in x and in the index, and the dimension of x that the
// index is of.
struct Places {
  Sizes sizes;
  Sizes x_strides;
  Sizes index_strides;
  int64_t x_size = 0;
  int64_t x_step = 0;
};

struct GatherCall {
  std::string op;
  ValueId x = -1;
  ValueId index = -1;
  ValueId y = -1;
  bool counts_back = false;
  ValueId base = -1;  // y where the index is negative; without it, all places are in x
};

// Of the operands `indices` of index and index_put: the tensor, and the dimension of `self` that it
// is of. Throws kNotSupported for several, kInvalidProgram where self has no such dimension.
struct IndexedDim {
  ValueId index;
  size_t dim;
};
IndexedDim indexed_dim(const ComputeGraph& graph, const OpArgs& args);

// Makes y, whose sizes are set, in loops nested as y is in memory.
void dispatch_gather(ComputeGraph& graph, Commands& commands, const GatherCall& call,
                     const Places& places);

}  // namespace etvk::ops
