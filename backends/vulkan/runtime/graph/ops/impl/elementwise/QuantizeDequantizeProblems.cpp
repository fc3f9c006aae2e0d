// Problems of quantize_per_tensor.comp and dequantize_per_tensor.comp.
#include <cmath>
#include <limits>

#include "graph/ops/impl/elementwise/QuantizeDequantize.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

Problem quantize_problem(const KernelRow& row, const SpecializationConstants&, Random& random) {
  QuantizePush push{};
  push.count = flat_count(row, random);
  draw_grid(push.grid, 5.0f, 40.0f, random, 127);
  std::vector<float> x(push.count);
  std::vector<int8_t> y;
  for (float& value : x) {
    // Halves of a step too, which are rounded to even.
    value = random.chance(20)
                ? (static_cast<float>(random.integer(-200, 200)) + 0.5f) / push.grid.inv_scale
                : random.uniform(-12.0f, 12.0f);
  }
  x[0] = std::numeric_limits<float>::infinity();
  x[1] = -x[0];
  x[2] = std::numeric_limits<float>::quiet_NaN();
  for (float value : x) {
    y.push_back(quantized(value, push.grid));
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " elements";
  problem.bind_output(y);
  problem.bind(x);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

Problem dequantize_problem(const KernelRow& row, const SpecializationConstants&, Random& random) {
  DequantizePush push{};
  push.count = flat_count(row, random);
  push.scale = random.uniform(0.01f, 0.2f);
  push.zero_point = random.integer(-128, 127);
  std::vector<int8_t> x(push.count);
  random.fill(x);
  std::vector<float> y;
  for (int8_t value : x) {
    y.push_back(static_cast<float>(value - push.zero_point) * push.scale);
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " elements";
  problem.bind_output(y);
  problem.bind(x);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({
    {"quantize_per_tensor", no_constants, quantize_problem},
    {"dequantize_per_tensor", no_constants, dequantize_problem},
});

}  // namespace

}  // namespace etvk::ops
