// Ops that write elements to places that an integer tensor gives. Two dispatches, in which no order
// of threads shows: for each place, what is written there last (scatter_map.comp); then each
// element of y is that, or what it was (gather.comp). What is no place, which PyTorch refuses, is
// not written. Where the result is in self's own memory, only what is given is written (put.comp),
// if the op says how.
#include "graph/ops/impl/moves/IndexedWrites.h"

#include <algorithm>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/elementwise/Creation.h"
#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

uint32_t narrowed(const IndexedWrite& call, int64_t number) {
  ETVK_CHECK(number <= INT32_MAX, kNotSupported,
             call.op << ": " << number << " places, the limit is 2^31 - 1");
  return static_cast<uint32_t>(number);
}

void dispatch_map(ComputeGraph& graph, Commands& commands, const IndexedWrite& call,
                  const Writes& writes) {
  graph.set_sizes(call.map, {writes.map_count});
  narrowed(call, writes.map_count);
  dispatch_fill(graph, commands, call.op, call.map, UINT32_MAX);
  const uint32_t count = element_count(graph, call.op, call.index);
  if (count == 0 || writes.map_count == 0) {
    return;
  }
  const Loops loops =
      merge_loops(call.op, {writes.sizes, {writes.map_strides, writes.value_strides}});
  ScatterMapPush push{};
  push.count = count;
  push.map_size = narrowed(call, writes.map_size);
  push.map_step = static_cast<uint32_t>(writes.map_step);
  narrowed(call, static_cast<int64_t>(element_end(loops, 1)));
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.map_strides);
  std::copy(loops.strides[1].begin(), loops.strides[1].end(), push.value_strides);
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"scatter_map", count}});
  const auto rank = static_cast<uint32_t>(loops.sizes.size());
  commands.dispatch(graph.context().pipelines.get(row, {rank, call.counts_back ? 1u : 0u}),
                    {bind_elements(graph, call.map, static_cast<uint64_t>(writes.map_count)),
                     bind_elements(graph, call.index, count)},
                    push, elementwise_grid(row, graph.caps(), count));
}

// Whether that is what is done. Nothing else than the values is touched.
bool dispatch_in_place(ComputeGraph& graph, Commands& commands, const IndexedWrite& call,
                       const WritePlan& plan) {
  const int64_t count = graph.numel(call.index);
  PutCall put{call.op, call.values, call.index, call.y, call.map};
  if (!plan.put || !graph.is_overwritten(call.base, call.y) || !can_put(graph, put, *plan.put)) {
    return false;
  }
  if (count == 0) {
    return true;
  }
  if (count == 1) {
    put.map = -1;
  } else {
    const Sizes& index = plan.writes.sizes;
    const int64_t places = plan.put->place_count;
    dispatch_map(graph, commands, call,
                 {index, Sizes(index.size(), 0), contiguous_strides(index), places, places, 1});
  }
  dispatch_put(graph, commands, put, *plan.put);
  return true;
}

}  // namespace

void add_write(ComputeGraph& graph, IndexedWrite call, const std::vector<ValueId>& reads,
               int64_t map_bound, std::optional<uint32_t> fill,
               const std::function<WritePlan()>& describe) {
  check_movable(graph, call.op, call.base, call.y);
  check_movable(graph, call.op, call.values, call.y);
  ETVK_CHECK(graph.dtype(call.index) == DType::kInt32, kInvalidProgram,
             call.op << ": the index must be int32, got " << dtype_name(graph.dtype(call.index)));
  call.map = graph.add_scratch(DType::kInt32, {map_bound});
  const auto record = [&graph, call, fill, describe](Commands& commands) {
    const WritePlan plan = describe();
    graph.set_sizes(call.y, graph.sizes(call.base));
    if (graph.numel(call.y) == 0) {
      return;
    }
    if (dispatch_in_place(graph, commands, call, plan)) {
      return;
    }
    if (fill) {
      dispatch_fill(graph, commands, call.op, call.values, *fill);
    }
    dispatch_map(graph, commands, call, plan.writes);
    GatherCall gather{call.op, call.values, call.map, call.y, false, call.base};
    Places places = plan.places;
    if (graph.numel(call.index) == 0) {
      // Nothing is read of the values, of which there may be none.
      gather.x = call.base;
      places.x_strides.assign(places.x_strides.size(), 0);
      places.x_size = 1;
    }
    dispatch_gather(graph, commands, gather, places);
  };
  std::vector<ValueId> writes = {call.y, call.map};
  if (fill) {
    writes.push_back(call.values);
  }
  graph.add_node({call.op, reads, writes, record, -1, {call.base}});
}

void add_sum_of_writes(ComputeGraph& graph, const IndexedWrite& call,
                       const std::function<Sums()>& describe) {
  const AccumulateCall sums{call.op, call.base, call.index, call.values, call.y, call.counts_back};
  check_accumulate(graph, sums);
  const auto record = [&graph, sums, describe](Commands& commands) {
    graph.set_sizes(sums.y, graph.sizes(sums.base));
    dispatch_accumulate(graph, commands, sums, describe());
  };
  graph.add_node(
      {call.op, {call.base, call.index, call.values}, {call.y}, record, -1, {call.base}});
}

}  // namespace etvk::ops
