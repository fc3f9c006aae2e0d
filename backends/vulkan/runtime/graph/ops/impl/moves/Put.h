// Writes to places of a tensor in its own memory: the elements that an index names, and no others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

constexpr size_t kMaxPutLoops = 6;

// Push constants of put.comp.
struct PutPush {
  uint32_t count, place_count, y_step;
  uint32_t sizes[kMaxPutLoops - 1];
  uint32_t x_strides[kMaxPutLoops];
  uint32_t y_strides[kMaxPutLoops];
  uint32_t index_strides[kMaxPutLoops];
};

struct PutCall {
  std::string op;
  ValueId x = -1;
  ValueId index = -1;
  ValueId y = -1;
  ValueId map = -1;  // by place, which element of the index is the last that writes there
};

// For the dimensions of what is written: what one step is in x, in y and in the index, and the
// dimension of y that the index is of.
struct PutPlaces {
  Sizes sizes;
  Sizes x_strides;
  Sizes y_strides;
  Sizes index_strides;
  int64_t place_count = 0;
  int64_t y_step = 0;
};

// Whether the kernels can write these: whole words, in few enough loops.
bool can_put(const ComputeGraph& graph, const PutCall& call, const PutPlaces& places);

// Writes them. Without a map (-1) no two elements of the index may be the same place.
void dispatch_put(ComputeGraph& graph, Commands& commands, const PutCall& call,
                  const PutPlaces& places);

}  // namespace etvk::ops
