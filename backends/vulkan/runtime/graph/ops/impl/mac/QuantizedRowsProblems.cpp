// Problems of quantize_rows.comp and quantize_whole_rows.comp: each stage and rule, with rows of
// several magnitudes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/mac/QuantizedRows.h"
#include "graph/ops/impl/mac/QuantizedRowsProblem.h"
#include "graph/selfcheck/Cover.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/RowGridReference.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kWorkgroups = 3;

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (uint32_t stage = 0; stage < 3; ++stage) {
    for (uint32_t rule = 0; rule < 3; ++rule) {
      for (uint32_t whole_groups : {0u, 1u}) {
        all.push_back({stage, rule, whole_groups});
      }
    }
  }
  return covering(all, {{0, 1, 2}}, static_cast<uint64_t>(row.id));
}

RowGrids drawn_grids(RowRule rule, Random& random) {
  RowGrids grids;
  grids.rule = rule;
  if (rule != RowRule::kXnnpack && random.chance(30)) {
    grids.quant_min = -127;
  }
  grids.eps = random.chance(50) ? 0x1p-12f : 0x1p-23f;
  return grids;
}

// Row `m`: of the middles between integers of a power of two, of zeros, of numbers below eps, of
// something that is not finite, or of some magnitude.
std::vector<float> drawn_row(uint32_t m, uint32_t k, bool finite, Random& random) {
  std::vector<float> row(k);
  const float magnitude = std::exp2(static_cast<float>(random.integer(-6, 12)));
  const float shift = magnitude * static_cast<float>(random.integer(-1, 1));
  for (float& value : row) {
    value = m % 5 == 1   ? (static_cast<float>(random.integer(-100, 153)) + 0.5f) * 0.125f
            : m % 5 == 2 ? 0.0f
            : m % 5 == 3 ? random.uniform(-1e-9f, 1e-9f)
                         : random.uniform(-magnitude, magnitude) + shift;
  }
  if (m % 5 == 1) {
    row[0] = -100.0f * 0.125f;
    row[k - 1] = 155.0f * 0.125f;
  }
  if (!finite && m % 10 == 4) {
    row[random.below(k)] = m % 20 == 4 ? std::numeric_limits<float>::quiet_NaN()
                                       : -std::numeric_limits<float>::infinity();
  }
  return row;
}

// The magnitudes, as bits, of the least and the largest element.
std::vector<uint32_t> range_of(const std::vector<float>& x) {
  const float low = std::max(0.0f, -*std::min_element(x.begin(), x.end()));
  const float high = std::max(0.0f, *std::max_element(x.begin(), x.end()));
  std::vector<uint32_t> bits(2);
  std::memcpy(&bits[0], &low, 4);
  std::memcpy(&bits[1], &high, 4);
  return bits;
}

// Of what each workgroup goes over, with all rows as one.
std::vector<uint32_t> ranges_of_workgroups(const std::vector<float>& x, uint32_t at_once) {
  std::vector<uint32_t> ranges;
  for (uint32_t group = 0; group < kWorkgroups; ++group) {
    std::vector<float> own;
    for (size_t first = size_t{group} * at_once; first < x.size(); first += kWorkgroups * at_once) {
      const size_t end = std::min(first + at_once, x.size());
      own.insert(own.end(), x.begin() + static_cast<ptrdiff_t>(first),
                 x.begin() + static_cast<ptrdiff_t>(end));
    }
    const std::vector<uint32_t> range = range_of(own);
    ranges.insert(ranges.end(), range.begin(), range.end());
  }
  return ranges;
}

// Rows with a grid each.
std::vector<float> drawn_rows(uint32_t count, uint32_t k, Random& random) {
  std::vector<float> x;
  for (uint32_t m = 0; m < count; ++m) {
    const std::vector<float> own = drawn_row(m, k, false, random);
    x.insert(x.end(), own.begin(), own.end());
  }
  return x;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const auto stage = static_cast<RowStage>(constants.at(0));
  RowGrids grids = drawn_grids(static_cast<RowRule>(constants.at(1)), random);
  grids.per_row = stage == RowStage::kOfEachRow;
  // Some rows for each workgroup, or one row for all of them; of it a step of all threads and a
  // part of a second one.
  const uint32_t m_count =
      grids.per_row ? kWorkgroups * 7 - static_cast<uint32_t>(random.below(3)) : 1;
  const uint32_t step = grids.per_row ? row.tile_n : kWorkgroups * row.tile_n;
  uint32_t k = step + 4 * static_cast<uint32_t>(random.integer(1, 9));
  k -= constants.at(2) != 0 ? 0 : static_cast<uint32_t>(random.integer(1, 3));
  const std::vector<float> x =
      grids.per_row ? drawn_rows(m_count, k, random)
                    : drawn_row(static_cast<uint32_t>(random.below(20)), k, true, random);
  QuantizeRowsPush push{m_count, k, 0, grids.quant_min, grids.quant_max, grids.eps};
  Problem problem;
  problem.text = "M=" + std::to_string(m_count) + " K=" + std::to_string(k);
  problem.groups.x = kWorkgroups;

  std::vector<uint32_t> ranges = ranges_of_workgroups(x, row.tile_n);
  if (stage == RowStage::kRanges) {
    problem.bind_output(ranges);
    problem.bind(x);
    problem.bind(x);
    problem.set_push(push);
    return problem;
  }
  // One range of nothing among them.
  ranges.insert(ranges.begin(), {0, 0});
  push.range_count = static_cast<uint32_t>(ranges.size() / 2);

  bind_quantized(problem, grids, x, k);
  problem.bind(x);
  problem.bind(ranges);
  problem.set_push(push);
  return problem;
}

// ---- Rows in registers.

std::vector<SpecializationConstants> all_constants_of_whole_rows(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  uint32_t last = 0;
  for (uint32_t elements = 4; elements <= row.tile_n; elements += 4 * row.tile_k) {
    const uint32_t groups = groups_of_lane(row, elements);
    for (uint32_t rule = 0; groups != last && rule < 3; ++rule) {
      all.push_back({groups, rule});
    }
    last = groups;
  }
  return all;
}

// Rows up to the longest that the groups have room for, more than the workgroups make in one pass.
Problem make_whole_rows(const KernelRow& row, const SpecializationConstants& constants,
                        Random& random) {
  const RowGrids grids = drawn_grids(static_cast<RowRule>(constants.at(1)), random);
  const auto most = static_cast<int32_t>(constants.at(0) * row.tile_k);
  const auto k = static_cast<uint32_t>(4 * random.integer((most + 1) / 2, most));
  const uint32_t m_count = kWorkgroups * row.tile_m + 1;
  const std::vector<float> x = drawn_rows(m_count, k, random);
  Problem problem;
  problem.text = "M=" + std::to_string(m_count) + " K=" + std::to_string(k);
  problem.groups.x = kWorkgroups;
  bind_quantized(problem, grids, x, k);
  problem.bind(x);
  problem.set_push(QuantizeRowsPush{m_count, k, 0, grids.quant_min, grids.quant_max, grids.eps});
  return problem;
}

const RegisterProblems registered({
    {"quantize_rows", all_constants, make},
    {"quantize_long_rows", all_constants, make},
    {"quantize_whole_rows", all_constants_of_whole_rows, make_whole_rows},
});

}  // namespace

}  // namespace etvk::ops
