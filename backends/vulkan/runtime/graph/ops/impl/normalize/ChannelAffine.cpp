// Batch norm with fixed statistics, as what is left of it: each channel is shifted and scaled.
//   et_vk.channel_affine: f = (x - centers[c]) * scales[c] + shifts[c], float32
//   et_vk.q8ta_channel_affine: the same of int8 x (its zero point is part of the centers), and
//     y = clamp(round_half_even(f * fl32(1 / output_scale)) + output_zero_point,
//               quant_min, quant_max)
#include "graph/ops/impl/normalize/ChannelAffine.h"

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct Affine {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  std::vector<ValueId> constants;  // centers, scales, shifts
  const char* kernels = "";
  ChannelAffinePush push{};
};

Affine read_arguments(const ComputeGraph& graph, const OpArgs& args, DType dtype) {
  Affine affine;
  affine.op = args.op();
  affine.x = args.tensor("x");
  affine.y = args.output();
  const Sizes& dims = graph.dims(affine.x);
  ETVK_CHECK(dims.size() >= 2 && graph.dims(affine.y).size() == dims.size(), kInvalidProgram,
             affine.op << ": x and the output must have the same two or more dimensions, got "
                       << shape_text(dims) << " and " << shape_text(graph.dims(affine.y)));
  ETVK_CHECK(graph.dtype(affine.x) == dtype && graph.dtype(affine.y) == dtype, kInvalidProgram,
             affine.op << ": expected " << dtype_name(dtype) << ", got "
                       << dtype_name(graph.dtype(affine.x)) << " to "
                       << dtype_name(graph.dtype(affine.y)));
  for (const char* name : {"centers", "scales", "shifts"}) {
    const ValueId id = args.constant(name);
    ETVK_CHECK(graph.dtype(id) == DType::kFloat32 && graph.dims(id) == Sizes{dims[1]},
               kInvalidProgram,
               affine.op << ": " << name << " must be float32 [" << dims[1] << "], got "
                         << dtype_name(graph.dtype(id)) << " " << shape_text(graph.dims(id)));
    affine.constants.push_back(id);
  }
  return affine;
}

void dispatch_affine(ComputeGraph& graph, Commands& commands, const Affine& affine) {
  const Sizes sizes = graph.sizes(affine.x);
  // Of dynamic channels there would be other constants.
  ETVK_CHECK(sizes[1] == graph.dims(affine.x)[1], kInvalidProgram,
             affine.op << ": " << sizes[1] << " channels, expected " << graph.dims(affine.x)[1]);
  graph.set_sizes(affine.y, sizes);
  ChannelAffinePush push = affine.push;
  push.count = element_count(graph, affine.op, affine.y);
  if (push.count == 0) {
    return;
  }
  const bool channels_last = graph.values().order(affine.y) == Order::kChannelsLast;
  push.channels = static_cast<uint32_t>(sizes[1]);
  const auto behind = static_cast<uint32_t>(push.count / (sizes[0] * sizes[1]));
  push.inner = channels_last ? 1 : behind;
  const bool whole = push.inner == 1 && push.channels % 4 == 0;
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{affine.kernels, push.count}});
  std::vector<Binding> bindings = {bind_elements(graph, affine.y, push.count),
                                   graph.dtype(affine.x) == DType::kFloat32
                                       ? bind_groups(graph, affine.x, push.count)
                                       : bind_elements(graph, affine.x, push.count)};
  for (ValueId id : affine.constants) {
    bindings.push_back(bind_elements(graph, id, push.channels));
  }
  commands.dispatch(graph.context().pipelines.get(row, {whole ? 1u : 0u}), bindings, push,
                    elementwise_grid(row, graph.caps(), push.count));
}

void add_affine(ComputeGraph& graph, const Affine& affine) {
  const auto record = [&graph, affine](Commands& commands) {
    dispatch_affine(graph, commands, affine);
  };
  std::vector<ValueId> reads = affine.constants;
  reads.push_back(affine.x);
  graph.add_node({affine.op, reads, {affine.y}, record});
}

void channel_affine(ComputeGraph& graph, const OpArgs& args) {
  Affine affine = read_arguments(graph, args, DType::kFloat32);
  affine.kernels = "channel_affine";
  add_affine(graph, affine);
}

void q8ta_channel_affine(ComputeGraph& graph, const OpArgs& args) {
  Affine affine = read_arguments(graph, args, DType::kInt8);
  affine.kernels = "q8ta_channel_affine";
  affine.push.output_grid = grid_push(affine.op, read_ranged_grid(args, "output"));
  add_affine(graph, affine);
}

const RegisterOps registered({
    {"et_vk.channel_affine.default",
     "x:tensor@alike centers:constant scales:constant shifts:constant y:out@alike", channel_affine},
    {"et_vk.q8ta_channel_affine.default",
     "x:tensor@alike centers:constant scales:constant shifts:constant output_scale:number "
     "output_zero_point:integer quant_min:integer quant_max:integer y:out@alike",
     q8ta_channel_affine},
});

}  // namespace

}  // namespace etvk::ops
