// Functions and push constants of normalize.comp.
#pragma once

#include <cstdint>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

// Its FUNCTION.
enum class Normalization : uint32_t { kSoftmax, kLogSoftmax, kLayerNorm, kRmsNorm, kVariance };

struct NormalizePush {
  uint32_t count, steps;
  float elements;  // of a row
  float number;    // epsilon, or the variance's divisor
  uint32_t sizes[kMaxLoops];
  struct {
    uint32_t x, weight;
  } strides[kMaxLoops];
};

}  // namespace etvk::ops
