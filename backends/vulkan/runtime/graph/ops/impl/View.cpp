// Ops that only change a tensor's shape. Every tensor is contiguous, so the result is the same
// memory under another shape: nothing is dispatched, for any dtype.
#include <algorithm>
#include <numeric>

#include "graph/OpArgs.h"
#include "graph/ops/impl/Ops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

using Sizes = std::vector<int64_t>;

// Adds y as a view of x whose sizes are `shape(sizes of x)`.
void add_view(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
              std::function<Sizes(const Sizes&)> shape) {
  graph.add_alias(x, y);
  const auto resize = [&graph, op, x, y, shape = std::move(shape)] {
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
  graph.add_node({op, {x}, {}, resize, nullptr});
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

}  // namespace

void view(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 2);
  const ValueId x = args.tensor("self");
  const ValueId size = args.integer_list("size");
  const ValueId y = args.output_tensor();
  add_view(graph, args.op(), x, y, [&graph, x, size](const Sizes&) {
    return infer_size(graph.integers(size), graph.numel(x));
  });
}

void squeeze(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 2);
  const ValueId x = args.tensor("self");
  const Sizes dims = graph.integers(args.integer_list("dims"));
  const ValueId y = args.output_tensor();
  std::vector<bool> listed(graph.dims(x).size(), false);
  for (int64_t dim : dims) {
    listed[wrap_dim(args.op(), dim, listed.size())] = true;
  }
  add_view(graph, args.op(), x, y, [listed](const Sizes& sizes) {
    Sizes kept;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (!listed[i] || sizes[i] != 1) {
        kept.push_back(sizes[i]);
      }
    }
    return kept;
  });
}

void unsqueeze(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 2);
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(args.op(), args.integer("dim"), graph.dims(x).size() + 1);
  const ValueId y = args.output_tensor();
  add_view(graph, args.op(), x, y, [dim](Sizes sizes) {
    sizes.insert(sizes.begin() + static_cast<int64_t>(dim), 1);
    return sizes;
  });
}

// Memory formats and dim orders, which may follow, do not matter: every tensor is contiguous.
void clone(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, std::max<size_t>(call.args.size(), 2) - 1);
  const ValueId x = args.tensor("self");
  const ValueId y = call.args.back();
  ETVK_CHECK(graph.is_tensor(y), kInvalidProgram, args.op() << ": the output must be a tensor");
  add_view(graph, args.op(), x, y, [](const Sizes& sizes) { return sizes; });
}

}  // namespace etvk::ops
