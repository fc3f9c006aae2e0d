// Problems of put.comp: places that are all different, or with a map several writes to one; some
// beyond both ends.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "graph/ops/impl/moves/Put.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxPutLoops; ++rank) {
    all.push_back({rank, 0});
    all.push_back({rank, 1});
  }
  return all;
}

// Of the index: contiguous along one loop, whose elements are its own; repeated along the others.
LoopSizes strides_along(const LoopSizes& sizes, size_t loop) {
  LoopSizes strides(sizes.size());
  strides[loop] = 1;
  return strides;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const bool with_map = constants.at(1) != 0;
  const size_t bytes = std::string(row.op) == "put_groups" ? 16 : 4;
  const LoopSizes sizes = drawn_sizes(constants.at(0), flat_count(row, random), random);
  const size_t loop = random.below(sizes.size());
  const LoopSizes index_strides = strides_along(sizes, loop);
  const LoopSizes x_strides = drawn_strides(sizes, Innermost::kAny, random);
  // y is contiguous in all but the loop of the index, in whose place its places come.
  LoopSizes y_strides(sizes.size());
  const auto count = sizes[loop];
  PutPush push{};
  push.count = steps_of(sizes);
  push.place_count = count + static_cast<uint32_t>(random.integer(0, 5));
  uint32_t inner = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    if (d == loop) {
      push.y_step = inner;
      inner *= push.place_count;
    } else {
      y_strides[d] = inner;
      inner *= sizes[d];
    }
  }
  std::copy(sizes.begin() + 1, sizes.end(), push.sizes);
  std::copy(x_strides.begin(), x_strides.end(), push.x_strides);
  std::copy(y_strides.begin(), y_strides.end(), push.y_strides);
  std::copy(index_strides.begin(), index_strides.end(), push.index_strides);

  const auto places = static_cast<int32_t>(push.place_count);
  std::vector<int32_t> index(count);
  std::iota(index.begin(), index.end(), random.integer(-places, 2));  // all different, if modulo
  for (int32_t& place : index) {
    if (with_map) {
      place = random.integer(-places - 1, places);
    } else if (random.chance(10)) {
      place = random.chance(50) ? places : -places - 1;
    }
  }
  const auto place_of = [&](uint32_t i) { return index[i] < 0 ? index[i] + places : index[i]; };
  std::vector<int32_t> map(push.place_count, -1);
  std::vector<uint8_t> x(end_of(sizes, x_strides) * bytes);
  random.fill(x);
  std::vector<uint8_t> y(inner * bytes);
  std::memset(y.data(), kUnwritten, y.size());
  for (uint32_t i = 0; i < count; ++i) {
    if (place_of(i) >= 0 && place_of(i) < places) {
      map[static_cast<size_t>(place_of(i))] = static_cast<int32_t>(i);
    }
  }
  for (uint32_t e = 0; e < push.count; ++e) {
    const auto i = static_cast<uint32_t>(element_of_step(e, sizes, index_strides));
    const int32_t place = place_of(i);
    if (place < 0 || place >= places ||
        map[static_cast<size_t>(place)] != static_cast<int32_t>(i)) {
      continue;
    }
    const size_t to =
        element_of_step(e, sizes, y_strides) + static_cast<size_t>(place) * push.y_step;
    std::memcpy(&y[to * bytes], &x[element_of_step(e, sizes, x_strides) * bytes], bytes);
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " put in loops of " + sizes_text(sizes);
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(index);
  problem.bind(map);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({{"put_words", all_constants, make},
                                   {"put_groups", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
