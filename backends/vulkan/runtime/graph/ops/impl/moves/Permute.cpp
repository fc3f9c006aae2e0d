// Ops that only permute dimensions: permute, transpose, clone, which leaves them as they are, and
// what takes or gives a tensor of the method in the dim order that it has outside, channels-last
// say. The result is an alias where the orders of both tensors are such that nothing moves: a
// permute of [N, C, H, W], channels-last, to [N, H, W, C], row-major, for example.
#include <algorithm>
#include <iterator>
#include <numeric>

#include "graph/ops/impl/moves/StridedCopy.h"
#include "graph/ops/impl/moves/View.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

using Permutation = std::vector<size_t>;

// The dimensions of `self` that an argument lists.
Permutation permutation_of(const Values& values, const OpArgs& args, const char* name) {
  const Sizes listed = args.integers(name);
  const size_t rank = values.dims(args.tensor("self")).size();
  Permutation dims;
  for (int64_t dim : listed) {
    dims.push_back(wrap_dim(args.op(), dim, rank));
  }
  Permutation sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  const bool each_once = std::unique(sorted.begin(), sorted.end()) == sorted.end();
  ETVK_CHECK(each_once && dims.size() == rank, kInvalidProgram,
             args.op() << ": " << name << " " << shape_text(listed) << " do not name each of "
                       << rank << " dimensions once");
  return dims;
}

Permutation permutation_of(const Values& values, const OpArgs& args) {
  return permutation_of(values, args, "dims");
}

// To the dim order in which an output of the program is in memory.
Permutation to_dim_order_of(const Values& values, const OpArgs& args) {
  return permutation_of(values, args, "dim_order");
}

// From the one in which an input is.
Permutation from_dim_order_of(const Values& values, const OpArgs& args) {
  const Permutation order = permutation_of(values, args, "dim_order");
  Permutation dims(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    dims[order[i]] = i;
  }
  return dims;
}

// Of a clone. Memory formats and dim orders, which may follow, say nothing about orders here.
Permutation no_permutation(const Values& values, const OpArgs& args) {
  Permutation dims(values.dims(args.tensor("self")).size());
  std::iota(dims.begin(), dims.end(), size_t{0});
  return dims;
}

Permutation transposition_of(const Values& values, const OpArgs& args) {
  Permutation dims = no_permutation(values, args);
  std::swap(dims[wrap_dim(args.op(), args.integer("dim0"), dims.size())],
            dims[wrap_dim(args.op(), args.integer("dim1"), dims.size())]);
  return dims;
}

void add_permute(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                 const Permutation& dims) {
  const auto permuted = [dims](const Sizes& of) {
    Sizes result;
    std::transform(dims.begin(), dims.end(), std::back_inserter(result),
                   [&of](size_t dim) { return of[dim]; });
    return result;
  };
  if (graph.is_in_place(x, y, dims)) {
    add_view(graph, op, x, y, permuted);
    return;
  }
  add_copy(graph, op, x, y, [&graph, x, permuted] {
    return Region{permuted(graph.sizes(x)), permuted(graph.strides(x)), 0};
  });
}

void permute(ComputeGraph& graph, const OpArgs& args) {
  check_movable(graph, args.op(), args.tensor("self"), args.output());
  add_permute(graph, args.op(), args.tensor("self"), args.output(),
              permutation_of(graph.values(), args));
}

void transpose(ComputeGraph& graph, const OpArgs& args) {
  check_movable(graph, args.op(), args.tensor("self"), args.output());
  add_permute(graph, args.op(), args.tensor("self"), args.output(),
              transposition_of(graph.values(), args));
}

// Of any dtype where it is an alias, as it is between tensors that were never permuted.
void clone(ComputeGraph& graph, const OpArgs& args) {
  add_permute(graph, args.op(), args.tensor("self"), args.output(),
              no_permutation(graph.values(), args));
}

void from_dim_order(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  graph.set_dim_order(x, permutation_of(graph.values(), args, "dim_order"));
  add_permute(graph, args.op(), x, args.output(), from_dim_order_of(graph.values(), args));
}

void to_dim_order(ComputeGraph& graph, const OpArgs& args) {
  graph.set_dim_order(args.output(), permutation_of(graph.values(), args, "dim_order"));
  add_permute(graph, args.op(), args.tensor("self"), args.output(),
              to_dim_order_of(graph.values(), args));
}

constexpr const char* kClone = "self:tensor@either options:rest y:out@either";

const RegisterOps registered({
    {"aten.permute_copy.default", "self:tensor@either dims:integers y:out@either", permute,
     permutation_of},
    {"aten.transpose_copy.int", "self:tensor@either dim0:integer dim1:integer y:out@either",
     transpose, transposition_of},
    {"et_vk.from_dim_order.default", "self:tensor dim_order:integers y:out@either", from_dim_order,
     from_dim_order_of},
    {"et_vk.to_dim_order.default", "self:tensor@either dim_order:integers y:out", to_dim_order,
     to_dim_order_of},
    {"aten.clone.default", kClone, clone, no_permutation},
    {"dim_order_ops._clone_dim_order.default", kClone, clone, no_permutation},
    {"aten.alias_copy.default", kClone, clone, no_permutation},
});

}  // namespace

}  // namespace etvk::ops
