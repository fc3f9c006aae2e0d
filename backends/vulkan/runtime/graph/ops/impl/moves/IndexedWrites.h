// What index_put and scatter share: writes, and sums of them, at places that an integer tensor
// gives.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/moves/Accumulate.h"
#include "graph/ops/impl/moves/Gather.h"
#include "graph/ops/impl/moves/Put.h"

namespace etvk::ops {

// Places of the index, nested as it is: what one step is in the map and among the values.
struct Writes {
  Sizes sizes;
  Sizes map_strides;
  Sizes value_strides;
  int64_t map_count = 0;
  int64_t map_size = 0;  // of the dimension that the index is of
  int64_t map_step = 0;
};

struct IndexedWrite {
  std::string op;
  ValueId base = -1;
  ValueId index = -1;
  ValueId values = -1;
  ValueId y = -1;
  ValueId map = -1;
  bool counts_back = false;
};

// What is written, and where it is read from: steps of y's dimensions among the values and in the
// map.
struct WritePlan {
  Writes writes;
  Places places;
  std::optional<PutPlaces> put;  // in self's own memory
};

// Adds the node that writes, by what `plan` says whenever it is recorded. `map_bound`: places of
// the map at most. With `fill` the values are a scratch that is filled with these bits first.
void add_write(ComputeGraph& graph, IndexedWrite call, const std::vector<ValueId>& reads,
               int64_t map_bound, std::optional<uint32_t> fill,
               const std::function<WritePlan()>& plan);

// The same for sums: what is written is added, in the index's order.
void add_sum_of_writes(ComputeGraph& graph, const IndexedWrite& call,
                       const std::function<Sums()>& describe);

}  // namespace etvk::ops
