// Sums at places of a tensor that an index gives, in a fixed order: dispatches of accumulate.comp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

constexpr size_t kMaxAccumulateDims = 6;

struct AccumulatePush {
  uint32_t count, dim, first, end, index_step, source_step;
  uint32_t sizes[kMaxAccumulateDims];
  uint32_t bounds[kMaxAccumulateDims];
  uint32_t index_strides[kMaxAccumulateDims];
  uint32_t source_strides[kMaxAccumulateDims];
};

struct AccumulateCall {
  std::string op;
  ValueId base = -1;
  ValueId index = -1;
  ValueId source = -1;
  ValueId y = -1;
  bool counts_back = false;
};

// For the dimensions of y: below which coordinate something is added, and what one step is in the
// index and in the source; along `dim`, which the index is of, `steps` of others.
struct Sums {
  Sizes bounds;
  Sizes index_strides;
  Sizes source_strides;
  size_t dim = 0;
  int64_t steps = 0;
  int64_t index_step = 0;
  int64_t source_step = 0;
};

// Throws kInvalidProgram for types and kNotSupported for dimensions that the kernels lack.
void check_accumulate(const ComputeGraph& graph, const AccumulateCall& call);

// Makes y, whose sizes are set.
void dispatch_accumulate(ComputeGraph& graph, Commands& commands, const AccumulateCall& call,
                         const Sums& sums);

}  // namespace etvk::ops
