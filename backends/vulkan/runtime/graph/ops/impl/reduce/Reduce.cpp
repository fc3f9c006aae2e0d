// float32 or int32 over some dimensions, or all: the rows of kReductionOps. Where there are few
// results, the elements of each are divided between workgroups, whose results a second dispatch
// combines.
#include "graph/ops/impl/reduce/Reduce.h"

#include <algorithm>

#include "ElementwiseRows.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/elementwise/ElementwiseCall.h"
#include "graph/ops/impl/reduce/ReducedLoops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Results of the first of two dispatches, and the elements from which there may be two.
constexpr uint32_t kMostPartial = 16384;
constexpr int64_t kLeastParted = 65536;

struct ReduceArgs {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  ValueId partial = -1;  // where x may have kLeastParted elements
  std::vector<bool> reduced;
  bool keepdim = false;
  uint32_t code = 0;
  bool is_compensated = false;
  const char* kernels = "reduce";
};

// A dispatch that may still be divided.
struct Reduction {
  ValueId x = -1;
  ReducedLoops loops;
  bool along_rows = false;
  bool whole_groups = false;
  uint32_t units = 0;  // results, or fours of them
  ReducePush push{};
};

Reduction reduction_of(ValueId x, const ReducedLoops& loops, uint32_t count) {
  Reduction made;
  made.x = x;
  made.loops = loops;
  made.along_rows = loops.reduced.strides[0].back() == 1;
  made.whole_groups = takes_whole_groups(loops, made.along_rows);
  const uint32_t of_step = made.along_rows && made.whole_groups ? 4 : 1;
  made.units = !made.along_rows && made.whole_groups ? count / 4 : count;
  made.push.count = count;
  made.push.steps = static_cast<uint32_t>(loops.reduced_count) / of_step;
  fill_loops(loops, made.push.sizes, made.push.strides);
  return made;
}

ReductionTeams teams_of(const KernelRow& row, const DeviceCaps& caps, const Reduction& reduction) {
  return reduction_teams(row, caps, reduction.along_rows, reduction.units, reduction.push.steps);
}

void dispatch(ComputeGraph& graph, Commands& commands, const ReduceArgs& args, const KernelRow& row,
              Reduction reduction, ValueId y, uint32_t parts, bool finishes) {
  const ReductionTeams teams = teams_of(row, graph.caps(), reduction);
  ReducePush& push = reduction.push;
  push.part_steps = push.steps / parts + (push.steps % parts != 0 ? 1 : 0);
  const ReducedLoops& loops = reduction.loops;
  commands.dispatch(graph.context().pipelines.get(
                        row, {static_cast<uint32_t>(loops.kept.sizes.size()),
                              static_cast<uint32_t>(loops.reduced.sizes.size()), teams.lanes,
                              reduction.along_rows ? 1u : 0u, reduction.whole_groups ? 1u : 0u,
                              args.code, args.is_compensated ? 1u : 0u, finishes ? 1u : 0u}),
                    {bind_elements(graph, y, uint64_t{push.count} * parts),
                     bind_elements(graph, reduction.x, element_end(loops, 0))},
                    push, {std::min(teams.groups, graph.caps().max_workgroup_count), parts, 1});
}

const KernelRow& row_for(ComputeGraph& graph, const ReduceArgs& args, uint64_t elements) {
  return choose_elementwise_kernel(graph.caps(), {{args.kernels, elements}});
}

void record_reduction(ComputeGraph& graph, Commands& commands, const ReduceArgs& args) {
  const Sizes& sizes = graph.sizes(args.x);
  graph.set_sizes(args.y, reduced_sizes(args.reduced, args.keepdim, sizes));
  const uint32_t count = element_count(graph, args.op, args.y);
  if (count == 0) {
    return;
  }
  const uint32_t elements = element_count(graph, args.op, args.x);
  ETVK_CHECK(elements > 0, kInvalidProgram,
             args.op << ": a reduction of no elements, x is " << shape_text(sizes));
  const KernelRow& row = row_for(graph, args, elements);
  Reduction reduction =
      reduction_of(args.x, reduced_loops(graph, args.op, args.reduced, args.x), count);
  const auto reduced = static_cast<float>(reduction.loops.reduced_count);
  reduction.push.elements = reduced;
  uint32_t parts = 1;
  if (args.partial >= 0 && elements >= kLeastParted) {
    const ReductionTeams teams = teams_of(row, graph.caps(), reduction);
    parts = reduction_parts(row, graph.caps(), teams.groups, teams.lanes, reduction.push.steps,
                            kMostPartial / count);
  }
  if (parts == 1) {
    dispatch(graph, commands, args, row, reduction, args.y, 1, true);
    return;
  }
  graph.set_sizes(args.partial, {int64_t{count} * parts});
  dispatch(graph, commands, args, row, reduction, args.partial, parts, false);
  const std::vector<bool> rows_are_reduced = {true, false};
  Reduction second = reduction_of(
      args.partial, reduced_loops(args.op, rows_are_reduced, {parts, count}, {count, 1}, {0, 1}),
      count);
  second.push.elements = reduced;
  dispatch(graph, commands, args, row_for(graph, args, uint64_t{count} * parts), second, args.y, 1,
           true);
}

Sizes dims_of(const OpArgs& call) {
  return call.takes("dim", ArgKind::kInteger) ? Sizes{call.integer("dim")}
                                              : call.optional_integers("dim");
}

void reduce(ComputeGraph& graph, const OpArgs& call) {
  ReduceArgs args;
  args.op = call.op();
  args.x = call.tensor("self");
  args.y = call.output();
  const DType dtype = graph.dtype(args.x);
  const bool integers = dtype == DType::kInt32;
  const auto* row = std::find_if(
      std::begin(kReductionOps), std::end(kReductionOps),
      [&](const ReductionOp& op) { return call.op() == op.name && op.takes_int == integers; });
  ETVK_CHECK(row != std::end(kReductionOps), kInvalidProgram,
             args.op << ": there is no kernel for operands of int32");
  const DType type = integers ? DType::kInt32 : DType::kFloat32;
  check_types(graph, args.op, args.x, type, args.y, type);
  args.code = row->code;
  args.is_compensated = row->is_compensated;
  args.kernels = integers ? "reduce_of_int" : "reduce";
  args.keepdim = row->has_dim && call.boolean("keepdim");
  args.reduced =
      reduced_dims(args.op, row->has_dim ? dims_of(call) : Sizes{}, graph.dims(args.x).size());
  std::vector<ValueId> writes = {args.y};
  if (element_count(graph, args.op, args.x) >= kLeastParted) {
    args.partial = graph.add_scratch(type, {kMostPartial});
    writes.push_back(args.partial);
  }
  const auto record = [&graph, args](Commands& commands) {
    record_reduction(graph, commands, args);
  };
  graph.add_node({args.op, {args.x}, writes, record});
}

const RegisterOps registered(op_rows(kReductionOps, reduce));

}  // namespace

}  // namespace etvk::ops
