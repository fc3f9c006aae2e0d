// Problems of arg_extreme.comp: rows shorter and longer than a workgroup, with equal elements and
// NaN, of which one or several places are wanted.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "graph/ops/impl/reduce/ArgExtreme.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kLeastRows = 4;

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxLoops; ++rank) {
    all.push_back({rank, rank % 2, rank / 2 % 2, rank / 4 % 2});
    all.push_back({rank, 1, 0, rank % 2});
  }
  return all;
}

// How far in front an element comes: NaN is the most extreme, or the largest.
double rank_of(double value, bool is_least, bool nan_is_large) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const bool is_first = !is_least || !nan_is_large;
  return std::isnan(value) ? (is_first ? kInfinity : -kInfinity) : is_least ? -value : value;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const uint32_t rank = constants.at(0);
  const bool is_least = constants.at(1) != 0;
  const bool integers = constants.at(2) != 0;
  const bool nan_is_large = constants.at(3) != 0;
  const LoopSizes sizes = drawn_sizes(rank, kLeastRows, random);
  const LoopSizes strides = drawn_strides(sizes, Innermost::kAny, random);
  ArgExtremePush push{};
  push.count = steps_of(sizes);
  push.steps = 1 + static_cast<uint32_t>(random.below(3 * row.workgroup_size));
  push.step = 1 + static_cast<uint32_t>(random.below(5));
  push.places = 1 + static_cast<uint32_t>(random.below(std::min(push.steps, 5u)));
  push.inner = random.chance(50) ? 1 : push.count;
  push.end = push.places;
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
  std::vector<int32_t> y(push.count * push.places);
  for (uint32_t result = 0; result < push.count; ++result) {
    const uint64_t start = element_of_step(result, sizes, strides);
    const auto rank = [&](uint32_t i) {
      const uint64_t place = start + uint64_t{i} * push.step;
      return rank_of(
          integers ? static_cast<double>(words[place]) : static_cast<double>(floats[place]),
          is_least, nan_is_large);
    };
    std::vector<uint32_t> order(push.steps);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return rank(a) > rank(b); });
    const uint32_t first = result / push.inner * push.inner * push.places + result % push.inner;
    for (uint32_t j = 0; j < push.places; ++j) {
      y[first + j * push.inner] = static_cast<int32_t>(order[j]);
    }
  }
  Problem problem;
  problem.text = std::to_string(push.places) + " places in each of " + std::to_string(push.count) +
                 " rows of " + std::to_string(push.steps);
  problem.bind_output(y);
  if (integers) {
    problem.bind(words);
  } else {
    problem.bind(floats);
  }
  problem.set_push(push);
  // Most workgroups take two rows; of many, lavapipe would end their loops.
  problem.groups.x = push.count / 2 + 1;
  return problem;
}

const RegisterProblems registered({{"arg_extreme", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
