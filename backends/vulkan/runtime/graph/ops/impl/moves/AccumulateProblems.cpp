// Problems of accumulate.comp: several additions to a place and none, places beyond both ends,
// parts of a tensor that nothing is added to, and a later one of several dispatches.
#include <algorithm>
#include <cstring>
#include <string>

#include "graph/ops/impl/moves/Accumulate.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxAccumulateDims; ++rank) {
    all.push_back({rank, 0});
    all.push_back({rank, 1});
  }
  return all;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const bool counts_back = constants.at(1) != 0;
  const bool integers = std::string(row.op) == "accumulate_int";
  const LoopSizes sizes = drawn_sizes(constants.at(0), flat_count(row, random), random);
  AccumulatePush push{};
  push.count = steps_of(sizes);
  push.dim = random.below(static_cast<uint32_t>(sizes.size()));
  push.end = 1 + random.below(9);
  // The index and the source have all dimensions, and `end` elements in the place of `dim`.
  uint32_t inner = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    push.sizes[d] = sizes[d];
    push.bounds[d] = d == push.dim || random.chance(70) ? sizes[d] : 1 + random.below(sizes[d]);
    push.index_strides[d] = push.source_strides[d] = d == push.dim ? 0 : inner;
    if (d == push.dim) {
      push.index_step = push.source_step = inner;
    }
    inner *= d == push.dim ? push.end : sizes[d];
  }
  const auto places = static_cast<int32_t>(sizes[push.dim]);
  std::vector<int32_t> index(inner);
  std::vector<int32_t> words(inner);
  std::vector<float> floats(inner);
  for (uint32_t i = 0; i < inner; ++i) {
    index[i] = random.integer(-places - 1, places);
    words[i] = random.chance(5) ? static_cast<int32_t>(random.bits()) : random.integer(-9, 9);
    floats[i] = static_cast<float>(random.integer(-64, 64)) * 0.25f;  // whose sums are exact
  }
  std::vector<int32_t> integer_base(push.count);
  std::vector<float> base(push.count);
  for (uint32_t e = 0; e < push.count; ++e) {
    integer_base[e] = random.integer(-99, 99);
    base[e] = static_cast<float>(random.integer(-64, 64));
  }
  std::vector<int32_t> integer_y = integer_base;
  std::vector<float> y = base;
  for (uint32_t e = 0; e < push.count; ++e) {
    uint32_t rest = e;
    uint32_t from = 0;
    int32_t own = 0;
    bool is_inside = true;
    for (size_t d = sizes.size(); d-- > 0;) {
      const uint32_t c = rest % sizes[d];
      rest /= sizes[d];
      own = d == push.dim ? static_cast<int32_t>(c) : own;
      is_inside = is_inside && c < push.bounds[d];
      from += c * push.index_strides[d];
    }
    for (uint32_t k = 0; is_inside && k < push.end; ++k) {
      const uint32_t at = from + k * push.index_step;
      const int32_t place = counts_back && index[at] < 0 ? index[at] + places : index[at];
      if (place == own) {
        integer_y[e] = static_cast<int32_t>(static_cast<uint32_t>(integer_y[e]) +
                                            static_cast<uint32_t>(words[at]));
        y[e] += floats[at];
      }
    }
  }
  Problem problem;
  problem.text = std::to_string(push.end) + " added along dimension " + std::to_string(push.dim) +
                 " of " + sizes_text(sizes);
  if (integers) {
    problem.bind_output(integer_y);
    problem.bind(integer_base);
  } else {
    problem.bind_output(y);
    problem.bind(base);
  }
  problem.bind(index);
  if (integers) {
    problem.bind(words);
  } else {
    problem.bind(floats);
  }
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({{"accumulate", all_constants, make},
                                   {"accumulate_int", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
