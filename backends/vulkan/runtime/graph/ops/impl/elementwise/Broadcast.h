// Operands that are repeated along dimensions where another one is larger, as in NumPy.
#pragma once

#include <string>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

// The sizes of a and b broadcast against each other; throws kInvalidProgram naming `op` where they
// cannot be.
Sizes broadcast_sizes(const std::string& op, const Sizes& a, const Sizes& b);

// Strides of an operand for the dimensions of y: 0 where it is repeated.
Sizes broadcast_strides(const Sizes& operand, size_t rank);

// Whether an operand has one element for all four of a word of y.
bool is_repeated(const Loops& loops, size_t operand);

// Makes the loops count words of y (four elements) where each operand has whole words for them,
// too, or one element; false where it has not. Strides of whole words then count words.
bool in_words(Loops& loops);

}  // namespace etvk::ops
