// A tensor that is reduced over some loops, for problems of the kernels that do so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "graph/ops/impl/Loops.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Random.h"

namespace etvk::ops {

// The specialization constants that q8ta_mean.comp and reduce.comp begin with.
struct ReductionConstants {
  uint32_t kept, reduced, lanes, along_rows, whole_groups;
};

// Each number of loops, and each number of lanes of the row's workgroup; in pairs what walks
// through x together. Without `with_groups`, elements are read one by one.
std::vector<ReductionConstants> all_reductions(const KernelRow& row, bool with_groups = true);

// Ids of the constants above that are read together, for covering().
inline const std::vector<std::vector<size_t>> kReductionPairs = {{2, 3, 4}, {0, 3}, {1, 3}};

// Loops and their strides in x, which is contiguous.
struct DrawnReduction {
  // At least `results` results; more of a result's elements than all lanes take in one step.
  DrawnReduction(const ReductionConstants& constants, uint32_t results, uint32_t step_elements,
                 Random& random);

  uint32_t count() const { return steps_of(kept); }
  uint32_t reduced_count() const { return steps_of(reduced); }
  uint32_t x_count() const { return count() * reduced_count(); }
  // Of element `i` of result `result`.
  uint64_t x_at(uint32_t result, uint32_t i) const;
  void fill(uint32_t (&sizes)[kMaxLoops], uint32_t (&strides)[kMaxLoops]) const;
  std::string text() const;

  LoopSizes kept;
  LoopSizes reduced;
  LoopSizes kept_strides;
  LoopSizes reduced_strides;
};

}  // namespace etvk::ops
