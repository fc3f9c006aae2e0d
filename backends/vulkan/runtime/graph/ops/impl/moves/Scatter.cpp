// scatter of a tensor and of a value, and scatter_add: an index for each element that is written.
#include <algorithm>
#include <utility>

#include "graph/ops/impl/elementwise/Creation.h"
#include "graph/ops/impl/moves/IndexedWrites.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// `values`: the shape of the source, or none for a single value.
WritePlan plan_scatter(const IndexedWrite& call, const Sizes& sizes, size_t dim, const Sizes& index,
                       const Sizes* values) {
  const Sizes strides = contiguous_strides(sizes);
  int64_t count = 1;
  for (int64_t size : sizes) {
    count *= size;
  }
  WritePlan plan;
  plan.writes = {index, strides, Sizes(index.size(), 0), count, sizes[dim], strides[dim]};
  plan.writes.map_strides[dim] = 0;
  if (values != nullptr) {
    plan.writes.value_strides = contiguous_strides(*values);
  }
  int64_t most = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    ETVK_CHECK(
        (i == dim || index[i] <= sizes[i]) && (values == nullptr || index[i] <= (*values)[i]),
        kInvalidProgram,
        call.op << ": an index of shape " << shape_text(index) << " is larger than self of shape "
                << shape_text(sizes) << ", or than the source");
    most += std::max<int64_t>(index[i] - 1, 0) * plan.writes.value_strides[i];
  }
  plan.places = {{count}, {0}, {1}, most + 1, 1};
  return plan;
}

IndexedWrite read_scatter(ComputeGraph& graph, const OpArgs& args) {
  IndexedWrite call{args.op(), args.tensor("self"), args.tensor("index"), -1, args.output()};
  const size_t rank = graph.dims(call.base).size();
  ETVK_CHECK(rank > 0 && graph.dims(call.index).size() == rank, kInvalidProgram,
             call.op << ": self and index must have the same number of dimensions, one at least, "
                        "got shapes "
                     << shape_text(graph.dims(call.base)) << " and "
                     << shape_text(graph.dims(call.index)));
  return call;
}

int64_t bound_of(const ComputeGraph& graph, ValueId id) {
  int64_t count = 1;
  for (int64_t size : graph.dims(id)) {
    ETVK_CHECK(!__builtin_mul_overflow(count, size, &count), kInvalidProgram,
               "a tensor of shape " << shape_text(graph.dims(id)));
  }
  return count;
}

IndexedWrite read_scatter_of_tensor(ComputeGraph& graph, const OpArgs& args) {
  IndexedWrite call = read_scatter(graph, args);
  call.values = args.tensor("src");
  const size_t rank = graph.dims(call.base).size();
  ETVK_CHECK(graph.dims(call.values).size() == rank, kInvalidProgram,
             call.op << ": src must have " << rank << " dimensions, got shape "
                     << shape_text(graph.dims(call.values)));
  return call;
}

Sums sums_of_scatter(const IndexedWrite& call, const Sizes& sizes, size_t dim, const Sizes& index,
                     const Sizes& source) {
  plan_scatter(call, sizes, dim, index, &source);  // checks the sizes
  Sums sums{index, contiguous_strides(index), contiguous_strides(source), dim, index[dim], 0, 0};
  sums.index_step = std::exchange(sums.index_strides[dim], 0);
  sums.source_step = std::exchange(sums.source_strides[dim], 0);
  sums.bounds[dim] = sizes[dim];
  return sums;
}

void scatter_add(ComputeGraph& graph, const OpArgs& args) {
  const IndexedWrite call = read_scatter_of_tensor(graph, args);
  const size_t dim = wrap_dim(call.op, args.integer("dim"), graph.dims(call.base).size());
  add_sum_of_writes(graph, call, [&graph, call, dim] {
    return sums_of_scatter(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                           graph.sizes(call.values));
  });
}

void scatter_tensor(ComputeGraph& graph, const OpArgs& args) {
  const IndexedWrite call = read_scatter_of_tensor(graph, args);
  const size_t rank = graph.dims(call.base).size();
  const size_t dim = wrap_dim(call.op, args.integer("dim"), rank);
  add_write(graph, call, {call.base, call.index, call.values}, bound_of(graph, call.base), {},
            [&graph, call, dim] {
              return plan_scatter(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                                  &graph.sizes(call.values));
            });
}

void scatter_value(ComputeGraph& graph, const OpArgs& args) {
  IndexedWrite call = read_scatter(graph, args);
  const DType dtype = graph.dtype(call.y);
  const uint32_t value = fill_bits(args, "value", args.scalar("value"), dtype);
  call.values = graph.add_scratch(dtype, {1});
  const size_t dim = wrap_dim(call.op, args.integer("dim"), graph.dims(call.base).size());
  add_write(
      graph, call, {call.base, call.index}, bound_of(graph, call.base), value, [&graph, call, dim] {
        return plan_scatter(call, graph.sizes(call.base), dim, graph.sizes(call.index), nullptr);
      });
}

const RegisterOps registered({
    {"aten.scatter.src", "self:tensor dim:integer index:tensor src:tensor y:out", scatter_tensor},
    {"aten.scatter_add.default", "self:tensor dim:integer index:tensor src:tensor y:out",
     scatter_add},
    {"aten.scatter.value", "self:tensor dim:integer index:tensor value:scalar y:out",
     scatter_value},
});

}  // namespace

}  // namespace etvk::ops
