// Push and specialization constants of progression.comp, and numbers as it takes them.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ComputeGraph.h"

namespace etvk::ops {

enum class Progression : uint32_t { kIntegers, kFloats, kSameWord, kSameByte };

struct ProgressionPush {
  uint32_t count;
  uint32_t start, step;  // bits of what y is
};

// The bits of an element of `dtype` that a call's argument `name` gives; of a byte the lowest ones.
// Throws for a dtype that is not filled, and for an integer that is none of 32 bits.
uint32_t fill_bits(const OpArgs& args, const char* name, double value, DType dtype);

// Makes every element of y, whose sizes are set, the one with these bits.
void dispatch_fill(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId y,
                   uint32_t bits);

}  // namespace etvk::ops
