#include "graph/ops/impl/reduce/NormProblem.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/NormalizeReference.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr float kEpsilon = 0.01f;

// x in int8, and what float32 it stands for.
std::vector<float> dequantized(const std::vector<int8_t>& x, const NormGridsPush& grids) {
  std::vector<float> elements;
  for (int8_t q : x) {
    elements.push_back(static_cast<float>(q - grids.input_zero_point) * grids.input_scale);
  }
  return elements;
}

std::vector<float> drawn(uint32_t count, float low, float high, Random& random) {
  std::vector<float> elements;
  for (uint32_t i = 0; i < count; ++i) {
    elements.push_back(random.uniform(low, high));
  }
  return elements;
}

struct Operands {
  std::vector<float> x, weights, biases;
};

std::vector<float> results(const NormFunction& own, const NormRows& rows, const Operands& given) {
  const bool is_variance = own.function == Normalization::kVariance;
  std::vector<float> y(is_variance ? rows.count : given.x.size());
  for (uint32_t row = 0; row < rows.count; ++row) {
    std::vector<double> one;
    for (uint32_t i = 0; i < rows.elements; ++i) {
      one.push_back(given.x[rows.x_at(row, i)]);
    }
    const std::vector<double> normal = normalized_row(own.function, one, number_for(own, rows));
    if (is_variance) {
      y[row] = static_cast<float>(normal[0]);
      continue;
    }
    for (uint32_t i = 0; i < rows.elements; ++i) {
      const uint64_t at = rows.weight_at(row, i);
      const double scaled = normal[i] * (own.has_weight != 0 ? given.weights[at] : 1.0f);
      y[rows.x_at(row, i)] =
          static_cast<float>(scaled + (own.has_bias != 0 ? given.biases[at] : 0.0f));
    }
  }
  return y;
}

}  // namespace

bool is_possible(const NormFunction& own, const NormTypes& types) {
  return own.function != Normalization::kVariance || (types.int8_x == 0 && types.int8_y == 0);
}

float number_for(const NormFunction& own, const NormRows& rows) {
  return own.function == Normalization::kVariance ? static_cast<float>(rows.elements) : kEpsilon;
}

Problem norm_problem(const NormFunction& own, const NormTypes& types, const NormRows& rows,
                     NormGridsPush& grids, Random& random) {
  const uint32_t x_count = rows.count * rows.elements;
  std::vector<int8_t> bytes(x_count);
  random.fill(bytes);
  Operands given;
  given.weights = drawn(rows.weight_count, 0.5f, 1.5f, random);
  given.biases = drawn(rows.weight_count, -1.0f, 1.0f, random);
  grids.input_scale = random.uniform(0.02f, 0.1f);
  draw_grid(grids.output_grid, 20.0f, 200.0f, random, 127);
  grids.input_zero_point = random.integer(-128, 127);
  given.x = types.int8_x != 0 ? dequantized(bytes, grids) : drawn(x_count, -10.0f, 10.0f, random);
  const std::vector<float> y = results(own, rows, given);

  Problem problem;
  if (types.int8_y != 0) {
    std::vector<int8_t> steps;
    for (float one : y) {
      steps.push_back(quantized(one, grids.output_grid));
    }
    problem.limits.assign(y.size(), 1.0f);
    problem.bind_output(steps);
  } else {
    std::transform(y.begin(), y.end(), std::back_inserter(problem.limits), float_limit);
    problem.bind_output(y);
  }
  if (types.int8_x != 0) {
    problem.bind(bytes);
  } else {
    problem.bind(given.x);
  }
  problem.bind(given.weights);
  problem.bind(given.biases);
  return problem;
}

}  // namespace etvk::ops
