// Ops whose result is a region of one tensor, or regions of several: slice, select, expand, copy,
// flip, repeat and cat.
// Sizes and symbolic arguments are read when the program is recorded.
#include <algorithm>
#include <utility>

#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// start and end may be None, negative, or beyond the tensor.
void slice(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(op, args.integer("dim"), graph.dims(x).size());
  const ValueId start = args.optional_symint("start");
  const ValueId end = args.optional_symint("end");
  const ValueId step = args.symint("step");
  const ValueId y = args.output();
  add_copy(graph, op, x, y, [&graph, op, x, dim, start, end, step] {
    Region region = whole(graph, x);
    const int64_t size = region.sizes[dim];
    const auto position = [&](ValueId id, int64_t absent) {
      const int64_t value = id < 0 ? absent : graph.integer(id);
      return std::clamp<int64_t>(value < 0 ? value + size : value, 0, size);
    };
    const int64_t first = position(start, 0);
    const int64_t length = std::max<int64_t>(position(end, size) - first, 0);
    const int64_t by = graph.integer(step);
    ETVK_CHECK(by > 0, kInvalidProgram, op << ": step " << by << " must be positive");
    region.offset = first * region.strides[dim];
    region.sizes[dim] = length / by + (length % by != 0 ? 1 : 0);
    region.strides[dim] *= std::min(by, std::max<int64_t>(size, 1));
    return region;
  });
}

void select(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(op, args.integer("dim"), graph.dims(x).size());
  const ValueId index = args.symint("index");
  const ValueId y = args.output();
  add_copy(graph, op, x, y, [&graph, op, x, dim, index] {
    Region region = whole(graph, x);
    const int64_t size = region.sizes[dim];
    const int64_t at = graph.integer(index);
    ETVK_CHECK(-size <= at && at < size, kInvalidProgram,
               op << ": index " << at << " is outside dim " << dim << " of size " << size);
    region.offset = (at < 0 ? at + size : at) * region.strides[dim];
    region.sizes.erase(region.sizes.begin() + static_cast<int64_t>(dim));
    region.strides.erase(region.strides.begin() + static_cast<int64_t>(dim));
    return region;
  });
}

// All of x, repeated to these sizes, of which -1 is x's.
Region repeated(const ComputeGraph& graph, const std::string& op, ValueId x, const Sizes& sizes) {
  const Region from = whole(graph, x);
  Region region;
  region.sizes = sizes;
  const size_t added = region.sizes.size() - from.sizes.size();
  ETVK_CHECK(region.sizes.size() >= from.sizes.size(), kInvalidProgram,
             op << ": " << shape_text(from.sizes) << " cannot become " << shape_text(region.sizes));
  region.strides.assign(region.sizes.size(), 0);
  for (size_t i = 0; i < from.sizes.size(); ++i) {
    int64_t& wanted = region.sizes[added + i];
    wanted = wanted == -1 ? from.sizes[i] : wanted;
    ETVK_CHECK(wanted == from.sizes[i] || from.sizes[i] == 1, kInvalidProgram,
               op << ": size " << from.sizes[i] << " of dim " << i << " cannot become " << wanted);
    region.strides[added + i] = from.sizes[i] == 1 ? 0 : from.strides[i];
  }
  return region;
}

void expand(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const ValueId size = args.symints("size");
  add_copy(graph, op, x, args.output(),
           [&graph, op, x, size] { return repeated(graph, op, x, graph.integers(size)); });
}

// src in the shape of self, of which nothing else counts.
void copy(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId shape = args.tensor("self");
  const ValueId x = args.tensor("src");
  const ValueId y = args.output();
  check_movable(graph, op, shape, y);
  check_movable(graph, op, x, y);
  const auto record = [&graph, op, x, shape, y](Commands& commands) {
    const Region region = repeated(graph, op, x, graph.sizes(shape));
    graph.set_sizes(y, region.sizes);
    const int64_t count = graph.numel(y);
    dispatch_copy(graph, commands, op, x, y, region, {count, count, 0});
  };
  graph.add_node({op, {x, shape}, {y}, record});
}

// The dimensions listed are walked through from their ends.
void flip(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  std::vector<size_t> dims;
  for (int64_t dim : args.integers("dims")) {
    dims.push_back(wrap_dim(op, dim, graph.dims(x).size()));
    ETVK_CHECK(std::count(dims.begin(), dims.end(), dims.back()) == 1, kInvalidProgram,
               op << ": dim " << dim << " is listed twice");
  }
  add_copy(graph, op, x, args.output(), [&graph, x, dims] {
    Region region = whole(graph, x);
    for (size_t dim : dims) {
      region.offset += std::max<int64_t>(region.sizes[dim] - 1, 0) * region.strides[dim];
      region.strides[dim] *= -1;
    }
    return region;
  });
}

