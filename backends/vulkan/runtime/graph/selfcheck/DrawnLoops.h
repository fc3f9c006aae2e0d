// Nests of loops for problems of kernels that go through an operand in another order than its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "graph/selfcheck/Random.h"

namespace etvk {

using LoopSizes = std::vector<uint32_t>;  // outermost first

// `rank` loops that make at least `least` steps, and not many more.
LoopSizes drawn_sizes(uint32_t rank, uint32_t least, Random& random);

uint32_t steps_of(const LoopSizes& sizes);

// How an operand goes with the innermost loop.
enum class Innermost { kAny, kNeighbours, kRepeated };

// Strides of an operand that is contiguous in some order of the loops and repeated along some.
LoopSizes drawn_strides(const LoopSizes& sizes, Innermost innermost, Random& random);

// One past the furthest element that the loops reach.
uint32_t end_of(const LoopSizes& sizes, const LoopSizes& strides);

// So many elements that two workgroups of a flat kernel have a whole pass each, and some of them a
// second one that is not whole.
uint32_t flat_count(const KernelRow& row, Random& random);
constexpr uint32_t kFlatGroups = 2;

// "2x3x5".
std::string sizes_text(const LoopSizes& sizes);

}  // namespace etvk
