#include "graph/ops/impl/moves/Accumulate.h"

#include <algorithm>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Of a thread in one dispatch: lavapipe ends a thread's loops after 65,535 rounds in all.
constexpr uint64_t kMostRounds = 32768;

// One past the furthest element that is read of the index or the source.
uint64_t end_of(const Sizes& sizes, const Sums& sums, const Sizes& strides, int64_t step) {
  int64_t last = (sums.steps - 1) * step;
  for (size_t d = 0; d < sizes.size(); ++d) {
    last += std::max<int64_t>(std::min(sizes[d], sums.bounds[d]) - 1, 0) * strides[d];
  }
  return static_cast<uint64_t>(last) + 1;
}

}  // namespace

void check_accumulate(const ComputeGraph& graph, const AccumulateCall& call) {
  const DType dtype = graph.dtype(call.y);
  ETVK_CHECK((dtype == DType::kFloat32 || dtype == DType::kInt32) &&
                 graph.dtype(call.base) == dtype && graph.dtype(call.source) == dtype,
             kInvalidProgram,
             call.op << ": expected one type, float32 or int32, got "
                     << dtype_name(graph.dtype(call.base)) << " and "
                     << dtype_name(graph.dtype(call.source)) << " to " << dtype_name(dtype));
  ETVK_CHECK(graph.dtype(call.index) == DType::kInt32, kInvalidProgram,
             call.op << ": the index must be int32, got " << dtype_name(graph.dtype(call.index)));
  ETVK_CHECK(graph.dims(call.y).size() <= kMaxAccumulateDims, kNotSupported,
             call.op << ": " << graph.dims(call.y).size() << " dimensions, the limit is "
                     << kMaxAccumulateDims);
}

void dispatch_accumulate(ComputeGraph& graph, Commands& commands, const AccumulateCall& call,
                         const Sums& sums) {
  const Sizes& sizes = graph.sizes(call.y);
  const uint32_t count = element_count(graph, call.op, call.y);
  if (count == 0) {
    return;
  }
  // Where nothing is added, nothing of these is read, and of empty ones there is no memory.
  const bool adds = sums.steps > 0 && element_count(graph, call.op, call.source) > 0 &&
                    element_count(graph, call.op, call.index) > 0;
  AccumulatePush push{};
  push.count = count;
  push.dim = static_cast<uint32_t>(sums.dim);
  push.index_step = static_cast<uint32_t>(sums.index_step);
  push.source_step = static_cast<uint32_t>(sums.source_step);
  for (size_t d = 0; d < sizes.size(); ++d) {
    push.sizes[d] = static_cast<uint32_t>(sizes[d]);
    push.bounds[d] = adds ? static_cast<uint32_t>(std::min(sizes[d], sums.bounds[d])) : 0;
    push.index_strides[d] = static_cast<uint32_t>(sums.index_strides[d]);
    push.source_strides[d] = static_cast<uint32_t>(sums.source_strides[d]);
  }
  const bool integers = graph.dtype(call.y) == DType::kInt32;
  const KernelRow& row = choose_elementwise_kernel(
      graph.caps(), {{integers ? "accumulate_int" : "accumulate", count}});
  const Pipeline& pipeline = graph.context().pipelines.get(
      row, {static_cast<uint32_t>(std::max<size_t>(sizes.size(), 1)), call.counts_back ? 1u : 0u});
  const WorkgroupCount grid = elementwise_grid(row, graph.caps(), count);
  const uint64_t pass = uint64_t{grid.x} * row.tile_n;
  const auto most =
      static_cast<uint32_t>(std::max<uint64_t>(kMostRounds / ((count + pass - 1) / pass), 1));
  const auto steps = adds ? static_cast<uint32_t>(sums.steps) : 0u;
  const uint64_t index_end = adds ? end_of(sizes, sums, sums.index_strides, sums.index_step) : 0;
  const uint64_t source_end = adds ? end_of(sizes, sums, sums.source_strides, sums.source_step) : 0;
  do {
    push.first = push.end;
    push.end += std::min(most, steps - push.first);
    commands.dispatch(pipeline,
                      {bind_elements(graph, call.y, count), bind_elements(graph, call.base, count),
                       bind_elements(graph, adds ? call.index : call.base, index_end),
                       bind_elements(graph, adds ? call.source : call.base, source_end)},
                      push, grid);
  } while (push.end < steps);
}

}  // namespace etvk::ops
