// Walks through tensors as nests of loops over their elements, for kernels that read an operand in
// another order than its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"

namespace etvk::ops {

using Sizes = std::vector<int64_t>;

constexpr size_t kMaxLoops = 8;  // that the shaders have room for

// Sizes of a nest of loops, outermost first, and the strides of each operand: how many elements one
// step of a loop is. A stride of 0 repeats the operand; in a copy it may be negative.
struct Loops {
  Sizes sizes;
  std::vector<Sizes> strides;  // by operand, then by loop
};

// Strides of a contiguous tensor of these sizes.
Sizes contiguous_strides(const Sizes& sizes);

// The same steps in the same order with the fewest loops, at least one: loops of one step are left
// out, and neighbours that are one loop for every operand become one. Throws kNotSupported naming
// `op` where more than kMaxLoops remain.
Loops merge_loops(const std::string& op, const Loops& loops);

// One past the furthest element that the nest reaches in an operand; every loop has a step. With
// negative strides the nest starts at its furthest element in these loops.
uint64_t element_end(const Loops& loops, size_t operand);

// Binds a tensor of which a kernel touches elements 0 to count - 1, and the rest of their words.
Binding bind_elements(const ComputeGraph& graph, ValueId id, uint64_t count);

// The same up to whole groups of four words, for kernels that read the last one as a whole.
Binding bind_groups(const ComputeGraph& graph, ValueId id, uint64_t count);

// Throws kInvalidProgram naming `op` unless x and y are of these types.
void check_types(const ComputeGraph& graph, const std::string& op, ValueId x, DType x_dtype,
                 ValueId y, DType y_dtype);

// Elements of a tensor; throws kNotSupported naming `op` for more than kernels can count.
uint32_t element_count(const ComputeGraph& graph, const std::string& op, ValueId id);

}  // namespace etvk::ops
