// Problems of scatter_map.comp: several writes to a place, places beyond both ends, and none.
#include <algorithm>
#include <cstring>
#include <string>

#include "graph/ops/impl/moves/Gather.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxLoops; ++rank) {
    all.push_back({rank, 0});
    all.push_back({rank, 1});
  }
  return all;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const bool counts_back = constants.at(1) != 0;
  const LoopSizes sizes = drawn_sizes(constants.at(0), flat_count(row, random), random);
  const LoopSizes map_strides = drawn_strides(sizes, Innermost::kAny, random);
  LoopSizes value_strides(sizes.size());
  ScatterMapPush push{};
  push.count = steps_of(sizes);
  push.map_size = static_cast<uint32_t>(random.integer(1, 20));
  push.map_step = static_cast<uint32_t>(random.integer(1, 9));
  uint32_t inner = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    value_strides[d] = inner;
    inner *= sizes[d];
  }
  std::copy(sizes.begin() + 1, sizes.end(), push.sizes);
  std::copy(map_strides.begin(), map_strides.end(), push.map_strides);
  std::copy(value_strides.begin(), value_strides.end(), push.value_strides);

  const auto size = static_cast<int32_t>(push.map_size);
  std::vector<int32_t> index(push.count);
  // The bytes that nothing has written are a negative number as well.
  std::vector<int32_t> map(end_of(sizes, map_strides) + (push.map_size - 1) * push.map_step);
  std::memset(map.data(), kUnwritten, map.size() * sizeof(map[0]));
  Problem problem;
  problem.text = std::to_string(push.count) + " written in loops of " + sizes_text(sizes);
  for (uint32_t i = 0; i < push.count; ++i) {
    index[i] = random.chance(5) ? static_cast<int32_t>(random.bits())
                                : random.integer(-size - 1, size + 1);
    const int64_t place = counts_back && index[i] < 0 ? int64_t{index[i]} + size : index[i];
    if (place >= 0 && place < size) {
      int32_t& last = map[element_of_step(i, sizes, map_strides) +
                          static_cast<uint64_t>(place) * push.map_step];
      last = std::max(last, static_cast<int32_t>(element_of_step(i, sizes, value_strides)));
    }
  }
  problem.bind_output(map);
  problem.bind(index);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({{"scatter_map", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
