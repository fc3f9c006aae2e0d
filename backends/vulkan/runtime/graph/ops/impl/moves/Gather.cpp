// Ops whose elements are picked by an integer tensor along one dimension: embedding, gather,
// index_select, and index with one tensor. What is no place there, which PyTorch refuses, reads the
// nearest one.
#include "graph/ops/impl/moves/Gather.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Whether y's neighbours are x's, `by` at a time.
bool divides(const Loops& loops, int64_t x_step, int64_t by) {
  const Sizes& x = loops.strides[0];
  int64_t all = loops.sizes.back() | x_step;
  for (size_t i = 0; i + 1 < x.size(); ++i) {
    all |= x[i];
  }
  return x.back() == 1 && loops.strides[1].back() == 0 && all % by == 0;  // `by` is a power of two
}

}  // namespace

void dispatch_gather(ComputeGraph& graph, Commands& commands, const GatherCall& call,
                     const Places& places) {
  const uint32_t count = element_count(graph, call.op, call.y);
  if (count == 0) {
    return;
  }
  ETVK_CHECK(places.x_size > 0, kInvalidProgram,
             call.op << ": nothing can be picked from a dimension of size 0");
  element_count(graph, call.op, call.x);
  ETVK_CHECK(places.x_size <= INT32_MAX, kNotSupported,
             call.op << ": a dimension of " << places.x_size << ", the limit is 2^31 - 1");
  Loops loops = merge_loops(call.op, {places.sizes, {places.x_strides, places.index_strides}});
  const uint64_t x_end =
      element_end(loops, 0) + static_cast<uint64_t>((places.x_size - 1) * places.x_step);
  const uint64_t index_end = element_end(loops, 1);

  const auto element_bytes = static_cast<int64_t>(dtype_bytes(graph.dtype(call.y)));
  const bool has_base = call.base >= 0;
  const char* groups = has_base ? "scatter_groups" : "gather_groups";
  const char* kernels = element_bytes == 4 ? (has_base ? "scatter_words" : "gather_words")
                                           : (has_base ? "scatter_bytes" : "gather_bytes");
  int64_t by = 1;
  if (divides(loops, places.x_step, 16 / element_bytes) && has_kernel(graph.caps(), groups)) {
    kernels = groups;
    by = 16 / element_bytes;
  }
  loops.sizes.back() /= by;
  GatherPush push{};
  push.count = static_cast<uint32_t>(count / by);
  push.x_size = static_cast<uint32_t>(places.x_size);
  push.x_step = static_cast<uint32_t>(places.x_step / by);
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  for (size_t i = 0; i < loops.sizes.size(); ++i) {
    const bool is_last = i + 1 == loops.sizes.size();
    push.x_strides[i] = static_cast<uint32_t>(loops.strides[0][i] / (is_last ? 1 : by));
    push.index_strides[i] = static_cast<uint32_t>(loops.strides[1][i]);
  }
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{kernels, push.count}});
  const auto rank = static_cast<uint32_t>(loops.sizes.size());
  std::vector<Binding> bindings = {bind_elements(graph, call.y, count),
                                   bind_elements(graph, call.x, x_end),
                                   bind_elements(graph, call.index, index_end)};
  if (has_base) {
    bindings.push_back(bind_elements(graph, call.base, count));
  }
  commands.dispatch(graph.context().pipelines.get(row, {rank, call.counts_back ? 1u : 0u}),
                    bindings, push, elementwise_grid(row, graph.caps(), push.count));
}

