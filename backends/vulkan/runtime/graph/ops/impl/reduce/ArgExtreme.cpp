// argmax and argmin along one dimension, or over all elements as if they were one.
#include "graph/ops/impl/reduce/ArgExtreme.h"

#include <algorithm>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct ArgCall {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  bool is_least = false;
  bool over_all = false;
  size_t dim = 0;
  bool keeps_dim = false;
};

void record_arg(ComputeGraph& graph, Commands& commands, const ArgCall& call) {
  const Sizes& x = graph.sizes(call.x);
  Sizes sizes = x;
  Sizes strides = contiguous_strides(x);
  ArgExtremePush push{};
  uint64_t steps = 1;
  if (call.over_all || x.empty()) {
    steps = element_count(graph, call.op, call.x);
    push.step = 1;
    sizes.assign(call.keeps_dim ? x.size() : 0, 1);
    strides.assign(sizes.size(), 0);
  } else {
    steps = static_cast<uint64_t>(x[call.dim]);
    push.step = static_cast<uint32_t>(strides[call.dim]);
    const auto place = static_cast<int64_t>(call.dim);
    if (call.keeps_dim) {
      sizes[call.dim] = 1;
      strides[call.dim] = 0;
    } else {
      sizes.erase(sizes.begin() + place);
      strides.erase(strides.begin() + place);
    }
  }
  graph.set_sizes(call.y, sizes);
  push.count = element_count(graph, call.op, call.y);
  if (push.count == 0) {
    return;
  }
  ETVK_CHECK(steps > 0, kInvalidProgram,
             call.op << ": there is no place in a dimension of size 0, x is " << shape_text(x));
  ETVK_CHECK(steps <= INT32_MAX, kNotSupported,
             call.op << ": a place among " << steps << ", the limit is 2^31 - 1");
  element_count(graph, call.op, call.x);
  push.steps = static_cast<uint32_t>(steps);
  const Loops loops = merge_loops(call.op, {sizes, {strides}});
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.x_strides);
  const uint64_t end = element_end(loops, 0) + (steps - 1) * push.step;
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"arg_extreme", push.count}});
  const std::vector<uint32_t> constants = {static_cast<uint32_t>(loops.sizes.size()),
                                           call.is_least ? 1u : 0u,
                                           graph.dtype(call.x) == DType::kInt32 ? 1u : 0u};
  commands.dispatch(graph.context().pipelines.get(row, constants),
                    {bind_elements(graph, call.y, push.count), bind_elements(graph, call.x, end)},
                    push, {std::min(push.count, graph.caps().max_workgroup_count), 1, 1});
}

void add_arg(ComputeGraph& graph, const OpArgs& args, bool is_least) {
  ArgCall call{args.op(), args.tensor("self"), args.output(), is_least};
  const DType dtype = graph.dtype(call.x);
  ETVK_CHECK(
      (dtype == DType::kFloat32 || dtype == DType::kInt32) && graph.dtype(call.y) == DType::kInt32,
      kInvalidProgram,
      call.op << ": expected float32 or int32 to int32, got " << dtype_name(dtype) << " to "
              << dtype_name(graph.dtype(call.y)));
  const ValueId dim = args.optional_symint("dim");
  call.over_all = dim < 0;
  call.keeps_dim = args.boolean("keepdim");
  if (!call.over_all) {
    // Of a single number, 0 and -1 name its one element.
    const size_t rank = std::max<size_t>(graph.dims(call.x).size(), 1);
    call.dim = wrap_dim(call.op, graph.integer(dim), rank);
  }
  const auto record = [&graph, call](Commands& commands) { record_arg(graph, commands, call); };
  graph.add_node({call.op, {call.x}, {call.y}, record});
}

void argmax(ComputeGraph& graph, const OpArgs& args) { add_arg(graph, args, false); }
void argmin(ComputeGraph& graph, const OpArgs& args) { add_arg(graph, args, true); }

constexpr const char* kSignature = "self:tensor dim:symint? keepdim:boolean y:out";

const RegisterOps registered({
    {"aten.argmax.default", kSignature, argmax},
    {"aten.argmin.default", kSignature, argmin},
});

}  // namespace

}  // namespace etvk::ops
