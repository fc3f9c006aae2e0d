// Whether any element of some dimensions, or of all, is true, or as float32 not zero.
#include "graph/ops/impl/reduce/Any.h"

#include <algorithm>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/reduce/ReducedLoops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct AnyArgs {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  std::vector<bool> reduced;
  bool keepdim = false;
};

void dispatch(ComputeGraph& graph, Commands& commands, const AnyArgs& args) {
  AnyPush push{};
  push.count = element_count(graph, args.op, args.y);
  if (push.count == 0) {
    return;
  }
  const uint32_t elements = element_count(graph, args.op, args.x);
  ETVK_CHECK(elements > 0, kInvalidProgram,
             args.op << ": a reduction of no elements, x is " << shape_text(graph.sizes(args.x)));
  const bool of_float = graph.dtype(args.x) == DType::kFloat32;
  const ReducedLoops loops = reduced_loops(graph, args.op, args.reduced, args.x);
  const bool along_rows = loops.reduced.strides[0].back() == 1;
  const bool whole_words = !of_float && takes_whole_groups(loops, along_rows);
  push.steps = static_cast<uint32_t>(loops.reduced_count) / (along_rows && whole_words ? 4 : 1);
  fill_loops(loops, push.sizes, push.strides);

  const KernelRow& row =
      choose_elementwise_kernel(graph.caps(), {{of_float ? "any_of_float" : "any", elements}});
  const uint32_t words = push.count / 4 + (push.count % 4 != 0 ? 1 : 0);
  const ReductionTeams teams = reduction_teams(row, graph.caps(), along_rows, words, push.steps);
  commands.dispatch(graph.context().pipelines.get(
                        row, {static_cast<uint32_t>(loops.kept.sizes.size()),
                              static_cast<uint32_t>(loops.reduced.sizes.size()), teams.lanes,
                              along_rows ? 1u : 0u, whole_words ? 1u : 0u}),
                    {bind_elements(graph, args.y, push.count),
                     bind_elements(graph, args.x, element_end(loops, 0))},
                    push, {std::min(teams.groups, graph.caps().max_workgroup_count), 1, 1});
}

void any_over(ComputeGraph& graph, const OpArgs& call, const Sizes& dims, bool keepdim) {
  const AnyArgs args{call.op(), call.tensor("self"), call.output(),
                     reduced_dims(call.op(), dims, graph.dims(call.tensor("self")).size()),
                     keepdim};
  const DType dtype = graph.dtype(args.x);
  ETVK_CHECK(dtype == DType::kBool || dtype == DType::kFloat32, kInvalidProgram,
             args.op << ": expected bool or float32, got " << dtype_name(dtype));
  ETVK_CHECK(graph.dtype(args.y) == DType::kBool, kInvalidProgram,
             args.op << ": the output must be bool, got " << dtype_name(graph.dtype(args.y)));
  const auto record = [&graph, args](Commands& commands) {
    graph.set_sizes(args.y, reduced_sizes(args.reduced, args.keepdim, graph.sizes(args.x)));
    dispatch(graph, commands, args);
  };
  graph.add_node({args.op, {args.x}, {args.y}, record});
}

void any_of_all(ComputeGraph& graph, const OpArgs& call) { any_over(graph, call, {}, false); }

void any_of_dim(ComputeGraph& graph, const OpArgs& call) {
  any_over(graph, call, {call.integer("dim")}, call.boolean("keepdim"));
}

void any_of_dims(ComputeGraph& graph, const OpArgs& call) {
  any_over(graph, call, call.optional_integers("dim"), call.boolean("keepdim"));
}

const RegisterOps registered({
    {"aten.any.default", "self:tensor@either y:out", any_of_all},
    {"aten.any.dim", "self:tensor@either dim:integer keepdim:boolean y:out", any_of_dim},
    {"aten.any.dims", "self:tensor@either dim:integers? keepdim:boolean y:out", any_of_dims},
});

}  // namespace

}  // namespace etvk::ops
