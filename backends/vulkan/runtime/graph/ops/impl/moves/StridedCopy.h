// Copies a region of one tensor into another, whatever their orders: for ops that move elements and
// compute nothing, of any type with elements of one or four bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

// Push constants of strided_copy.comp and transpose.comp.
struct CopyPush {
  uint32_t count, threads, run, row_words, y_row_stride, y_offset, x_offset;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t x_strides[kMaxLoops];
};

struct TransposePush {
  uint32_t rows, columns, row_tiles, column_tiles, tiles;
  uint32_t x_stride, y_stride, x_offset, last_word;
  uint32_t batch_sizes[kMaxLoops - 3];
  uint32_t x_batch_strides[kMaxLoops - 2];
  uint32_t y_batch_strides[kMaxLoops - 2];
};

// Elements of x for the dimensions of what is written.
struct Region {
  Sizes sizes;
  Sizes strides;
  int64_t offset = 0;
};

// All of x, as it is in memory.
Region whole(const ComputeGraph& graph, ValueId x);

// Where it goes in y: rows of `run` neighbours.
struct Target {
  int64_t run = 0;
  int64_t row_stride = 0;
  int64_t offset = 0;
};

// Throws kInvalidProgram naming `op` unless x and y are of one type that can be copied.
void check_movable(const ComputeGraph& graph, const std::string& op, ValueId x, ValueId y);

// Copies `region` of x, whose dimensions are those of y, to `target` in y, in y's order. Dispatches
// nothing for a region of no elements.
void dispatch_copy(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                   ValueId y, const Region& region, Target target);

// The same for the loops over what is written, nested as y is in memory, with their strides in x.
void dispatch_nest(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                   ValueId y, const Loops& loops, int64_t x_offset, Target target);

// Adds a node that makes y the region of x that `describe` gives for x's current sizes.
void add_copy(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
              const std::function<Region()>& describe);

}  // namespace etvk::ops
