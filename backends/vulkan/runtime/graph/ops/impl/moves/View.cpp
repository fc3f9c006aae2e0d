// Ops that only change a tensor's shape. Every tensor is contiguous, so the result is the same
// memory under another shape: nothing is dispatched, for any dtype.
#include <algorithm>
#include <numeric>

#include "graph/ComputeGraph.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

using Sizes = std::vector<int64_t>;

// Adds y as a view of x whose sizes are `shape(sizes of x)`.
void add_view(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
              std::function<Sizes(const Sizes&)> shape) {
  graph.add_alias(x, y);
  const auto set_sizes = [&graph, op, x, y, shape = std::move(shape)](Commands&) {
    const Sizes sizes = shape(graph.sizes(x));
    const int64_t count =
        std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, [&](int64_t a, int64_t b) {
          int64_t product = 0;
          ETVK_CHECK(b >= 0 && !__builtin_mul_overflow(a, b, &product), kInvalidProgram,
                     op << ": a size of " << b);
          return product;
        });
    ETVK_CHECK(count == graph.numel(x), kInvalidProgram,
               op << ": " << graph.numel(x) << " elements cannot be viewed as " << count);
    graph.set_sizes(y, sizes);
  };
  // The alias already stands for a write of y.
  graph.add_node({op, {x}, {}, set_sizes});
}

// Replaces a single -1 by what the other sizes leave of `count` elements.
Sizes infer_size(Sizes sizes, int64_t count) {
  int64_t known = 1;
  int64_t* unknown = nullptr;
  for (int64_t& size : sizes) {
    if (size == -1 && unknown == nullptr) {
      unknown = &size;
    } else if (__builtin_mul_overflow(known, size, &known)) {
      return sizes;  // refused by the caller's element count
    }
  }
  if (unknown != nullptr && known > 0) {
    *unknown = count / known;
  }
  return sizes;
}

void view(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  const ValueId size = args.symints("size");
  add_view(graph, args.op(), x, args.output(), [&graph, x, size](const Sizes&) {
    return infer_size(graph.integers(size), graph.numel(x));
  });
}

void squeeze(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  std::vector<bool> listed(graph.dims(x).size(), false);
  for (int64_t dim : args.integers("dims")) {
    listed[wrap_dim(args.op(), dim, listed.size())] = true;
  }
  add_view(graph, args.op(), x, args.output(), [listed](const Sizes& sizes) {
    Sizes kept;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (!listed[i] || sizes[i] != 1) {
        kept.push_back(sizes[i]);
      }
    }
    return kept;
  });
}

void unsqueeze(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(args.op(), args.integer("dim"), graph.dims(x).size() + 1);
  add_view(graph, args.op(), x, args.output(), [dim](Sizes sizes) {
    sizes.insert(sizes.begin() + static_cast<int64_t>(dim), 1);
    return sizes;
  });
}

// Memory formats and dim orders, which may follow, do not matter: every tensor is contiguous.
void clone(ComputeGraph& graph, const OpArgs& args) {
  add_view(graph, args.op(), args.tensor("self"), args.output(),
           [](const Sizes& sizes) { return sizes; });
}

constexpr const char* kView = "self:tensor size:symints y:out";
constexpr const char* kClone = "self:tensor options:rest y:out";

const RegisterOps registered({
    {"aten.view_copy.default", kView, view},
    {"et_vk.fixed_view.default", kView, view},
    {"aten.squeeze_copy.dims", "self:tensor dims:integers y:out", squeeze},
    {"aten.unsqueeze_copy.default", "self:tensor dim:integer y:out", unsqueeze},
    {"aten.clone.default", kClone, clone},
    {"dim_order_ops._clone_dim_order.default", kClone, clone},
    {"aten.alias_copy.default", kClone, clone},
});

}  // namespace

}  // namespace etvk::ops
