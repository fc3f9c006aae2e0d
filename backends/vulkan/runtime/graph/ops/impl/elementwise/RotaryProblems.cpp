// Problems of rotary.comp: pairs of both kinds, elements behind them that stay, and rows of angles
// from the middle on.
#include <string>

#include "graph/ops/impl/elementwise/Rotary.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) { return {{0}, {1}}; }

std::vector<float> drawn(size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = random.uniform(-2.0f, 2.0f);
  }
  return values;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const bool interleaved = constants.at(0) != 0;
  RotaryPush push{};
  push.rotated = 2 * static_cast<uint32_t>(random.integer(1, 5));
  push.width = push.rotated + (interleaved ? 0 : static_cast<uint32_t>(random.integer(0, 3)));
  push.repeats = static_cast<uint32_t>(random.integer(1, 4));
  push.rows = static_cast<uint32_t>(random.integer(1, 7));
  push.first_row = static_cast<uint32_t>(random.integer(0, 3));
  push.count = (flat_count(row, random) / push.width + 1) * push.width;
  const uint32_t columns = interleaved ? push.rotated / 2 : push.rotated;
  const std::vector<float> x = drawn(push.count, random);
  const std::vector<float> cosines = drawn((push.first_row + push.rows) * columns, random);
  const std::vector<float> sines = drawn(cosines.size(), random);
  std::vector<float> y = x;
  Problem problem;
  for (uint32_t head = 0; head < push.count / push.width; ++head) {
    const uint32_t angles = (push.first_row + head / push.repeats % push.rows) * columns;
    for (uint32_t i = 0; i < push.rotated / 2; ++i) {
      const uint32_t first = head * push.width + (interleaved ? 2 * i : i);
      const uint32_t second = first + (interleaved ? 1 : push.rotated / 2);
      const uint32_t at[] = {angles + i, angles + (interleaved ? i : i + push.rotated / 2)};
      y[first] =
          static_cast<float>(double{x[first]} * cosines[at[0]] - double{x[second]} * sines[at[0]]);
      y[second] =
          static_cast<float>(double{x[second]} * cosines[at[1]] + double{x[first]} * sines[at[1]]);
    }
  }
  problem.text = std::to_string(push.count) + " elements in heads of " +
                 std::to_string(push.width) + ", " + std::to_string(push.rotated) + " turned";
  problem.limits.assign(push.count, 1e-5f);  // of products up to 4 that may cancel
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(cosines);
  problem.bind(sines);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({{"rotary", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
