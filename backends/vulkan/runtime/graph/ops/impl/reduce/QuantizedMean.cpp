// et_vk.q8ta_mean: mean of an int8 tensor over some of its dimensions.
//   acc = sum(x - input_zero_point)                                     int32, exact
//   f   = float(acc) * fl32(input_scale / count)                        divided in float64
//   y   = clamp(round_half_even(f * fl32(1 / output_scale)) + output_zero_point,
//               quant_min, quant_max)
#include "graph/ops/impl/reduce/QuantizedMean.h"

#include <algorithm>
#include <cmath>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/reduce/ReducedLoops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct MeanArgs {
  std::string op;
  ValueId x = -1;
  Grid input;
  std::vector<bool> reduced;  // by dimension of x
  bool keepdim = false;
  Grid output;
  ValueId y = -1;
};

MeanArgs read_arguments(const ComputeGraph& graph, const OpArgs& args) {
  MeanArgs mean;
  mean.op = args.op();
  mean.x = args.tensor("x");
  mean.input = read_grid(args, "input");
  const Sizes dims = args.integers("dim");
  mean.keepdim = args.boolean("keepdim");
  mean.output = read_ranged_grid(args, "output");
  mean.y = args.output();
  mean.reduced = reduced_dims(mean.op, dims, graph.dims(mean.x).size());
  return mean;
}

void check(const ComputeGraph& graph, const MeanArgs& args) {
  check_types(graph, args.op, args.x, DType::kInt8, args.y, DType::kInt8);
  check_grid(args.op, args.input);
  check_grid(args.op, args.output);
}

void check_sum(const MeanArgs& args, int64_t count) {
  constexpr int64_t kMost = INT32_MAX / 255;  // an element is at most 255 steps from its zero point
  ETVK_CHECK(count <= kMost, kNotSupported,
             args.op << ": a mean of " << count << " elements could overflow its 32-bit sum, the "
                     << "limit is " << kMost);
  const auto scale = static_cast<float>(args.input.scale / static_cast<double>(count));
  ETVK_CHECK(std::isnormal(scale), kNotSupported,
             args.op << ": input scale " << args.input.scale << " over " << count
                     << " elements is not a normal float32");
}

void dispatch_mean(ComputeGraph& graph, Commands& commands, const MeanArgs& args) {
  MeanPush push{};
  push.count = element_count(graph, args.op, args.y);
  if (push.count == 0) {
    return;
  }
  const ReducedLoops loops = reduced_loops(graph, args.op, args.reduced, args.x);
  ETVK_CHECK(loops.reduced_count > 0, kInvalidProgram, args.op << ": a mean of no elements");
  check_sum(args, loops.reduced_count);
  const Sizes& summed = loops.reduced.sizes;
  const bool along_rows = loops.reduced.strides[0].back() == 1;
  const int64_t row_steps = along_rows ? (summed.back() + 3) / 4 : summed.back();
  push.steps = static_cast<uint32_t>(loops.reduced_count / summed.back() * row_steps);
  push.scale = static_cast<float>(args.input.scale / static_cast<double>(loops.reduced_count));
  push.correction = static_cast<int32_t>(loops.reduced_count * args.input.zero_point);
  push.output_grid = grid_push(args.op, args.output);
  push.last_word = (element_count(graph, args.op, args.x) - 1) / 4;
  const size_t kept = loops.kept.sizes.size();
  fill_loops(loops, push.sizes, push.strides);

  const KernelRow& row = choose_elementwise_kernel(
      graph.caps(), {{"q8ta_mean", static_cast<uint64_t>(graph.numel(args.x))}});
  const uint32_t words = push.count / 4 + (push.count % 4 != 0 ? 1 : 0);
  const ReductionTeams teams = reduction_teams(row, graph.caps(), along_rows, words, push.steps);
  // The last element of the last sum, or what last_word lets a lane read behind it.
  const uint64_t x_end = std::max<uint64_t>(element_end(loops, 0), graph.numel(args.x));
  commands.dispatch(
      graph.context().pipelines.get(
          row, {static_cast<uint32_t>(kept), static_cast<uint32_t>(summed.size()), teams.lanes,
                along_rows ? 1u : 0u, takes_whole_groups(loops, along_rows) ? 1u : 0u}),
      {bind_elements(graph, args.y, push.count), bind_elements(graph, args.x, x_end)}, push,
      {std::min(teams.groups, graph.caps().max_workgroup_count), 1, 1});
}

void q8ta_mean(ComputeGraph& graph, const OpArgs& call) {
  const MeanArgs args = read_arguments(graph, call);
  check(graph, args);
  const auto record = [&graph, args](Commands& commands) {
    graph.set_sizes(args.y, reduced_sizes(args.reduced, args.keepdim, graph.sizes(args.x)));
    dispatch_mean(graph, commands, args);
  };
  graph.add_node({args.op, {args.x}, {args.y}, record});
}

const RegisterOps registered({
    {"et_vk.q8ta_mean.default",
     "x:tensor@either input_scale:number input_zero_point:integer dim:integers keepdim:boolean "
     "output_scale:number output_zero_point:integer quant_min:integer quant_max:integer y:out",
     q8ta_mean},
});

}  // namespace

}  // namespace etvk::ops
