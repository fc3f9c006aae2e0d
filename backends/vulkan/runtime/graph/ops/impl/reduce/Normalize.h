// Functions and push constants of normalize.comp and normalize_rows.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

// Its FUNCTION.
enum class Normalization : uint32_t { kSoftmax, kLogSoftmax, kLayerNorm, kRmsNorm, kVariance };

// SUM of normalize_rows.comp: x is a tensor, or the sum of two, which may be written, too.
enum class NormSum : uint32_t { kNone, kRead, kStored };

struct NormGridsPush {
  float input_scale;
  int32_t input_zero_point;
  PackedGridPush output_grid;
};

struct NormalizePush {
  uint32_t count, steps;
  float elements;  // of a row
  float number;    // epsilon, or the variance's divisor
  NormGridsPush grids;
  uint32_t sizes[kMaxLoops];
  struct {
    uint32_t x, weight;
  } strides[kMaxLoops];
};

struct NormalizeRowsPush {
  uint32_t count, row_groups;
  float inverse_elements;  // 1 / elements of a row
  float number;            // epsilon, or the variance's divisor
  NormGridsPush grids;
};

// With ROUNDS.
struct NormalizeAndRoundRowsPush {
  NormalizeRowsPush norm;
  int32_t quant_min, quant_max;
  float eps;
};

}  // namespace etvk::ops