namespace {

// The dimensions as they are nested in y.
Places nested_as(const ComputeGraph& graph, ValueId y, const Places& places) {
  Places nested{{}, {}, {}, places.x_size, places.x_step};
  for (size_t dim : graph.memory_dims(y)) {
    nested.sizes.push_back(places.sizes[dim]);
    nested.x_strides.push_back(places.x_strides[dim]);
    nested.index_strides.push_back(places.index_strides[dim]);
  }
  return nested;
}

void add_gather(ComputeGraph& graph, const GatherCall& call,
                const std::function<Places()>& describe) {
  check_movable(graph, call.op, call.x, call.y);
  ETVK_CHECK(graph.dtype(call.index) == DType::kInt32, kInvalidProgram,
             call.op << ": the index must be int32, got " << dtype_name(graph.dtype(call.index)));
  const auto record = [&graph, call, describe](Commands& commands) {
    const Places places = describe();
    graph.set_sizes(call.y, places.sizes);
    dispatch_gather(graph, commands, call, nested_as(graph, call.y, places));
  };
  graph.add_node({call.op, {call.x, call.index}, {call.y}, record});
}

// Of x, dimension `dim` becomes the dimensions of the index.
Places replace_dim(const Sizes& x, const Sizes& x_strides, size_t dim, const Sizes& index) {
  const Sizes index_strides = contiguous_strides(index);
  Places places{x, x_strides, Sizes(x.size(), 0), x[dim], x_strides[dim]};
  const auto replace = [dim](Sizes& list, const Sizes& by) {
    const auto at = list.begin() + static_cast<int64_t>(dim);
    list.insert(list.erase(at), by.begin(), by.end());
  };
  replace(places.sizes, index);
  replace(places.x_strides, Sizes(index.size(), 0));
  replace(places.index_strides, index_strides);
  return places;
}

void add_replaced_dim(ComputeGraph& graph, const GatherCall& call, size_t dim) {
  add_gather(graph, call, [&graph, call, dim] {
    return replace_dim(graph.sizes(call.x), graph.strides(call.x), dim, graph.sizes(call.index));
  });
}

// padding_idx and what follows change gradients alone.
void embedding(ComputeGraph& graph, const OpArgs& args) {
  const GatherCall call{args.op(), args.tensor("weight"), args.tensor("indices"), args.output()};
  ETVK_CHECK(graph.dims(call.x).size() == 2, kInvalidProgram,
             call.op << ": weight must be [rows, columns], got " << shape_text(graph.dims(call.x)));
  add_replaced_dim(graph, call, 0);
}

void index_select(ComputeGraph& graph, const OpArgs& args) {
  const GatherCall call{args.op(), args.tensor("self"), args.tensor("index"), args.output()};
  const size_t rank = graph.dims(call.x).size();
  ETVK_CHECK(rank > 0 && graph.dims(call.index).size() == 1, kInvalidProgram,
             call.op << ": expected a tensor with dimensions and an index of one, got shapes "
                     << shape_text(graph.dims(call.x)) << " and "
                     << shape_text(graph.dims(call.index)));
  add_replaced_dim(graph, call, wrap_dim(call.op, args.integer("dim"), rank));
}

void index(ComputeGraph& graph, const OpArgs& args) {
  const IndexedDim given = indexed_dim(graph, args);
  add_replaced_dim(graph, {args.op(), args.tensor("self"), given.index, args.output(), true},
                   given.dim);
}

void gather(ComputeGraph& graph, const OpArgs& args) {
  const GatherCall call{args.op(), args.tensor("self"), args.tensor("index"), args.output()};
  const size_t rank = graph.dims(call.x).size();
  ETVK_CHECK(rank > 0 && graph.dims(call.index).size() == rank, kInvalidProgram,
             call.op << ": self and index must have the same number of dimensions, one at least, "
                        "got shapes "
                     << shape_text(graph.dims(call.x)) << " and "
                     << shape_text(graph.dims(call.index)));
  const size_t dim = wrap_dim(call.op, args.integer("dim"), rank);
  add_gather(graph, call, [&graph, call, dim] {
    const Sizes& x = graph.sizes(call.x);
    const Sizes& sizes = graph.sizes(call.index);
    Places places{sizes, contiguous_strides(x), contiguous_strides(sizes), x[dim], 0};
    places.x_step = std::exchange(places.x_strides[dim], 0);
    for (size_t i = 0; i < sizes.size(); ++i) {
      ETVK_CHECK(i == dim || sizes[i] <= x[i], kInvalidProgram,
                 call.op << ": an index of shape " << shape_text(sizes)
                         << " is larger than self of shape " << shape_text(x));
    }
    return places;
  });
}

const RegisterOps registered({
    {"aten.embedding.default",
     "weight:tensor indices:tensor padding_idx:any scale_grad_by_freq:any sparse:any y:out",
     embedding},
    {"aten.index_select.default", "self:tensor@either dim:integer index:tensor y:out@either",
     index_select},
    {"aten.index.Tensor", "self:tensor@either indices:tensors? y:out@either", index},
    {"aten.gather.default", "self:tensor dim:integer index:tensor sparse_grad:any y:out", gather},
});

}  // namespace

IndexedDim indexed_dim(const ComputeGraph& graph, const OpArgs& args) {
  const std::vector<ValueId> indices = args.optional_tensors("indices");
  const auto is_tensor = [](ValueId id) { return id >= 0; };
  ETVK_CHECK(std::count_if(indices.begin(), indices.end(), is_tensor) == 1, kNotSupported,
             args.op() << ": one dimension can be indexed by a tensor, got more");
  const auto given = std::find_if(indices.begin(), indices.end(), is_tensor);
  const auto dim = static_cast<size_t>(given - indices.begin());
  const Sizes& self = graph.dims(args.tensor("self"));
  ETVK_CHECK(
      dim < self.size(), kInvalidProgram,
      args.op() << ": dimension " << dim << " is indexed, self has shape " << shape_text(self));
  return {*given, dim};
}

}  // namespace etvk::ops
