// What quantize_rows.comp makes of its rows, in the steps of PyTorch's own functions: for the
// self-check and for the fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "graph/ops/impl/mac/QuantizedRows.h"

namespace etvk {

struct RowGrid {
  float scale = 0.0f;  // NaN where there is no grid; all integers are 0 then
  int32_t zero_point = 0;
};

// Of `count` elements: a row, or a whole tensor.
RowGrid row_grid(const ops::RowGrids& grids, const float* x, size_t count);

int8_t quantized_on(const ops::RowGrids& grids, const RowGrid& grid, float x);

}  // namespace etvk
