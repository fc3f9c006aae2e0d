#include "graph/selfcheck/RowGridReference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace etvk {

namespace {

using ops::RowGrids;
using ops::RowRule;

// Of quantized_decomposed.choose_qparams_per_token_asymmetric.
float xnnpack_zero_point(const RowGrids& grids, float low, float high, float scale) {
  const float descaled_low = low / scale;
  const float descaled_high = high / scale;
  const auto quant_min = static_cast<float>(grids.quant_min);
  const auto quant_max = static_cast<float>(grids.quant_max);
  const float error_of_low = quant_min + descaled_low;
  const float error_of_high = quant_max + descaled_high;
  return std::nearbyint(error_of_low + error_of_high > 0.0f ? quant_min - descaled_low
                                                            : quant_max - descaled_high);
}

}  // namespace

RowGrid row_grid(const RowGrids& grids, const float* x, size_t count) {
  const RowGrid none{std::numeric_limits<float>::quiet_NaN(), 0};
  float low = 0.0f;
  float high = 0.0f;
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(x[i])) {
      return none;
    }
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  const auto steps = static_cast<float>(grids.quant_max - grids.quant_min);
  if (grids.rule == RowRule::kSymmetric) {
    return {std::max(std::max(-low, high) / (steps / 2.0f), grids.eps), 0};
  }
  const float scale = std::max((high - low) / steps, grids.eps);
  if (!std::isfinite(scale)) {
    return none;
  }
  const float zero_point = grids.rule == RowRule::kXnnpack
                               ? xnnpack_zero_point(grids, low, high, scale)
                               : static_cast<float>(grids.quant_min) - std::nearbyint(low / scale);
  return {scale, std::clamp(static_cast<int32_t>(zero_point), grids.quant_min, grids.quant_max)};
}

int8_t quantized_on(const RowGrids& grids, const RowGrid& grid, float x) {
  if (std::isnan(grid.scale)) {
    return 0;
  }
  double q = 0.0;
  if (grids.rule == RowRule::kXnnpack) {
    q = std::nearbyint(double{x} * (1.0 / double{grid.scale}) + grid.zero_point);
  } else {
    const float inverse = 1.0f / grid.scale;
    q = double{std::nearbyint(x * inverse)} + grid.zero_point;
  }
  return static_cast<int8_t>(
      std::clamp(q, static_cast<double>(grids.quant_min), static_cast<double>(grids.quant_max)));
}

}  // namespace etvk
