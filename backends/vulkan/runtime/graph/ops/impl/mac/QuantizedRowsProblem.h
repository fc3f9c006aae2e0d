// What problems of the kernels that round rows share: their results.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/ops/impl/mac/QuantizedRows.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

// The output, of rows `x` of `k` elements: int8 rows, and their grids behind them.
void bind_quantized(Problem& problem, const RowGrids& grids, const std::vector<float>& x,
                    uint32_t k);

// By byte of that, how far it may be off where the device makes x itself, in float32: a step for
// the rounding and one for a zero point of its own, in a scale the last bits.
std::vector<float> rounding_limits(const RowGrids& grids, uint32_t rows, uint32_t k);

}  // namespace etvk::ops
