// Problems of quantize_rows.comp: each stage and rule, with rows of several magnitudes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "graph/ops/impl/linear/QuantizedRows.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/RowGridReference.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kWorkgroups = 3;

std::vector<SpecializationConstants> all_constants(const KernelRow& /*row*/) {
  std::vector<SpecializationConstants> all;
  for (uint32_t stage = 0; stage < 3; ++stage) {
    for (uint32_t rule = 0; rule < 3; ++rule) {
      for (uint32_t whole_groups : {0u, 1u}) {
        all.push_back({stage, rule, whole_groups});
      }
    }
  }
  return all;
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

void append(std::vector<uint32_t>& words, const RowGrid& grid) {
  uint32_t bits = 0x7fc00000u;
  if (!std::isnan(grid.scale)) {
    std::memcpy(&bits, &grid.scale, sizeof(bits));
  }
  words.push_back(bits);
  words.push_back(static_cast<uint32_t>(grid.zero_point));
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

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const auto stage = static_cast<RowStage>(constants.at(0));
  RowGrids grids = drawn_grids(static_cast<RowRule>(constants.at(1)), random);
  grids.per_row = stage == RowStage::kOfEachRow;
  // Some rows for each workgroup; of a row, a step of all threads and a part of a second one.
  const uint32_t m_count = kWorkgroups * 7 - static_cast<uint32_t>(random.below(3));
  uint32_t k = row.tile_n + 4 * static_cast<uint32_t>(random.integer(1, 9));
  k -= constants.at(2) != 0 ? 0 : static_cast<uint32_t>(random.integer(1, 3));
  std::vector<float> x;
  for (uint32_t m = 0; m < m_count; ++m) {
    const std::vector<float> own = drawn_row(m, k, !grids.per_row, random);
    x.insert(x.end(), own.begin(), own.end());
  }
  QuantizeRowsPush push{m_count, k, 0, grids.quant_min, grids.quant_max, grids.eps};
  Problem problem;
  problem.text = "M=" + std::to_string(m_count) + " K=" + std::to_string(k);
  problem.groups.x = kWorkgroups;

  // One range of nothing, and one of each third of the rows that there may be.
  std::vector<uint32_t> ranges{0, 0};
  std::vector<uint32_t> expected_ranges;
  for (uint32_t group = 0; group < kWorkgroups; ++group) {
    std::vector<float> own;
    for (uint32_t m = group; m < m_count; m += kWorkgroups) {
      own.insert(own.end(), x.begin() + m * k, x.begin() + (m + 1) * k);
    }
    const std::vector<uint32_t> range = range_of(own);
    expected_ranges.insert(expected_ranges.end(), range.begin(), range.end());
  }
  if (stage == RowStage::kRanges) {
    problem.bind_output(expected_ranges);
    problem.bind(x);
    problem.bind(ranges);
    problem.set_push(push);
    return problem;
  }
  ranges.insert(ranges.end(), expected_ranges.begin(), expected_ranges.end());
  push.range_count = static_cast<uint32_t>(ranges.size() / 2);

  const auto row_bytes = static_cast<uint32_t>(padded_row(k));
  std::vector<int8_t> y(size_t{m_count} * row_bytes);
  std::vector<uint32_t> found;
  for (uint32_t m = 0; m < m_count; ++m) {
    const float* first = &x[size_t{m} * k];
    const RowGrid grid =
        grids.per_row ? row_grid(grids, first, k) : row_grid(grids, x.data(), x.size());
    append(found, grid);
    for (uint32_t i = 0; i < k; ++i) {
      y[size_t{m} * row_bytes + i] = quantized_on(grids, grid, first[i]);
    }
  }
  const auto* grid_bytes = reinterpret_cast<const int8_t*>(found.data());
  y.insert(y.end(), grid_bytes, grid_bytes + found.size() * 4);
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(ranges);
  problem.set_push(push);
  return problem;
}

const RegisterProblems registered({
    {"quantize_rows", all_constants, make},
    {"quantize_long_rows", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
