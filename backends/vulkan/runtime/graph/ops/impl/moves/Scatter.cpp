// Ops that write elements to places that an integer tensor gives: index_put with one tensor, and
// scatter. Two dispatches, in which no order of threads shows: for each place, what is written
// there last (scatter_map.comp); then each element of y is that, or what it was (gather.comp). What
// is no place, which PyTorch refuses, is not written. An index_put whose result is in self's own
// memory writes only what it is given (put.comp).
#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/elementwise/Creation.h"
#include "graph/ops/impl/moves/Accumulate.h"
#include "graph/ops/impl/moves/Gather.h"
#include "graph/ops/impl/moves/Put.h"
#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Places of the index, nested as it is: what one step is in the map and among the values.
struct Writes {
  Sizes sizes;
  Sizes map_strides;
  Sizes value_strides;
  int64_t map_count = 0;
  int64_t map_size = 0;  // of the dimension that the index is of
  int64_t map_step = 0;
};

struct ScatterCall {
  std::string op;
  ValueId base = -1;
  ValueId index = -1;
  ValueId values = -1;
  ValueId y = -1;
  ValueId map = -1;
  bool counts_back = false;
};

uint32_t narrowed(const ScatterCall& call, int64_t number) {
  ETVK_CHECK(number <= INT32_MAX, kNotSupported,
             call.op << ": " << number << " places, the limit is 2^31 - 1");
  return static_cast<uint32_t>(number);
}

void dispatch_map(ComputeGraph& graph, Commands& commands, const ScatterCall& call,
                  const Writes& writes) {
  graph.set_sizes(call.map, {writes.map_count});
  narrowed(call, writes.map_count);
  dispatch_fill(graph, commands, call.op, call.map, UINT32_MAX);
  const uint32_t count = element_count(graph, call.op, call.index);
  if (count == 0 || writes.map_count == 0) {
    return;
  }
  const Loops loops =
      merge_loops(call.op, {writes.sizes, {writes.map_strides, writes.value_strides}});
  ScatterMapPush push{};
  push.count = count;
  push.map_size = narrowed(call, writes.map_size);
  push.map_step = static_cast<uint32_t>(writes.map_step);
  narrowed(call, static_cast<int64_t>(element_end(loops, 1)));
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.map_strides);
  std::copy(loops.strides[1].begin(), loops.strides[1].end(), push.value_strides);
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"scatter_map", count}});
  const auto rank = static_cast<uint32_t>(loops.sizes.size());
  commands.dispatch(graph.context().pipelines.get(row, {rank, call.counts_back ? 1u : 0u}),
                    {bind_elements(graph, call.map, static_cast<uint64_t>(writes.map_count)),
                     bind_elements(graph, call.index, count)},
                    push, elementwise_grid(row, graph.caps(), count));
}

// What is written, and where it is read from: steps of y's dimensions among the values and in the
// map.
struct Plan {
  Writes writes;
  Places places;
  std::optional<PutPlaces> put;  // in self's own memory
};

// Whether that is what is done. Nothing else than the values is touched.
bool dispatch_in_place(ComputeGraph& graph, Commands& commands, const ScatterCall& call,
                       const Plan& plan) {
  const int64_t count = graph.numel(call.index);
  PutCall put{call.op, call.values, call.index, call.y, call.map};
  if (!plan.put || !graph.is_overwritten(call.base, call.y) || !can_put(graph, put, *plan.put)) {
    return false;
  }
  if (count == 0) {
    return true;
  }
  if (count == 1) {
    put.map = -1;
  } else {
    const Sizes& index = plan.writes.sizes;
    const int64_t places = plan.put->place_count;
    dispatch_map(graph, commands, call,
                 {index, Sizes(index.size(), 0), contiguous_strides(index), places, places, 1});
  }
  dispatch_put(graph, commands, put, *plan.put);
  return true;
}

