// Ops that only change a tensor's shape. The result is the same memory under another shape: nothing
// is dispatched, for any dtype. Both are row-major, or both channels-last where only dimensions
// behind the channels change: [N, C, H, W] to [N, C, H * W], for example.
#include "graph/ops/impl/moves/View.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "vk/Error.h"

namespace etvk::ops {

using Sizes = std::vector<int64_t>;

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

namespace {

// Adds y, the op's output, as a view of its argument self, in the order that both have.
void add_reshape(ComputeGraph& graph, const OpArgs& args,
                 std::function<Sizes(const Sizes&)> shape) {
  const ValueId y = args.output();
  const bool keeps_channels = graph.values().order(y) == Order::kChannelsLast;
  add_view(graph, args.op(), args.tensor("self"), y,
           [op = args.op(), keeps_channels, shape = std::move(shape)](const Sizes& from) {
             Sizes to = shape(from);
             // Only a tensor that is over its bounds could change them now.
             ETVK_CHECK(!keeps_channels || std::equal(from.begin(), from.begin() + 2, to.begin()),
                        kInvalidProgram,
                        op << ": " << shape_text(from) << ", over its bound, cannot be viewed as "
                           << shape_text(to));
             return to;
           });
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
  add_reshape(graph, args, [&graph, x, size](const Sizes&) {
    return infer_size(graph.integers(size), graph.numel(x));
  });
}

bool has_count(const Sizes& sizes, int64_t count) {
  int64_t product = 1;
  for (int64_t size : sizes) {
    if (size < 0 || __builtin_mul_overflow(product, size, &product)) {
      return false;
    }
  }
  return product == count;
}

// Numbers alone, as many elements as the bounds of x: then x is at its bounds.
bool view_keeps_channels(const Values& values, const OpArgs& args) {
  const ValueId id = args.symints("size");
  const auto* items = std::get_if<ValueList>(&values.at(id));
  const auto is_symint = [&values](ValueId item) { return values.is_symint(item); };
  if (items != nullptr && std::any_of(items->items.begin(), items->items.end(), is_symint)) {
    return false;
  }
  const Sizes to = values.integers(id);
  const Sizes& from = values.dims(args.tensor("self"));
  const int64_t count = std::accumulate(from.begin(), from.end(), int64_t{1}, std::multiplies<>());
  return to.size() > 2 && to[0] == from[0] && to[1] == from[1] && has_count(to, count);
}

void squeeze(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  std::vector<bool> listed(graph.dims(x).size(), false);
  for (int64_t dim : args.integers("dims")) {
    listed[wrap_dim(args.op(), dim, listed.size())] = true;
  }
  add_reshape(graph, args, [listed](const Sizes& sizes) {
    Sizes kept;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (!listed[i] || sizes[i] != 1) {
        kept.push_back(sizes[i]);
      }
    }
    return kept;
  });
}

bool squeeze_keeps_channels(const Values& values, const OpArgs& args) {
  const size_t rank = values.dims(args.tensor("self")).size();
  const Sizes dims = args.integers("dims");
  return std::all_of(dims.begin(), dims.end(),
                     [&](int64_t dim) { return wrap_dim(args.op(), dim, rank) >= 2; });
}

void unsqueeze(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(args.op(), args.integer("dim"), graph.dims(x).size() + 1);
  add_reshape(graph, args, [dim](Sizes sizes) {
    sizes.insert(sizes.begin() + static_cast<int64_t>(dim), 1);
    return sizes;
  });
}

bool unsqueeze_keeps_channels(const Values& values, const OpArgs& args) {
  const size_t rank = values.dims(args.tensor("self")).size();
  return wrap_dim(args.op(), args.integer("dim"), rank + 1) >= 2;
}

constexpr const char* kView = "self:tensor@alike size:symints y:out@alike";

const RegisterOps registered({
    {"aten.view_copy.default", kView, view, nullptr, view_keeps_channels},
    {"et_vk.fixed_view.default", kView, view, nullptr, view_keeps_channels},
    {"aten.squeeze_copy.dims", "self:tensor@alike dims:integers y:out@alike", squeeze, nullptr,
     squeeze_keeps_channels},
    {"aten.unsqueeze_copy.default", "self:tensor@alike dim:integer y:out@alike", unsqueeze, nullptr,
     unsqueeze_keeps_channels},
});

}  // namespace

}  // namespace etvk::ops
