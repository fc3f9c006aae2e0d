#include "graph/ops/impl/reduce/DrawnReduction.h"

#include <algorithm>

#include "graph/selfcheck/Cover.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kMostLanesOfManyLoops = 32;  // so that problems stay small

LoopSizes drawn_loops(uint32_t rank, uint32_t least, uint32_t innermost_unit, Random& random) {
  LoopSizes sizes = drawn_sizes(rank, least, random);
  uint32_t& innermost = sizes.back();
  innermost = (innermost + innermost_unit - 1) / innermost_unit * innermost_unit;
  return sizes;
}

}  // namespace

std::vector<ReductionConstants> all_reductions(const KernelRow& row, bool with_groups) {
  constexpr auto kLoops = static_cast<uint32_t>(kMaxLoops);
  std::vector<SpecializationConstants> all;
  for (uint32_t lanes = 1; lanes <= row.workgroup_size; lanes *= 2) {
    for (uint32_t kept = 1; kept < kLoops; ++kept) {
      for (uint32_t reduced = 1; kept + reduced <= kLoops; ++reduced) {
        if (lanes > kMostLanesOfManyLoops && kept + reduced > 2) {
          continue;
        }
        for (uint32_t along_rows : {0u, 1u}) {
          all.push_back({kept, reduced, lanes, along_rows, 0});
          if (with_groups) {
            all.push_back({kept, reduced, lanes, along_rows, 1});
          }
        }
      }
    }
  }
  std::vector<ReductionConstants> chosen;
  for (const auto& one : covering(all, kReductionPairs, static_cast<uint64_t>(row.id))) {
    chosen.push_back({one[0], one[1], one[2], one[3], one[4]});
  }
  return chosen;
}

DrawnReduction::DrawnReduction(const ReductionConstants& constants, uint32_t results,
                               uint32_t step_elements, Random& random) {
  const bool along_rows = constants.along_rows != 0;
  const uint32_t unit = constants.whole_groups != 0 ? 4 : 1;
  kept = drawn_loops(constants.kept, results, along_rows ? 1 : unit, random);
  const uint32_t least = constants.lanes * step_elements + static_cast<uint32_t>(random.below(9));
  reduced = drawn_loops(constants.reduced, std::max(least, 3u), along_rows ? unit : 1, random);
  // One loop is innermost in x; the others follow in any order.
  kept_strides.resize(kept.size());
  reduced_strides.resize(reduced.size());
  struct Loop {
    uint32_t size;
    uint32_t* stride;
  };
  std::vector<Loop> loops;
  for (size_t d = 0; d < kept.size(); ++d) {
    loops.push_back({kept[d], &kept_strides[d]});
  }
  for (size_t d = 0; d < reduced.size(); ++d) {
    loops.push_back({reduced[d], &reduced_strides[d]});
  }
  const size_t innermost = along_rows ? loops.size() - 1 : kept.size() - 1;
  std::swap(loops[0], loops[innermost]);
  uint32_t stride = 1;
  for (size_t i = 0; i < loops.size(); ++i) {
    if (i > 0) {
      std::swap(loops[i], loops[i + random.below(loops.size() - i)]);
    }
    *loops[i].stride = stride;
    stride *= loops[i].size;
  }
}

uint64_t DrawnReduction::x_at(uint32_t result, uint32_t i) const {
  return element_of_step(result, kept, kept_strides) + element_of_step(i, reduced, reduced_strides);
}

void DrawnReduction::fill(uint32_t (&sizes)[kMaxLoops], uint32_t (&strides)[kMaxLoops]) const {
  std::copy(kept.begin(), kept.end(), sizes);
  std::copy(reduced.begin(), reduced.end(), sizes + kept.size());
  std::copy(kept_strides.begin(), kept_strides.end(), strides);
  std::copy(reduced_strides.begin(), reduced_strides.end(), strides + kept.size());
}

std::string DrawnReduction::text() const {
  return sizes_text(kept) + " results of " + sizes_text(reduced) + " elements";
}

}  // namespace etvk::ops