void add_scatter(ComputeGraph& graph, ScatterCall call, const std::vector<ValueId>& reads,
                 int64_t map_bound, bool fills_value, uint32_t value,
                 const std::function<Plan()>& describe) {
  check_movable(graph, call.op, call.base, call.y);
  check_movable(graph, call.op, call.values, call.y);
  ETVK_CHECK(graph.dtype(call.index) == DType::kInt32, kInvalidProgram,
             call.op << ": the index must be int32, got " << dtype_name(graph.dtype(call.index)));
  call.map = graph.add_scratch(DType::kInt32, {map_bound});
  const auto record = [&graph, call, fills_value, value, describe](Commands& commands) {
    const Plan plan = describe();
    graph.set_sizes(call.y, graph.sizes(call.base));
    if (graph.numel(call.y) == 0) {
      return;
    }
    if (dispatch_in_place(graph, commands, call, plan)) {
      return;
    }
    if (fills_value) {
      dispatch_fill(graph, commands, call.op, call.values, value);
    }
    dispatch_map(graph, commands, call, plan.writes);
    GatherCall gather{call.op, call.values, call.map, call.y, false, call.base};
    Places places = plan.places;
    if (graph.numel(call.index) == 0) {
      // Nothing is read of the values, of which there may be none.
      gather.x = call.base;
      places.x_strides.assign(places.x_strides.size(), 0);
      places.x_size = 1;
    }
    dispatch_gather(graph, commands, gather, places);
  };
  std::vector<ValueId> writes = {call.y, call.map};
  if (fills_value) {
    writes.push_back(call.values);
  }
  graph.add_node({call.op, reads, writes, record, -1, {call.base}});
}

// ---- index_put.

// Steps of the values for the dimensions of `to`, which they are repeated to.
Sizes repeated_strides(const ScatterCall& call, const Sizes& values, const Sizes& to) {
  const Sizes own = contiguous_strides(values);
  Sizes strides(to.size(), 0);
  ETVK_CHECK(values.size() <= to.size(), kInvalidProgram,
             call.op << ": values of shape " << shape_text(values) << " are written to "
                     << shape_text(to));
  const size_t added = to.size() - values.size();
  for (size_t i = 0; i < values.size(); ++i) {
    ETVK_CHECK(values[i] == to[added + i] || values[i] == 1, kInvalidProgram,
               call.op << ": values of shape " << shape_text(values) << " are written to "
                       << shape_text(to));
    strides[added + i] = values[i] == 1 ? 0 : own[i];
  }
  return strides;
}

// `to`: the shape of what is written, of which the values have these strides.
PutPlaces put_places(const Sizes& sizes, size_t dim, const Sizes& index, const Sizes& to,
                     const Sizes& strides) {
  const Sizes own = contiguous_strides(sizes);
  const auto at = static_cast<int64_t>(dim);
  PutPlaces places{to,         strides, {own.begin(), own.begin() + at}, Sizes(dim, 0),
                   sizes[dim], own[dim]};
  const Sizes steps = contiguous_strides(index);
  places.y_strides.insert(places.y_strides.end(), index.size(), 0);
  places.y_strides.insert(places.y_strides.end(), own.begin() + at + 1, own.end());
  places.index_strides.insert(places.index_strides.end(), steps.begin(), steps.end());
  places.index_strides.resize(to.size(), 0);
  return places;
}

