// Problems of channel_affine.comp.
#include <algorithm>
#include <string>

#include "graph/ops/impl/normalize/ChannelAffine.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) { return {{0}, {1}}; }

ChannelAffinePush draw_push(const KernelRow& row, const SpecializationConstants& constants,
                            Random& random) {
  const bool whole = constants.at(0) != 0;
  ChannelAffinePush push{};
  push.channels = static_cast<uint32_t>(random.integer(1, 5)) * (whole ? 4 : 1);
  push.inner = whole ? 1 : static_cast<uint32_t>(random.integer(1, 9));
  const uint32_t image = push.channels * push.inner;
  push.count = (flat_count(row, random) + image - 1) / image * image;
  draw_grid(push.output_grid, 10.0f, 50.0f, random);
  return push;
}

std::vector<float> draw(uint32_t count, float low, float high, Random& random) {
  std::vector<float> numbers(count);
  std::generate(numbers.begin(), numbers.end(), [&] { return random.uniform(low, high); });
  return numbers;
}

// `result_of` makes an element of y of f.
template <typename Element, typename ResultOf>
Problem problem_of(const ChannelAffinePush& push, const std::vector<Element>& x, Random& random,
                   float size, const ResultOf& result_of) {
  const std::vector<float> centers = draw(push.channels, -size, size, random);
  const std::vector<float> scales = draw(push.channels, -2.0f / size, 2.0f / size, random);
  const std::vector<float> shifts = draw(push.channels, -1.0f, 1.0f, random);
  std::vector<Element> y;
  for (uint32_t i = 0; i < push.count; ++i) {
    const uint32_t c = i / push.inner % push.channels;
    const float scaled = (static_cast<float>(x[i]) - centers[c]) * scales[c];
    y.push_back(result_of(scaled + shifts[c]));
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " elements, " + std::to_string(push.channels) +
                 " channels of " + std::to_string(push.inner);
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(centers);
  problem.bind(scales);
  problem.bind(shifts);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

Problem make_floats(const KernelRow& row, const SpecializationConstants& constants,
                    Random& random) {
  const ChannelAffinePush push = draw_push(row, constants, random);
  const std::vector<float> x = draw(push.count, -4.0f, 4.0f, random);
  return problem_of(push, x, random, 4.0f, [](float f) { return f; });
}

Problem make_int8(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const ChannelAffinePush push = draw_push(row, constants, random);
  std::vector<int8_t> x(push.count);
  random.fill(x);
  return problem_of(push, x, random, 128.0f,
                    [&push](float f) { return quantized(f, push.output_grid); });
}

const RegisterProblems registered({
    {"channel_affine", all_constants, make_floats},
    {"q8ta_channel_affine", all_constants, make_int8},
});

}  // namespace

}  // namespace etvk::ops