// Each dimension of y is two loops, over repetitions and over x.
void repeat(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const ValueId repeats = args.symints("repeats");
  const ValueId y = args.output();
  check_movable(graph, op, x, y);
  const auto record = [&graph, op, x, repeats, y](Commands& commands) {
    const Sizes times = graph.integers(repeats);
    const Sizes& from = graph.sizes(x);
    ETVK_CHECK(
        times.size() >= from.size() &&
            std::all_of(times.begin(), times.end(), [](int64_t one) { return one >= 0; }),
        kInvalidProgram,
        op << ": " << shape_text(from) << " cannot be repeated " << shape_text(times) << " times");
    const size_t added = times.size() - from.size();
    Sizes inner(added, 1);
    Sizes strides(added, 0);
    const Sizes x_strides = graph.strides(x);
    inner.insert(inner.end(), from.begin(), from.end());
    strides.insert(strides.end(), x_strides.begin(), x_strides.end());
    Sizes sizes = inner;
    for (size_t dim = 0; dim < sizes.size(); ++dim) {
      ETVK_CHECK(!__builtin_mul_overflow(inner[dim], times[dim], &sizes[dim]), kInvalidProgram,
                 op << ": " << inner[dim] << " cannot be repeated " << times[dim] << " times");
    }
    graph.set_sizes(y, sizes);
    Loops loops{{}, {{}}};
    for (size_t dim : graph.memory_dims(y)) {
      loops.sizes.insert(loops.sizes.end(), {times[dim], inner[dim]});
      loops.strides[0].insert(loops.strides[0].end(), {0, strides[dim]});
    }
    const int64_t count = graph.numel(y);
    dispatch_nest(graph, commands, op, x, y, loops, 0, {count, count, 0});
  };
  graph.add_node({op, args.reads(), {y}, record});
}

// Each part is copied into rows of y, one behind the other.
void cat(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const std::vector<ValueId> parts = args.tensors("tensors");
  const int64_t listed_dim = args.integer("dim");
  const ValueId y = args.output();
  const size_t rank = graph.dims(y).size();
  const size_t dim = wrap_dim(op, listed_dim, rank);
  for (ValueId part : parts) {
    check_movable(graph, op, part, y);
    ETVK_CHECK(
        graph.dims(part).size() == rank, kInvalidProgram,
        op << ": a part of rank " << graph.dims(part).size() << ", the output has rank " << rank);
  }
  const auto record = [&graph, op, parts, dim, y](Commands& commands) {
    Sizes sizes = graph.sizes(parts[0]);
    sizes[dim] = 0;
    for (ValueId part : parts) {
      Sizes others = graph.sizes(part);
      const int64_t length = std::exchange(others[dim], sizes[dim]);
      ETVK_CHECK(others == sizes, kInvalidProgram,
                 op << ": parts of shapes " << shape_text(graph.sizes(parts[0])) << " and "
                    << shape_text(graph.sizes(part)) << " along dim " << dim);
      sizes[dim] += length;
    }
    graph.set_sizes(y, sizes);
    const int64_t inner = graph.strides(y)[dim];
    Target target{0, sizes[dim] * inner, 0};
    for (ValueId part : parts) {
      target.run = graph.sizes(part)[dim] * inner;
      dispatch_copy(graph, commands, op, part, y, whole(graph, part), target);
      target.offset += target.run;
    }
  };
  graph.add_node({op, parts, {y}, record});
}

const RegisterOps registered({
    {"aten.slice_copy.Tensor",
     "self:tensor@either dim:integer start:symint? end:symint? step:symint y:out@either", slice},
    {"aten.select_copy.int", "self:tensor@either dim:integer index:symint y:out@either", select},
    {"aten.expand_copy.default", "self:tensor@either size:symints implicit:any y:out@either",
     expand},
    {"aten.copy.default", "self:tensor src:tensor@either non_blocking:any y:out@either", copy},
    {"aten.flip.default", "self:tensor@either dims:integers y:out@either", flip},
    {"aten.repeat.default", "self:tensor@either repeats:symints y:out@either", repeat},
    {"aten.cat.default", "tensors:tensors@either dim:integer y:out@either", cat},
});

}  // namespace

}  // namespace etvk::ops