Plan plan_put(const ScatterCall& call, const Sizes& sizes, size_t dim, const Sizes& index,
              const Sizes& values) {
  const auto at = static_cast<int64_t>(dim);
  Sizes to(sizes.begin(), sizes.begin() + at);
  to.insert(to.end(), index.begin(), index.end());
  to.insert(to.end(), sizes.begin() + at + 1, sizes.end());
  const Sizes strides = repeated_strides(call, values, to);
  const auto first = strides.begin() + at;
  const auto end = first + static_cast<int64_t>(index.size());

  Plan plan;
  plan.writes = {index, Sizes(index.size(), 0), Sizes(first, end), sizes[dim], sizes[dim], 1};
  plan.put = put_places(sizes, dim, index, to, strides);
  // The map counts in the smallest step, which is the last one. Steps of no values say nothing.
  const bool is_empty = std::find(values.begin(), values.end(), 0) != values.end();
  int64_t step = 0;
  for (size_t i = index.size(); i-- > 0;) {
    const int64_t own = index[i] > 1 ? plan.writes.value_strides[i] : step;
    ETVK_CHECK(own != 0 || step == 0 || is_empty, kNotSupported,
               call.op << ": values of shape " << shape_text(values)
                       << " are repeated in front of a dimension that they have; expand them");
    step = step == 0 ? own : step;
  }
  int64_t most = 0;
  for (size_t i = 0; i < index.size(); ++i) {
    int64_t& own = plan.writes.value_strides[i];
    own = index[i] > 1 && step > 0 ? own / step : 0;
    most += std::max<int64_t>(index[i] - 1, 0) * own;
  }
  Places& places = plan.places;
  places = {sizes, {strides.begin(), first}, Sizes(sizes.size(), 0), most + 1, step};
  places.x_strides.push_back(0);
  places.x_strides.insert(places.x_strides.end(), end, strides.end());
  places.index_strides[dim] = 1;
  return plan;
}

// Of the dimensions of an index, seen as one: the step of the values.
int64_t joined_step(const ScatterCall& call, const Sizes& index, const Sizes& strides) {
  int64_t step = 0;
  int64_t wanted = 0;
  for (size_t i = index.size(); i-- > 0;) {
    if (index[i] == 1) {
      continue;
    }
    step = wanted == 0 ? strides[i] : step;
    wanted = wanted == 0 ? strides[i] : wanted;
    ETVK_CHECK(strides[i] == wanted, kNotSupported,
               call.op << ": values are repeated along a dimension of the index; expand them");
    wanted *= index[i];
  }
  return step;
}

Sums sums_of_put(const ScatterCall& call, const Sizes& sizes, size_t dim, const Sizes& index,
                 const Sizes& values) {
  const auto at = static_cast<int64_t>(dim);
  Sizes to(sizes.begin(), sizes.begin() + at);
  to.insert(to.end(), index.begin(), index.end());
  to.insert(to.end(), sizes.begin() + at + 1, sizes.end());
  const Sizes strides = repeated_strides(call, values, to);
  const auto first = strides.begin() + at;
  const auto end = first + static_cast<int64_t>(index.size());
  Sums sums{sizes,
            Sizes(sizes.size(), 0),
            {strides.begin(), first},
            dim,
            1,
            1,
            joined_step(call, index, {first, end})};
  sums.source_strides.push_back(0);
  sums.source_strides.insert(sums.source_strides.end(), end, strides.end());
  for (int64_t size : index) {
    sums.steps *= size;
  }
  return sums;
}

void add_accumulate(ComputeGraph& graph, const ScatterCall& call,
                    const std::function<Sums()>& describe) {
  const AccumulateCall sums{call.op, call.base, call.index, call.values, call.y, call.counts_back};
  check_accumulate(graph, sums);
  const auto record = [&graph, sums, describe](Commands& commands) {
    graph.set_sizes(sums.y, graph.sizes(sums.base));
    dispatch_accumulate(graph, commands, sums, describe());
  };
  graph.add_node(
      {call.op, {call.base, call.index, call.values}, {call.y}, record, -1, {call.base}});
}

void index_put(ComputeGraph& graph, const OpArgs& args) {
  const std::vector<ValueId> indices = args.optional_tensors("indices");
  const auto is_tensor = [](ValueId id) { return id >= 0; };
  ETVK_CHECK(std::count_if(indices.begin(), indices.end(), is_tensor) == 1, kNotSupported,
             args.op() << ": one dimension can be indexed by a tensor, got more");
  const auto given = std::find_if(indices.begin(), indices.end(), is_tensor);
  const auto dim = static_cast<size_t>(given - indices.begin());
  ScatterCall call{args.op(), args.tensor("self"), *given, args.tensor("values"), args.output()};
  call.counts_back = true;
  ETVK_CHECK(dim < graph.dims(call.base).size(), kInvalidProgram,
             call.op << ": dimension " << dim << " is indexed, self has shape "
                     << shape_text(graph.dims(call.base)));
  if (args.boolean("accumulate")) {
    add_accumulate(graph, call, [&graph, call, dim] {
      return sums_of_put(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                         graph.sizes(call.values));
    });
    return;
  }
  add_scatter(graph, call, {call.base, call.index, call.values}, graph.dims(call.base)[dim], false,
              0, [&graph, call, dim] {
                return plan_put(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                                graph.sizes(call.values));
              });
}

