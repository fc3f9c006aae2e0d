// Ops whose result is a region of one tensor, or regions of several: slice, select, expand and cat.
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

void expand(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const ValueId size = args.symints("size");
  const ValueId y = args.output();
  add_copy(graph, op, x, y, [&graph, op, x, size] {
    const Region from = whole(graph, x);
    Region region;
    region.sizes = graph.integers(size);
    const size_t added = region.sizes.size() - from.sizes.size();
    ETVK_CHECK(
        region.sizes.size() >= from.sizes.size(), kInvalidProgram,
        op << ": " << shape_text(from.sizes) << " cannot become " << shape_text(region.sizes));
    region.strides.assign(region.sizes.size(), 0);
    for (size_t i = 0; i < from.sizes.size(); ++i) {
      int64_t& wanted = region.sizes[added + i];
      wanted = wanted == -1 ? from.sizes[i] : wanted;
      ETVK_CHECK(
          wanted == from.sizes[i] || from.sizes[i] == 1, kInvalidProgram,
          op << ": size " << from.sizes[i] << " of dim " << i << " cannot become " << wanted);
      region.strides[added + i] = from.sizes[i] == 1 ? 0 : from.strides[i];
    }
    return region;
  });
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
    {"aten.cat.default", "tensors:tensors@either dim:integer y:out@either", cat},
});

}  // namespace

}  // namespace etvk::ops
