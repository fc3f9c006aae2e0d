#include "graph/ops/impl/moves/Put.h"

#include <algorithm>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

enum Operand : size_t { kX, kY, kIndex };

Loops loops_of(const PutCall& call, const PutPlaces& places) {
  return merge_loops(call.op,
                     {places.sizes, {places.x_strides, places.y_strides, places.index_strides}});
}

// Whether neighbours go to neighbours, `by` at a time.
bool divides(const Loops& loops, int64_t y_step, int64_t by) {
  int64_t all = loops.sizes.back() | y_step;
  for (size_t i = 0; i + 1 < loops.sizes.size(); ++i) {
    all |= loops.strides[kX][i] | loops.strides[kY][i];
  }
  return loops.strides[kX].back() == 1 && loops.strides[kY].back() == 1 &&
         loops.strides[kIndex].back() == 0 && all % by == 0;  // `by` is a power of two
}

// Elements that a unit of the kernel has; 0 where there is none for these loops.
int64_t elements_of_unit(const ComputeGraph& graph, const PutCall& call, const Loops& loops,
                         int64_t y_step) {
  const auto element_bytes = static_cast<int64_t>(dtype_bytes(graph.dtype(call.y)));
  if (loops.sizes.size() > kMaxPutLoops) {
    return 0;
  }
  if (divides(loops, y_step, 16 / element_bytes)) {
    return 16 / element_bytes;
  }
  return element_bytes == 4 ? 1 : divides(loops, y_step, 4) ? 4 : 0;
}

}  // namespace

bool can_put(const ComputeGraph& graph, const PutCall& call, const PutPlaces& places) {
  return elements_of_unit(graph, call, loops_of(call, places), places.y_step) > 0;
}

void dispatch_put(ComputeGraph& graph, Commands& commands, const PutCall& call,
                  const PutPlaces& places) {
  Loops loops = loops_of(call, places);
  const int64_t by = elements_of_unit(graph, call, loops, places.y_step);
  uint64_t count = 1;
  for (int64_t size : loops.sizes) {
    count *= static_cast<uint64_t>(size);
  }
  if (count == 0 || places.place_count == 0) {
    return;
  }
  element_count(graph, call.op, call.x);
  element_count(graph, call.op, call.y);
  ETVK_CHECK(by > 0, kInternal, call.op << ": no kernel can write this in place");
  ETVK_CHECK(places.place_count <= INT32_MAX, kNotSupported,
             call.op << ": a dimension of " << places.place_count << ", the limit is 2^31 - 1");
  const uint64_t y_end =
      element_end(loops, kY) + static_cast<uint64_t>((places.place_count - 1) * places.y_step);
  const std::vector<Binding> ends = {bind_elements(graph, call.y, y_end),
                                     bind_elements(graph, call.x, element_end(loops, kX)),
                                     bind_elements(graph, call.index, element_end(loops, kIndex))};
  loops.sizes.back() /= by;
  PutPush push{};
  push.count = static_cast<uint32_t>(count / static_cast<uint64_t>(by));
  push.place_count = static_cast<uint32_t>(places.place_count);
  push.y_step = static_cast<uint32_t>(places.y_step / by);
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  for (size_t i = 0; i < loops.sizes.size(); ++i) {
    const int64_t unit = i + 1 == loops.sizes.size() ? 1 : by;
    push.x_strides[i] = static_cast<uint32_t>(loops.strides[kX][i] / unit);
    push.y_strides[i] = static_cast<uint32_t>(loops.strides[kY][i] / unit);
    push.index_strides[i] = static_cast<uint32_t>(loops.strides[kIndex][i]);
  }
  const bool in_groups = by * static_cast<int64_t>(dtype_bytes(graph.dtype(call.y))) == 16;
  const KernelRow& row = choose_elementwise_kernel(
      graph.caps(), {{in_groups ? "put_groups" : "put_words", push.count}});
  const bool has_map = call.map >= 0;
  const Binding map =
      has_map ? bind_elements(graph, call.map, static_cast<uint64_t>(places.place_count)) : ends[2];
  commands.dispatch(graph.context().pipelines.get(
                        row, {static_cast<uint32_t>(loops.sizes.size()), has_map ? 1u : 0u}),
                    {ends[0], ends[1], ends[2], map}, push,
                    elementwise_grid(row, graph.caps(), push.count));
}

}  // namespace etvk::ops