// ---- scatter.

// `values`: the shape of the source, or none for a single value.
Plan plan_scatter(const ScatterCall& call, const Sizes& sizes, size_t dim, const Sizes& index,
                  const Sizes* values) {
  const Sizes strides = contiguous_strides(sizes);
  int64_t count = 1;
  for (int64_t size : sizes) {
    count *= size;
  }
  Plan plan;
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

ScatterCall read_scatter(ComputeGraph& graph, const OpArgs& args) {
  ScatterCall call{args.op(), args.tensor("self"), args.tensor("index"), -1, args.output()};
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

ScatterCall read_scatter_of_tensor(ComputeGraph& graph, const OpArgs& args) {
  ScatterCall call = read_scatter(graph, args);
  call.values = args.tensor("src");
  const size_t rank = graph.dims(call.base).size();
  ETVK_CHECK(graph.dims(call.values).size() == rank, kInvalidProgram,
             call.op << ": src must have " << rank << " dimensions, got shape "
                     << shape_text(graph.dims(call.values)));
  return call;
}

Sums sums_of_scatter(const ScatterCall& call, const Sizes& sizes, size_t dim, const Sizes& index,
                     const Sizes& source) {
  plan_scatter(call, sizes, dim, index, &source);  // checks the sizes
  Sums sums{index, contiguous_strides(index), contiguous_strides(source), dim, index[dim], 0, 0};
  sums.index_step = std::exchange(sums.index_strides[dim], 0);
  sums.source_step = std::exchange(sums.source_strides[dim], 0);
  sums.bounds[dim] = sizes[dim];
  return sums;
}

void scatter_add(ComputeGraph& graph, const OpArgs& args) {
  const ScatterCall call = read_scatter_of_tensor(graph, args);
  const size_t dim = wrap_dim(call.op, args.integer("dim"), graph.dims(call.base).size());
  add_accumulate(graph, call, [&graph, call, dim] {
    return sums_of_scatter(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                           graph.sizes(call.values));
  });
}

void scatter_tensor(ComputeGraph& graph, const OpArgs& args) {
  const ScatterCall call = read_scatter_of_tensor(graph, args);
  const size_t rank = graph.dims(call.base).size();
  const size_t dim = wrap_dim(call.op, args.integer("dim"), rank);
  add_scatter(graph, call, {call.base, call.index, call.values}, bound_of(graph, call.base), false,
              0, [&graph, call, dim] {
                return plan_scatter(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                                    &graph.sizes(call.values));
              });
}

void scatter_value(ComputeGraph& graph, const OpArgs& args) {
  ScatterCall call = read_scatter(graph, args);
  const DType dtype = graph.dtype(call.y);
  const uint32_t value = fill_bits(args, "value", args.scalar("value"), dtype);
  call.values = graph.add_scratch(dtype, {1});
  const size_t dim = wrap_dim(call.op, args.integer("dim"), graph.dims(call.base).size());
  add_scatter(graph, call, {call.base, call.index}, bound_of(graph, call.base), true, value,
              [&graph, call, dim] {
                return plan_scatter(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                                    nullptr);
              });
}

const RegisterOps registered({
    {"aten.index_put.default",
     "self:tensor indices:tensors? values:tensor accumulate:boolean y:out", index_put},
    {"aten.scatter.src", "self:tensor dim:integer index:tensor src:tensor y:out", scatter_tensor},
    {"aten.scatter_add.default", "self:tensor dim:integer index:tensor src:tensor y:out",
     scatter_add},
    {"aten.scatter.value", "self:tensor dim:integer index:tensor value:scalar y:out",
     scatter_value},
});

}  // namespace

}  // namespace etvk::ops
