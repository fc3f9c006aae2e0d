// Cumulative sums along one dimension.
#include "graph/ops/impl/reduce/Scan.h"

#include <algorithm>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Rounds of a loop in one dispatch: lavapipe ends a thread's loops after 65,535 rounds in all, and
// a block is one, with one for each doubling of the lanes that add up.
constexpr uint32_t kMostBlocks = 4096;

struct ScanCall {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  size_t dim = 0;
};

void record_scan(ComputeGraph& graph, Commands& commands, const ScanCall& call) {
  const Sizes& sizes = graph.sizes(call.x);
  graph.set_sizes(call.y, sizes);
  const uint32_t count = element_count(graph, call.op, call.y);
  if (count == 0) {
    return;
  }
  ScanPush push{};
  push.steps = sizes.empty() ? 1 : static_cast<uint32_t>(sizes[call.dim]);
  push.inner = sizes.empty() ? 1 : static_cast<uint32_t>(contiguous_strides(sizes)[call.dim]);
  push.rows = count / push.steps;
  const bool along_rows = push.inner == 1;
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"scan", count}});
  const ReductionTeams teams =
      reduction_teams(row, graph.caps(), along_rows, push.rows, push.steps);
  const bool integers = graph.dtype(call.x) == DType::kInt32;
  const Pipeline& pipeline =
      graph.context().pipelines.get(row, {teams.lanes, along_rows ? 1u : 0u, integers ? 1u : 0u});
  while (push.end < push.steps) {
    push.first = push.end;
    push.end += std::min(kMostBlocks * teams.lanes * row.tile_k, push.steps - push.first);
    commands.dispatch(pipeline,
                      {bind_elements(graph, call.y, count), bind_elements(graph, call.x, count)},
                      push, {std::min(teams.groups, graph.caps().max_workgroup_count), 1, 1});
  }
}

// What type to sum in is that of the output, which the operand has as well.
void cumsum(ComputeGraph& graph, const OpArgs& args) {
  ScanCall call{args.op(), args.tensor("self"), args.output()};
  const DType dtype = graph.dtype(call.x);
  ETVK_CHECK((dtype == DType::kFloat32 || dtype == DType::kInt32) && graph.dtype(call.y) == dtype,
             kInvalidProgram,
             call.op << ": expected float32 to float32 or int32 to int32, got " << dtype_name(dtype)
                     << " to " << dtype_name(graph.dtype(call.y)));
  call.dim = wrap_dim_or_number(call.op, args.integer("dim"), graph.dims(call.x).size());
  const auto record = [&graph, call](Commands& commands) { record_scan(graph, commands, call); };
  graph.add_node({call.op, {call.x}, {call.y}, record});
}

const RegisterOps registered({{"aten.cumsum.default", "self:tensor dim:integer dtype:any y:out",
                               cumsum}});

}  // namespace

}  // namespace etvk::ops
