// What problems of the kernels that normalize rows share: functions, types, operands and results.
#pragma once

#include <cstdint>
#include <functional>

#include "graph/ops/impl/reduce/Normalize.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/Random.h"

namespace etvk::ops {

// Specialization constants that all of them have.
struct NormFunction {
  Normalization function;
  uint32_t has_weight, has_bias;
};

struct NormTypes {
  uint32_t int8_x, int8_y;
};

constexpr NormFunction kNormFunctions[] = {
    {Normalization::kSoftmax, 0, 0},    {Normalization::kLayerNorm, 1, 1},
    {Normalization::kLogSoftmax, 0, 0}, {Normalization::kLayerNorm, 0, 0},
    {Normalization::kRmsNorm, 1, 0},    {Normalization::kVariance, 0, 0},
    {Normalization::kLayerNorm, 1, 0},  {Normalization::kLayerNorm, 0, 1}};

constexpr NormTypes kNormTypes[] = {{0, 0}, {1, 1}, {1, 0}, {0, 1}};

// The variance is of float32 only.
bool is_possible(const NormFunction& own, const NormTypes& types);

// `count` rows of `elements`; where an element of a row is in x and in the weights, of which there
// are `weight_count`.
struct NormRows {
  uint32_t count, elements, weight_count;
  std::function<uint64_t(uint32_t row, uint32_t i)> x_at, weight_at;
};

// The push constant: epsilon, or the divisor of a variance.
float number_for(const NormFunction& own, const NormRows& rows);

// Operands and results, without text, push constants and groups. Draws `grids` as well.
Problem norm_problem(const NormFunction& own, const NormTypes& types, const NormRows& rows,
                     NormGridsPush& grids, Random& random);

}  // namespace etvk::ops
