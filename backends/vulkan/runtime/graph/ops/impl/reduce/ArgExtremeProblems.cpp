// Problems of arg_extreme.comp: rows shorter and longer than a workgroup, with equal elements and
// NaN.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "graph/ops/impl/reduce/ArgExtreme.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 3;

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxLoops; ++rank) {
    all.push_back({rank, rank % 2, rank / 2 % 2});
  }
  return all;
}

bool is_more(double a, double b, bool is_least) {
  return !std::isnan(b) && (std::isnan(a) || (is_least ? a < b : a > b));
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const uint32_t rank = constants.at(0);
  const bool is_least = constants.at(1) != 0;
  const bool integers = constants.at(2) != 0;
  const LoopSizes sizes = drawn_sizes(rank, kGroups + 1, random);
  const LoopSizes strides = drawn_strides(sizes, Innermost::kAny, random);
  ArgExtremePush push{};
  push.count = steps_of(sizes);
  push.steps = 1 + static_cast<uint32_t>(random.below(3 * row.workgroup_size));
  push.step = 1 + static_cast<uint32_t>(random.below(5));
  std::copy(sizes.begin() + 1, sizes.end(), push.sizes);
  std::copy(strides.begin(), strides.end(), push.x_strides);

  const uint32_t elements = end_of(sizes, strides) + (push.steps - 1) * push.step;
  std::vector<float> floats(elements);
  std::vector<int32_t> words(elements);
  for (uint32_t i = 0; i < elements; ++i) {
    words[i] = random.chance(5) ? static_cast<int32_t>(random.bits()) : random.integer(-9, 9);
    floats[i] = random.chance(1)    ? std::numeric_limits<float>::quiet_NaN()
                : random.chance(10) ? random.uniform(-1e9f, 1e9f)
                                    : static_cast<float>(random.integer(-9, 9));
  }
  std::vector<int32_t> y;
  for (uint32_t result = 0; result < push.count; ++result) {
    const uint64_t start = element_of_step(result, sizes, strides);
    const auto at = [&](uint32_t i) {
      const uint64_t place = start + uint64_t{i} * push.step;
      return integers ? static_cast<double>(words[place]) : static_cast<double>(floats[place]);
    };
    uint32_t found = 0;
    for (uint32_t i = 1; i < push.steps; ++i) {
      found = is_more(at(i), at(found), is_least) ? i : found;
    }
    y.push_back(static_cast<int32_t>(found));
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " rows of " + std::to_string(push.steps);
  problem.bind_output(y);
  if (integers) {
    problem.bind(words);
  } else {
    problem.bind(floats);
  }
  problem.set_push(push);
  problem.groups.x = std::min(push.count, kGroups);
  return problem;
}

const RegisterProblems registered({{"arg_extreme", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
