// Operands that are repeated along dimensions where another one is larger, as in NumPy.
#pragma once

#include <string>
#include <vector>

#include "graph/ops/ElementwiseTable.h"
#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

// ---- Push and specialization constants of broadcast.comp.

struct BinaryPush {
  uint32_t count;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t a_strides[kMaxLoops];
  uint32_t b_strides[kMaxLoops];
  Bits a_number, b_number, alpha;
};

struct TernaryPush {
  uint32_t count;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t a_strides[kMaxLoops];
  uint32_t b_strides[kMaxLoops];
  uint32_t c_strides[kMaxLoops];
};

// Forms of an operand in the shader.
constexpr uint32_t kEach = 0;
constexpr uint32_t kRepeated = 1;
constexpr uint32_t kNumber = 2;

// ---- Loops.

// The sizes of a and b broadcast against each other; throws kInvalidProgram naming `op` where they
// cannot be.
Sizes broadcast_sizes(const std::string& op, const Sizes& a, const Sizes& b);

constexpr ValueId kNoTensor = -1;  // an operand that is a number

// Loops over y, nested as its dimensions are in memory, with the strides of each operand: 0 where
// it is repeated.
Loops broadcast_loops(const ComputeGraph& graph, const std::string& op, ValueId y,
                      const std::vector<ValueId>& operands);

// Whether an operand has one element for all neighbours of y.
bool is_repeated(const Loops& loops, size_t operand);

// Makes the loops count units of y (so many elements each) where each operand has whole units for
// them, too, or one element; false where it has not. Strides of whole units then count units.
bool in_units(Loops& loops, int64_t unit_elements);

}  // namespace etvk::ops
