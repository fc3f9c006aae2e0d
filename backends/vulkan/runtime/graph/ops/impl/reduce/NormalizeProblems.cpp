// Problems of normalize.comp: each of its functions, with weights and without, in float32 and int8.
#include <algorithm>

#include "graph/ops/impl/reduce/DrawnReduction.h"
#include "graph/ops/impl/reduce/Normalize.h"
#include "graph/selfcheck/Cover.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/NormalizeReference.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;
constexpr float kEpsilon = 0.01f;

// The specialization constants behind those of the loops.
struct Function {
  Normalization function;
  uint32_t has_weight, has_bias;
};

constexpr Function kFunctions[] = {
    {Normalization::kSoftmax, 0, 0},    {Normalization::kLayerNorm, 1, 1},
    {Normalization::kLogSoftmax, 0, 0}, {Normalization::kLayerNorm, 0, 0},
    {Normalization::kRmsNorm, 1, 0},    {Normalization::kVariance, 0, 0},
    {Normalization::kLayerNorm, 1, 0},  {Normalization::kLayerNorm, 0, 1}};

struct Types {
  uint32_t int8_x, int8_y;
};

constexpr Types kTypes[] = {{0, 0}, {1, 1}, {1, 0}, {0, 1}};

SpecializationConstants with(const ReductionConstants& loops, const Function& own,
                             const Types& types) {
  return {loops.kept,       loops.reduced,      loops.lanes,
          loops.along_rows, loops.whole_groups, static_cast<uint32_t>(own.function),
          own.has_weight,   own.has_bias,       types.int8_x,
          types.int8_y};
}

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (const ReductionConstants& loops : all_reductions(row)) {
    for (const Function& function : kFunctions) {
      for (const Types& types : kTypes) {
        // The variance is of float32 only.
        const bool is_float = types.int8_x == 0 && types.int8_y == 0;
        if (is_float || function.function != Normalization::kVariance) {
          all.push_back(with(loops, function, types));
        }
      }
    }
  }
  // The function with its weights and with the types, each with what it steps along.
  std::vector<std::vector<size_t>> together = kReductionPairs;
  together.push_back({3, 4, 5, 6, 7});
  together.push_back({3, 4, 5, 8, 9});
  return covering(all, together, static_cast<uint64_t>(row.id));
}

// Weights of the innermost kept loop's steps and of all elements of a row.
LoopSizes weight_strides(const DrawnReduction& x) {
  LoopSizes strides(x.kept.size() + x.reduced.size(), 0);
  uint32_t stride = 1;
  for (size_t i = x.reduced.size(); i-- > 0;) {
    strides[x.kept.size() + i] = stride;
    stride *= x.reduced[i];
  }
  strides[x.kept.size() - 1] = stride;
  return strides;
}

// x in int8, and what float32 it stands for.
std::vector<float> dequantized(const std::vector<int8_t>& x, const NormalizePush& push) {
  std::vector<float> elements;
  for (int8_t q : x) {
    elements.push_back(static_cast<float>(q - push.input_zero_point) * push.input_scale);
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

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const ReductionConstants constants{values.at(0), values.at(1), values.at(2), values.at(3),
                                     values.at(4)};
  const Function own{static_cast<Normalization>(values.at(5)), values.at(6), values.at(7)};
  const bool along_rows = constants.along_rows != 0;
  const uint32_t unit_rows = along_rows ? 1 : 4;
  const uint32_t teams = row.workgroup_size / constants.lanes;
  const DrawnReduction x(constants, teams * unit_rows * 5 / 4 + 1, along_rows ? 4 : 1, random);
  const bool int8_x = values.at(8) != 0;
  const bool int8_y = values.at(9) != 0;
  std::vector<int8_t> bytes(x.x_count());
  random.fill(bytes);
  const uint32_t weight_count = x.kept.back() * x.reduced_count();
  const std::vector<float> weights = drawn(weight_count, 0.5f, 1.5f, random);
  const std::vector<float> biases = drawn(weight_count, -1.0f, 1.0f, random);
  const LoopSizes strides = weight_strides(x);

  NormalizePush push{};
  push.input_scale = random.uniform(0.02f, 0.1f);
  draw_output_grid(push, 20.0f, 200.0f, random, 127);
  push.input_zero_point = random.integer(-128, 127);
  const std::vector<float> elements =
      int8_x ? dequantized(bytes, push) : drawn(x.x_count(), -10.0f, 10.0f, random);
  push.count = x.count();
  const uint32_t inner = x.reduced.back();
  push.steps = x.reduced_count() / inner * (along_rows ? (inner + 3) / 4 : inner);
  push.elements = static_cast<float>(x.reduced_count());
  push.number = own.function == Normalization::kVariance ? push.elements : kEpsilon;
  uint32_t x_strides[kMaxLoops] = {};
  x.fill(push.sizes, x_strides);
  for (size_t i = 0; i < strides.size(); ++i) {
    push.strides[i] = {x_strides[i], strides[i]};
  }

  std::vector<float> y(own.function == Normalization::kVariance ? x.count() : x.x_count());
  for (uint32_t result = 0; result < x.count(); ++result) {
    std::vector<double> one;
    for (uint32_t i = 0; i < x.reduced_count(); ++i) {
      one.push_back(elements[x.x_at(result, i)]);
    }
    const std::vector<double> normal = normalized_row(own.function, one, push.number);
    if (own.function == Normalization::kVariance) {
      y[result] = static_cast<float>(normal[0]);
      continue;
    }
    for (uint32_t i = 0; i < x.reduced_count(); ++i) {
      const uint32_t at = result % x.kept.back() * x.reduced_count() + i;
      const double scaled = normal[i] * (own.has_weight != 0 ? weights[at] : 1.0f);
      y[x.x_at(result, i)] = static_cast<float>(scaled + (own.has_bias != 0 ? biases[at] : 0.0f));
    }
  }
  Problem problem;
  problem.text = x.text();
  if (int8_y) {
    std::vector<int8_t> steps;
    for (float one : y) {
      steps.push_back(quantized(one, push.inv_output_scale, push.output_zero_point, push.quant_min,
                                push.quant_max));
    }
    problem.limits.assign(y.size(), 1.0f);
    problem.bind_output(steps);
  } else {
    std::transform(y.begin(), y.end(), std::back_inserter(problem.limits), float_limit);
    problem.bind_output(y);
  }
  if (int8_x) {
    problem.bind(bytes);
  } else {
    problem.bind(elements);
  }
  problem.bind(weights);
  problem.bind(biases);
  problem.set_push(push);
  problem.groups = {kGroups, 1, 1};
  return problem;
}

const RegisterProblems registered({{"normalize", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
