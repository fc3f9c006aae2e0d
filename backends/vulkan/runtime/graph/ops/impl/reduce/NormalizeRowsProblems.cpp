// Problems of normalize_rows.comp: rows up to the longest that a number of groups has room for,
// more of them than the workgroups make in one pass.
#include <cstring>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/mac/QuantizedRowsProblem.h"
#include "graph/ops/impl/reduce/NormProblem.h"
#include "graph/selfcheck/Cover.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kWorkgroups = 2;

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  uint32_t last = 0;
  for (uint32_t elements = 4; elements <= row.tile_n; elements += 4 * row.tile_k) {
    const uint32_t groups = groups_of_lane(row, elements);
    for (const NormFunction& own : kNormFunctions) {
      for (const NormTypes& types : kNormTypes) {
        if (groups != last && is_possible(own, types)) {
          all.push_back({groups, static_cast<uint32_t>(own.function), own.has_weight, own.has_bias,
                         types.int8_x, types.int8_y, static_cast<uint32_t>(NormSum::kNone)});
          if (types.int8_x == 0 && own.function != Normalization::kVariance) {
            all.push_back(all.back());
            all.back()[6] = static_cast<uint32_t>(NormSum::kStored);
          }
        }
      }
    }
    last = groups;
  }
  return covering(all, {{0, 1}, {1, 2, 3}, {1, 4, 5}, {1, 6}}, static_cast<uint64_t>(row.id));
}

// Bound behind x, which becomes what it is the sum of.
void split_x(Problem& problem, bool is_sum, Random& random) {
  std::vector<uint8_t>& bytes = problem.bindings.at(1);
  std::vector<float> x(bytes.size() / sizeof(float));
  std::vector<float> addend(x.size());
  if (is_sum) {
    std::memcpy(x.data(), bytes.data(), bytes.size());
    for (size_t i = 0; i < x.size(); ++i) {
      addend[i] = random.uniform(-4.0f, 4.0f);
      x[i] -= addend[i];
    }
    std::memcpy(bytes.data(), x.data(), bytes.size());
  }
  problem.bind(addend);
  problem.bind(addend);  // room for the sum
}

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const NormFunction own{static_cast<Normalization>(values.at(1)), values.at(2), values.at(3)};
  const auto most = static_cast<int32_t>(values.at(0) * row.tile_k);
  const auto row_groups = static_cast<uint32_t>(random.integer((most + 1) / 2, most));
  const uint32_t elements = 4 * row_groups;
  NormRows rows{kWorkgroups * row.tile_m + 1, elements, elements, {}, {}};
  rows.x_at = [elements](uint32_t at, uint32_t i) { return uint64_t{at} * elements + i; };
  rows.weight_at = [](uint32_t, uint32_t i) { return uint64_t{i}; };

  NormalizeRowsPush push{};
  push.count = rows.count;
  push.row_groups = row_groups;
  push.inverse_elements = 1.0f / static_cast<float>(elements);
  push.number = number_for(own, rows);
  Problem problem = norm_problem(own, {values.at(4), values.at(5)}, rows, push.grids, random);
  split_x(problem, values.at(6) != 0, random);
  problem.text = std::to_string(rows.count) + " rows of " + std::to_string(elements);
  problem.set_push(push);
  problem.groups = {kWorkgroups, 1, 1};
  return problem;
}

// ---- With rows that are rounded as well, which are what is compared.

std::vector<SpecializationConstants> all_constants_with_rounding(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (const SpecializationConstants& own : all_constants(row)) {
    const bool makes_floats =
        own.at(5) == 0 && own.at(1) != static_cast<uint32_t>(Normalization::kVariance);
    for (uint32_t rule = 0; makes_floats && rule < 3; ++rule) {
      all.push_back(own);
      all.back().push_back(rule);
    }
  }
  return covering(all, {{0, 1}, {0, 7}, {1, 2, 3}, {1, 6}}, static_cast<uint64_t>(row.id));
}

// Room for y, which no one compares here: what normalize_rows makes is the same.
void move_output(Problem& problem) {
  std::vector<uint8_t> y = problem.bindings.front();
  problem.bindings.erase(problem.bindings.begin());
  problem.bindings.push_back(std::move(y));
}

Problem make_with_rounding(const KernelRow& row, const SpecializationConstants& values,
                           Random& random) {
  Problem normal = make(row, values, random);
  NormalizeAndRoundRowsPush push{};
  std::memcpy(&push.norm, normal.push_constants.data(), sizeof(push.norm));
  RowGrids grids;
  grids.rule = static_cast<RowRule>(values.at(7));
  grids.eps = 0x1p-23f;
  push.quant_min = grids.quant_min;
  push.quant_max = grids.quant_max;
  push.eps = grids.eps;
  std::vector<float> y(normal.expected.size() / sizeof(float));
  std::memcpy(y.data(), normal.expected.data(), y.size() * sizeof(float));
  y.resize(size_t{push.norm.count} * push.norm.row_groups * 4);  // less its padding

  Problem problem;
  problem.text = normal.text;
  problem.groups = normal.groups;
  bind_quantized(problem, grids, y, 4 * push.norm.row_groups);
  problem.limits = rounding_limits(grids, push.norm.count, 4 * push.norm.row_groups);
  move_output(normal);
  problem.bindings.insert(problem.bindings.end(), normal.bindings.begin(), normal.bindings.end());
  problem.set_push(push);
  return problem;
}

const RegisterProblems registered({
    {"normalize_rows", all_constants, make},
    {"normalize_and_round_rows", all_constants_with_rounding, make_with_rounding},
});

}  // namespace

}  // namespace etvk::ops
