// A float32 tensor as int8, on grids that are found at run time of its own values: one for each
// row, or one for all of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/Offer.h"

namespace etvk::ops {

// How a grid follows from the smallest and the largest value, and values are rounded to it: STAGE
// of quantize_rows.comp, and RULE of row_grids.glsl, which has the formulas.
enum class RowStage : uint32_t { kOfEachRow, kRanges, kOfAllRows };
enum class RowRule : uint32_t { kAffine, kXnnpack, kSymmetric };

struct RowGrids {
  bool per_row = true;  // else one grid for the tensor
  RowRule rule = RowRule::kAffine;
  int32_t quant_min = -128;
  int32_t quant_max = 127;
  float eps = 0.0f;  // the least scale
};

struct QuantizeRowsPush {
  uint32_t M, K, range_count;
  int32_t quant_min, quant_max;
  float eps;
};

constexpr uint32_t kGridBytes = 8;  // of a row: the bits of its scale, its zero point

// Bytes of a row of K elements.
inline int64_t padded_row(int64_t k) { return (k + 15) / 16 * 16; }

// Of rows and their grids.
inline int64_t rounded_bytes(int64_t rows, int64_t k) {
  return rows * (padded_row(k) + kGridBytes);
}

// What a node that makes rows of float32 offers: to round them as well, so that they need not be
// read once more.
struct RowRounding : Offer {
  ValueId x = -1;  // what the node makes
  ValueId y = -1;  // as add_quantized_rows() has it, which asks for it; -1: nobody does
  RowGrids grids;
  // The elements of a row of what the node has rounded in this recording; 0: nothing, so that the
  // node of add_quantized_rows() has to.
  int64_t rounded_row = 0;
};

// Reads `grids`: "granularity", "rule", "quant_min", "quant_max" and "eps".
RowGrids read_row_grids(const OpArgs& args);

// x, float32 [..., K], as int8 in the same order of memory: M rows padded with zeros to
// padded_row(K) bytes, and behind all of them the M grids; with one grid for the tensor, all of it
// counts as one row. The result has one dimension; calls for the same x and grids share one. Throws
// kInvalidProgram where x is no such tensor.
ValueId add_quantized_rows(ComputeGraph& graph, const std::string& op, ValueId x,
                           const RowGrids& grids);

}  // namespace etvk::ops
