// index_put with one tensor: writes to one dimension of self, or sums of them.
#include <algorithm>
#include <optional>

#include "graph/ops/impl/moves/IndexedWrites.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

bool is_empty(const Sizes& sizes) {
  return std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
}

// Steps of the values for the dimensions of `to`, which they are repeated to.
Sizes repeated_strides(const IndexedWrite& call, const Sizes& values, const Sizes& to) {
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

// What is written has the shape of self, but the index's in place of the dimension it is of.
struct Values {
  Sizes to;
  Sizes strides;
  // These parted: in front of the index, of it, and behind it.
  Sizes front;
  Sizes of_index;
  Sizes back;
};

Values values_of(const IndexedWrite& call, const Sizes& sizes, size_t dim, const Sizes& index,
                 const Sizes& values) {
  const auto at = static_cast<int64_t>(dim);
  Values all;
  all.to = {sizes.begin(), sizes.begin() + at};
  all.to.insert(all.to.end(), index.begin(), index.end());
  all.to.insert(all.to.end(), sizes.begin() + at + 1, sizes.end());
  all.strides = repeated_strides(call, values, all.to);
  const auto first = all.strides.begin() + at;
  const auto end = first + static_cast<int64_t>(index.size());
  all.front = {all.strides.begin(), first};
  all.of_index = {first, end};
  all.back = {end, all.strides.end()};
  return all;
}

// Steps along self: none along the dimension that the index is of.
Sizes steps_of_self(const Values& values) {
  Sizes steps = values.front;
  steps.push_back(0);
  steps.insert(steps.end(), values.back.begin(), values.back.end());
  return steps;
}

WritePlan plan_put(const IndexedWrite& call, const Sizes& sizes, size_t dim, const Sizes& index,
                   const Sizes& values) {
  const Values all = values_of(call, sizes, dim, index, values);
  WritePlan plan;
  plan.writes = {index, Sizes(index.size(), 0), all.of_index, sizes[dim], sizes[dim], 1};
  plan.put = put_places(sizes, dim, index, all.to, all.strides);
  // The map counts in the smallest step, which is the last one. Steps of no values say nothing.
  int64_t step = 0;
  for (size_t i = index.size(); i-- > 0;) {
    const int64_t own = index[i] > 1 ? plan.writes.value_strides[i] : step;
    ETVK_CHECK(own != 0 || step == 0 || is_empty(values), kNotSupported,
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
  places = {sizes, steps_of_self(all), Sizes(sizes.size(), 0), most + 1, step};
  places.index_strides[dim] = 1;
  return plan;
}

// Of the dimensions of an index, seen as one: the step of the values. Steps of no values say
// nothing.
int64_t joined_step(const IndexedWrite& call, const Sizes& index, const Sizes& values,
                    const Sizes& strides) {
  if (is_empty(values)) {
    return 0;
  }
  std::optional<int64_t> step;
  int64_t count = 1;
  for (size_t i = index.size(); i-- > 0;) {
    if (index[i] <= 1) {
      continue;
    }
    step = step.value_or(strides[i]);
    ETVK_CHECK(strides[i] == *step * count, kNotSupported,
               call.op << ": values are repeated along a dimension of the index; expand them");
    count *= index[i];
  }
  return step.value_or(0);
}

Sums sums_of_put(const IndexedWrite& call, const Sizes& sizes, size_t dim, const Sizes& index,
                 const Sizes& values) {
  const Values all = values_of(call, sizes, dim, index, values);
  Sums sums{sizes,
            Sizes(sizes.size(), 0),
            steps_of_self(all),
            dim,
            1,
            1,
            joined_step(call, index, values, all.of_index)};
  for (int64_t size : index) {
    sums.steps *= size;
  }
  return sums;
}

void index_put(ComputeGraph& graph, const OpArgs& args) {
  const IndexedDim given = indexed_dim(graph, args);
  const size_t dim = given.dim;
  IndexedWrite call{args.op(), args.tensor("self"), given.index, args.tensor("values"),
                    args.output()};
  call.counts_back = true;
  if (args.boolean("accumulate")) {
    add_sum_of_writes(graph, call, [&graph, call, dim] {
      return sums_of_put(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                         graph.sizes(call.values));
    });
    return;
  }
  add_write(graph, call, {call.base, call.index, call.values}, graph.dims(call.base)[dim], {},
            [&graph, call, dim] {
              return plan_put(call, graph.sizes(call.base), dim, graph.sizes(call.index),
                              graph.sizes(call.values));
            });
}

const RegisterOps registered({
    {"aten.index_put.default",
     "self:tensor indices:tensors? values:tensor accumulate:boolean y:out", index_put},
});

}  // namespace

}  // namespace etvk::ops
