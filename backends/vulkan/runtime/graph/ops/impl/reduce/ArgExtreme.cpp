// Where extremes are: argmax and argmin along one dimension, or over all elements as if they were
// one, and the places of the k largest or smallest elements.
#include "graph/ops/impl/reduce/ArgExtreme.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Rounds of a thread's loops in one dispatch: lavapipe ends them after 65,535 rounds in all.
constexpr uint32_t kMostRounds = 60000;

struct ArgCall {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  bool is_least = false;
  bool nan_is_large = false;  // else NaN is the most extreme
  bool over_all = false;
  size_t dim = 0;
  int64_t places = 0;  // of topk, which keeps the dimension; 0: one place
  bool keeps_dim = false;
};

// Rows of x, and the loops that number them.
struct Rows {
  Sizes sizes;
  Sizes strides;
  int64_t steps = 1;
  int64_t step = 1;
  int64_t inner = 1;  // rows beside each other in y, behind the dimension
};

Rows rows_of(const ComputeGraph& graph, const ArgCall& call) {
  const Sizes& x = graph.sizes(call.x);
  Rows rows{x, contiguous_strides(x)};
  if (call.over_all || x.empty()) {
    rows.steps = element_count(graph, call.op, call.x);
    rows.sizes.assign(x.size(), 1);
    rows.strides.assign(x.size(), 0);
    return rows;
  }
  rows.steps = x[call.dim];
  rows.step = rows.strides[call.dim];
  rows.sizes[call.dim] = 1;
  rows.strides[call.dim] = 0;
  const auto behind = x.begin() + static_cast<int64_t>(call.dim) + 1;
  rows.inner = std::accumulate(behind, x.end(), int64_t{1}, std::multiplies<>());
  return rows;
}

Sizes result_sizes(const ArgCall& call, Sizes sizes) {
  if (call.places > 0 && !sizes.empty()) {
    sizes[call.dim] = call.places;
  } else if (call.places == 0 && !call.keeps_dim && call.over_all) {
    sizes.clear();
  } else if (call.places == 0 && !call.keeps_dim && !sizes.empty()) {
    sizes.erase(sizes.begin() + static_cast<int64_t>(call.dim));
  }
  return sizes;
}

void record_arg(ComputeGraph& graph, Commands& commands, const ArgCall& call) {
  const Rows rows = rows_of(graph, call);
  graph.set_sizes(call.y, result_sizes(call, rows.sizes));
  const uint32_t results = element_count(graph, call.op, call.y);
  if (results == 0) {
    return;
  }
  const int64_t places = std::max<int64_t>(call.places, 1);
  ETVK_CHECK(rows.steps >= places, kInvalidProgram,
             call.op << ": there " << (places == 1 ? "is no place" : "are too few places")
                     << " in a dimension of size " << rows.steps << ", x is "
                     << shape_text(graph.sizes(call.x)));
  ETVK_CHECK(rows.steps <= INT32_MAX, kNotSupported,
             call.op << ": a place among " << rows.steps << ", the limit is 2^31 - 1");
  element_count(graph, call.op, call.x);
  ArgExtremePush push{};
  push.steps = static_cast<uint32_t>(rows.steps);
  push.step = static_cast<uint32_t>(rows.step);
  push.places = static_cast<uint32_t>(places);
  push.inner = static_cast<uint32_t>(rows.inner);
  push.count = results / push.places;
  const Loops loops = merge_loops(call.op, {rows.sizes, {rows.strides}});
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.x_strides);
  const uint64_t end = element_end(loops, 0) + uint64_t{push.steps - 1} * push.step;
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"arg_extreme", push.count}});
  const Pipeline& pipeline = graph.context().pipelines.get(
      row, {static_cast<uint32_t>(loops.sizes.size()), call.is_least ? 1u : 0u,
            graph.dtype(call.x) == DType::kInt32 ? 1u : 0u, call.nan_is_large ? 1u : 0u});
  // A place takes a round for each doubling of the threads, and one thread its next element.
  const uint32_t rounds = push.steps / row.workgroup_size + 16;
  const uint32_t most = std::max(kMostRounds / rounds, 1u);
  while (push.end < push.places) {
    push.first = push.end;
    push.end += std::min(most, push.places - push.first);
    commands.dispatch(pipeline,
                      {bind_elements(graph, call.y, results), bind_elements(graph, call.x, end)},
                      push, {std::min(push.count, graph.caps().max_workgroup_count), 1, 1});
  }
}

void add_arg(ComputeGraph& graph, const ArgCall& call) {
  const DType dtype = graph.dtype(call.x);
  ETVK_CHECK(
      (dtype == DType::kFloat32 || dtype == DType::kInt32) && graph.dtype(call.y) == DType::kInt32,
      kInvalidProgram,
      call.op << ": expected float32 or int32 to int32, got " << dtype_name(dtype) << " to "
              << dtype_name(graph.dtype(call.y)));
  const auto record = [&graph, call](Commands& commands) { record_arg(graph, commands, call); };
  graph.add_node({call.op, {call.x}, {call.y}, record});
}

size_t dim_of(const ComputeGraph& graph, const ArgCall& call, int64_t dim) {
  return wrap_dim_or_number(call.op, dim, graph.dims(call.x).size());
}

void add_one_place(ComputeGraph& graph, const OpArgs& args, bool is_least) {
  ArgCall call{args.op(), args.tensor("self"), args.output(), is_least};
  const ValueId dim = args.optional_symint("dim");
  call.over_all = dim < 0;
  call.keeps_dim = args.boolean("keepdim");
  call.dim = call.over_all ? 0 : dim_of(graph, call, graph.integer(dim));
  add_arg(graph, call);
}

void argmax(ComputeGraph& graph, const OpArgs& args) { add_one_place(graph, args, false); }
void argmin(ComputeGraph& graph, const OpArgs& args) { add_one_place(graph, args, true); }

void topk_places(ComputeGraph& graph, const OpArgs& args) {
  ArgCall call{args.op(), args.tensor("x"), args.output(), !args.boolean("largest"), true};
  call.places = args.integer("k");
  ETVK_CHECK(call.places >= 1, kInvalidProgram,
             call.op << ": k must be at least 1, got " << call.places);
  call.dim = dim_of(graph, call, args.integer("dim"));
  add_arg(graph, call);
}

constexpr const char* kSignature = "self:tensor dim:symint? keepdim:boolean y:out";

const RegisterOps registered({
    {"aten.argmax.default", kSignature, argmax},
    {"aten.argmin.default", kSignature, argmin},
    {"et_vk.topk_places.default", "x:tensor k:integer dim:integer largest:boolean y:out",
     topk_places},
});

}  // namespace

}  // namespace etvk::ops
