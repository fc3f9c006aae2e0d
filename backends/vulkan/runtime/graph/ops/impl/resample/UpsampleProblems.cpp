// Problems of upsample.comp.
#include <algorithm>
#include <string>

#include "graph/ops/impl/resample/Upsample.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  return {{0, 0, 0}, {0, 0, 1}, {1, 0, 0}, {1, 0, 1}, {1, 1, 0}, {1, 1, 1}};
}

// Rows or columns of x that one of y is made of.
struct Taps {
  uint32_t low = 0;
  uint32_t high = 0;
  float t = 0.0f;
};

Taps taps_of(const SpecializationConstants& constants, uint32_t at, float scale, uint32_t size,
             uint32_t step) {
  const auto position = static_cast<float>(at);
  if (constants.at(0) == 0) {
    const uint32_t low = std::min(static_cast<uint32_t>(position * scale), size - 1);
    return {low, low, 0.0f};
  }
  float s = position * scale;
  if (constants.at(1) == 0) {
    s = (position + 0.5f) * scale;
    s = std::max(s - 0.5f, 0.0f);
  }
  const uint32_t low = std::min(static_cast<uint32_t>(s), size - 1);
  return {low, std::min(low + step, size - 1), std::clamp(s - static_cast<float>(low), 0.0f, 1.0f)};
}

float blend(float low, float high, float t) {
  const float first = low * (1.0f - t);
  const float second = high * t;
  return first + second;
}

UpsamplePush draw_push(const KernelRow& row, const SpecializationConstants& constants,
                       Random& random) {
  UpsamplePush push{};
  push.inner = constants.at(2) != 0 ? 4 * static_cast<uint32_t>(random.integer(1, 3))
                                    : 2 * static_cast<uint32_t>(random.integer(0, 3)) + 1;
  push.x_height = static_cast<uint32_t>(random.integer(1, 6));
  push.x_width = static_cast<uint32_t>(random.integer(2, 6));
  push.y_height = static_cast<uint32_t>(random.integer(2, 9));
  push.y_width = static_cast<uint32_t>(random.integer(2, 9));
  const uint32_t image = push.y_height * push.y_width * push.inner;
  push.count = (flat_count(row, random) + image - 1) / image * image;
  const uint32_t ends = constants.at(1) != 0 ? 1 : 0;
  push.scale_height =
      static_cast<float>(push.x_height - ends) / static_cast<float>(push.y_height - ends);
  push.scale_width =
      static_cast<float>(push.x_width - ends) / static_cast<float>(push.y_width - ends);
  push.step_height = push.x_height == push.y_height ? 0 : 1;
  push.step_width = push.x_width == push.y_width ? 0 : 1;
  push.x_scale = random.uniform(0.02f, 0.05f);
  push.x_zero_point = random.integer(-128, 127);
  draw_grid(push.output_grid, 10.0f, 50.0f, random);
  return push;
}

// `value_at` gives elements of x as they are to be blended, `result` an element of y.
template <typename Element, typename ValueAt, typename ResultOf>
std::vector<Element> resized(const SpecializationConstants& constants, const UpsamplePush& push,
                             const std::vector<Element>& x, const ValueAt& value_of,
                             const ResultOf& result_of) {
  std::vector<Element> y;
  for (uint32_t e = 0; e < push.count; ++e) {
    const uint32_t b = e % push.inner;
    const uint32_t w = e / push.inner % push.y_width;
    const uint32_t h = e / push.inner / push.y_width % push.y_height;
    const uint32_t a = e / push.inner / push.y_width / push.y_height;
    const Taps rows = taps_of(constants, h, push.scale_height, push.x_height, push.step_height);
    const Taps columns = taps_of(constants, w, push.scale_width, push.x_width, push.step_width);
    const auto at = [&](uint32_t row, uint32_t column) {
      return x[((a * push.x_height + row) * push.x_width + column) * push.inner + b];
    };
    if (constants.at(0) == 0) {
      y.push_back(at(rows.low, columns.low));
      continue;
    }
    const float low =
        blend(value_of(at(rows.low, columns.low)), value_of(at(rows.low, columns.high)), columns.t);
    const float high = blend(value_of(at(rows.high, columns.low)),
                             value_of(at(rows.high, columns.high)), columns.t);
    y.push_back(result_of(blend(low, high, rows.t)));
  }
  return y;
}

template <typename Element, typename ValueOf, typename ResultOf>
Problem problem_of(const SpecializationConstants& constants, const UpsamplePush& push,
                   const std::vector<Element>& x, const ValueOf& value_of,
                   const ResultOf& result_of) {
  Problem problem;
  problem.text = std::to_string(push.x_height) + " x " + std::to_string(push.x_width) + " to " +
                 std::to_string(push.y_height) + " x " + std::to_string(push.y_width) + ", " +
                 std::to_string(push.inner) + " channels";
  problem.bind_output(resized(constants, push, x, value_of, result_of));
  problem.bind(x);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

uint32_t x_count(const UpsamplePush& push) {
  return push.count / (push.y_height * push.y_width) * (push.x_height * push.x_width);
}

Problem make_bytes(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const UpsamplePush push = draw_push(row, constants, random);
  std::vector<int8_t> x(x_count(push));
  random.fill(x);
  const auto value_of = [&push](int8_t element) {
    return static_cast<float>(element - push.x_zero_point) * push.x_scale;
  };
  const auto result_of = [&push](float f) { return quantized(f, push.output_grid); };
  return problem_of(constants, push, x, value_of, result_of);
}

Problem make_words(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const UpsamplePush push = draw_push(row, constants, random);
  std::vector<float> x(x_count(push));
  std::generate(x.begin(), x.end(), [&random] { return random.uniform(-4.0f, 4.0f); });
  const auto same = [](float f) { return f; };
  return problem_of(constants, push, x, same, same);
}

const RegisterProblems registered({
    {"upsample_bytes", all_constants, make_bytes},
    {"upsample_words", all_constants, make_words},
});

}  // namespace

}  // namespace etvk::ops
