// Walks through a tensor that is reduced over some of its dimensions.
#pragma once

#include <string>
#include <vector>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

// By dimension, whether it is reduced: all of them where `dims` names none. Throws kInvalidProgram
// naming `op` for a dimension that there is not; a single number may be said to have one, as in
// PyTorch.
std::vector<bool> reduced_dims(const std::string& op, const Sizes& dims, size_t rank);

Sizes reduced_sizes(const std::vector<bool>& reduced, bool keepdim, const Sizes& sizes);

// The kept and the reduced dimensions of a tensor, each as a nest of loops of its own, with the
// strides of one operand; together at most kMaxLoops.
struct ReducedLoops {
  Loops kept;
  Loops reduced;
  int64_t reduced_count = 1;  // elements of one result
};

// Of a tensor of these sizes and strides; `memory_dims` are its dimensions from the outermost one
// in memory on. Kept ones are nested as those of a row-major result, reduced ones as in memory.
// Throws kNotSupported naming `op` for too many loops.
ReducedLoops reduced_loops(const std::string& op, const std::vector<bool>& is_reduced,
                           const Sizes& sizes, const Sizes& strides,
                           const std::vector<size_t>& memory_dims);

// The same of a tensor of the program.
ReducedLoops reduced_loops(const ComputeGraph& graph, const std::string& op,
                           const std::vector<bool>& is_reduced, ValueId x);

// One past the furthest element that both nests together reach in an operand.
uint64_t element_end(const ReducedLoops& loops, size_t operand);

// Whether the loop of stride 1, the last reduced one or the last kept one, takes whole groups of
// four elements.
bool takes_whole_groups(const ReducedLoops& loops, bool along_rows);

// The kept ones, then the reduced ones.
void fill_loops(const ReducedLoops& loops, uint32_t (&sizes)[kMaxLoops],
                uint32_t (&strides)[kMaxLoops]);

}  // namespace etvk::ops
