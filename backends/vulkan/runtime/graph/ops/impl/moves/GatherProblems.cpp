// Problems of gather.comp: bytes, words and groups of words, with places beyond both ends, or with
// a base and places within.
#include <algorithm>
#include <string>

#include "graph/ops/impl/moves/Gather.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

uint32_t unit_bytes(const KernelRow& row) {
  const std::string op = row.op;
  return op == "gather_bytes" || op == "scatter_bytes"   ? 1
         : op == "gather_words" || op == "scatter_words" ? 4
                                                         : 16;
}

bool has_base(const KernelRow& row) { return std::string(row.op).rfind("scatter_", 0) == 0; }

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxLoops; ++rank) {
    all.push_back({rank, has_base(row) ? 0 : rank % 2});
  }
  return all;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const uint32_t rank = constants.at(0);
  const bool counts_back = constants.at(1) != 0;
  const uint32_t bytes = unit_bytes(row);
  const LoopSizes sizes = drawn_sizes(rank, flat_count(row, random), random);
  const LoopSizes x_strides = drawn_strides(sizes, Innermost::kAny, random);
  const LoopSizes index_strides = drawn_strides(sizes, Innermost::kAny, random);
  GatherPush push{};
  push.count = steps_of(sizes);
  push.x_size = static_cast<uint32_t>(random.integer(1, 20));
  push.x_step = static_cast<uint32_t>(random.integer(1, 9));
  std::copy(sizes.begin() + 1, sizes.end(), push.sizes);
  std::copy(x_strides.begin(), x_strides.end(), push.x_strides);
  std::copy(index_strides.begin(), index_strides.end(), push.index_strides);

  const auto size = static_cast<int32_t>(push.x_size);
  std::vector<int32_t> index(end_of(sizes, index_strides));
  for (int32_t& place : index) {
    place = has_base(row)      ? random.integer(-1, size - 1)
            : random.chance(5) ? static_cast<int32_t>(random.bits())
                               : random.integer(-size - 1, size + 1);
  }
  std::vector<uint8_t> x((end_of(sizes, x_strides) + (push.x_size - 1) * push.x_step) * bytes);
  random.fill(x);
  std::vector<uint8_t> base(size_t{push.count} * bytes);
  random.fill(base);
  std::vector<uint8_t> y = base;
  for (uint32_t i = 0; i < push.count; ++i) {
    const int32_t given = index[element_of_step(i, sizes, index_strides)];
    if (has_base(row) && given < 0) {
      continue;
    }
    const int32_t place = std::clamp(counts_back && given < 0 ? given + size : given, 0, size - 1);
    const uint64_t from = element_of_step(i, sizes, x_strides) + uint64_t{push.x_step} * place;
    std::copy_n(&x[from * bytes], bytes, &y[size_t{i} * bytes]);
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " picked in loops of " + sizes_text(sizes);
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(index);
  if (has_base(row)) {
    problem.bind(base);
  }
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({
    {"gather_bytes", all_constants, make},
    {"gather_words", all_constants, make},
    {"gather_groups", all_constants, make},
    {"scatter_bytes", all_constants, make},
    {"scatter_words", all_constants, make},
    {"scatter_groups", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
