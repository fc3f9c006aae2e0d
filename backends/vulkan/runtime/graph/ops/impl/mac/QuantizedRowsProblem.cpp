#include "graph/ops/impl/mac/QuantizedRowsProblem.h"

#include <cmath>
#include <cstring>

#include "graph/selfcheck/RowGridReference.h"

namespace etvk::ops {

namespace {

void append(std::vector<uint32_t>& words, const RowGrid& grid) {
  uint32_t bits = 0x7fc00000u;
  if (!std::isnan(grid.scale)) {
    std::memcpy(&bits, &grid.scale, sizeof(bits));
  }
  words.push_back(bits);
  words.push_back(static_cast<uint32_t>(grid.zero_point));
}

}  // namespace

void bind_quantized(Problem& problem, const RowGrids& grids, const std::vector<float>& x,
                    uint32_t k) {
  const size_t m_count = x.size() / k;
  const auto row_bytes = static_cast<size_t>(padded_row(k));
  std::vector<int8_t> y(m_count * row_bytes);
  std::vector<uint32_t> found;
  for (size_t m = 0; m < m_count; ++m) {
    const float* first = &x[m * k];
    const RowGrid grid = row_grid(grids, first, k);
    append(found, grid);
    for (uint32_t i = 0; i < k; ++i) {
      y[m * row_bytes + i] = quantized_on(grids, grid, first[i]);
    }
  }
  const auto* grid_bytes = reinterpret_cast<const int8_t*>(found.data());
  y.insert(y.end(), grid_bytes, grid_bytes + found.size() * 4);
  problem.bind_output(y);
}

std::vector<float> rounding_limits(const RowGrids& grids, uint32_t rows, uint32_t k) {
  const float steps = grids.rule == RowRule::kSymmetric ? 1.0f : 2.0f;
  std::vector<float> limits;
  for (uint32_t row = 0; row < rows; ++row) {
    limits.insert(limits.end(), k, steps);
    limits.insert(limits.end(), static_cast<size_t>(padded_row(k) - k), 0.0f);
  }
  // The lowest byte first: half of a scale's bits may be any.
  for (uint32_t row = 0; row < rows; ++row) {
    limits.insert(limits.end(), {255.0f, 255.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f});
  }
  return limits;
}

}  // namespace etvk::ops
