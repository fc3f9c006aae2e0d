// et_vk.regroup: a view that splits dimensions into pieces, a permute of the pieces, and a view
// that joins them to dimensions again, in one copy and from and to either order.
#include "graph/ops/impl/moves/Regroup.h"

#include <numeric>

#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

void check_counts(const Regroup& call, const Sizes& counts, size_t rank) {
  int64_t left = static_cast<int64_t>(call.pieces.size());
  for (int64_t count : counts) {
    ETVK_CHECK(count >= 1 && count <= left, kInvalidProgram,
               call.op << ": " << shape_text(counts) << " are not the pieces of each dimension, of "
                       << call.pieces.size());
    left -= count;
  }
  ETVK_CHECK(counts.size() == rank && left == 0, kInvalidProgram,
             call.op << ": " << shape_text(counts) << " are not all of " << call.pieces.size()
                     << " pieces in " << rank << " dimensions");
}

void check_dims(const Regroup& call) {
  std::vector<bool> seen(call.pieces.size(), false);
  for (int64_t dim : call.dims) {
    const bool is_new =
        dim >= 0 && dim < static_cast<int64_t>(seen.size()) && !seen[static_cast<size_t>(dim)];
    ETVK_CHECK(is_new, kInvalidProgram,
               call.op << ": dims " << shape_text(call.dims) << " do not name each of "
                       << seen.size() << " pieces once");
    seen[static_cast<size_t>(dim)] = true;
  }
  ETVK_CHECK(call.dims.size() == seen.size(), kInvalidProgram,
             call.op << ": dims " << shape_text(call.dims) << " do not name each of " << seen.size()
                     << " pieces once");
}

// The pieces of one dimension of x.
Sizes split(const Regroup& call, size_t first, size_t count, int64_t size) {
  const auto begin = call.pieces.begin() + static_cast<std::ptrdiff_t>(first);
  Sizes sizes(begin, begin + static_cast<std::ptrdiff_t>(count));
  int64_t known = 1;
  int64_t* open = nullptr;
  for (int64_t& piece : sizes) {
    const bool is_open = piece == -1 && open == nullptr;
    open = is_open ? &piece : open;
    ETVK_CHECK(is_open || (piece >= 1 && !__builtin_mul_overflow(known, piece, &known)),
               kInvalidProgram, call.op << ": a piece of " << piece);
  }
  if (open != nullptr) {
    *open = size / known;
    known *= *open;
  }
  ETVK_CHECK(
      known == size, kInvalidProgram,
      call.op << ": a dimension of " << size << " is not made of pieces " << shape_text(sizes));
  return sizes;
}

// All pieces of x, in its order, with their strides.
Region pieces_of(const ComputeGraph& graph, const Regroup& call) {
  const Sizes sizes = graph.sizes(call.x);
  const Sizes strides = graph.strides(call.x);
  Region all;
  for (size_t dim = 0; dim < sizes.size(); ++dim) {
    const size_t first = all.sizes.size();
    const Sizes own = split(call, first, static_cast<size_t>(call.counts[dim]), sizes[dim]);
    all.sizes.insert(all.sizes.end(), own.begin(), own.end());
    all.strides.resize(all.sizes.size());
    int64_t stride = strides[dim];
    for (size_t i = all.sizes.size(); i-- > first;) {
      all.strides[i] = stride;
      stride *= all.sizes[i];
    }
  }
  return all;
}

void record_regroup(ComputeGraph& graph, Commands& commands, const Regroup& call) {
  const Region from = pieces_of(graph, call);
  Sizes sizes;
  std::vector<Loops> by_dim;  // of y
  size_t next = 0;
  for (int64_t count : call.groups) {
    Loops own{{}, {{}}};
    for (int64_t i = 0; i < count; ++i, ++next) {
      const auto piece = static_cast<size_t>(call.dims[next]);
      own.sizes.push_back(from.sizes[piece]);
      own.strides[0].push_back(from.strides[piece]);
    }
    sizes.push_back(
        std::accumulate(own.sizes.begin(), own.sizes.end(), int64_t{1}, std::multiplies<>()));
    by_dim.push_back(std::move(own));
  }
  graph.set_sizes(call.y, sizes);
  Loops loops{{}, {{}}};
  for (size_t dim : graph.memory_dims(call.y)) {
    const Loops& own = by_dim[dim];
    loops.sizes.insert(loops.sizes.end(), own.sizes.begin(), own.sizes.end());
    loops.strides[0].insert(loops.strides[0].end(), own.strides[0].begin(), own.strides[0].end());
  }
  const int64_t count = graph.numel(call.y);
  dispatch_nest(graph, commands, call.op, call.x, call.y, loops, 0, {count, count, 0});
}

}  // namespace

void add_regroup(ComputeGraph& graph, const Regroup& call) {
  check_movable(graph, call.op, call.x, call.y);
  check_counts(call, call.counts, graph.dims(call.x).size());
  check_counts(call, call.groups, graph.dims(call.y).size());
  check_dims(call);
  const auto record = [&graph, call](Commands& commands) { record_regroup(graph, commands, call); };
  graph.add_node({call.op, {call.x}, {call.y}, record});
}

namespace {

void regroup(ComputeGraph& graph, const OpArgs& args) {
  add_regroup(graph, {args.op(), args.tensor("x"), args.output(), args.integers("counts"),
                      args.integers("pieces"), args.integers("dims"), args.integers("groups")});
}

const RegisterOps registered({
    {"et_vk.regroup.default",
     "x:tensor@either counts:integers pieces:integers dims:integers groups:integers y:out@either",
     regroup},
});

}  // namespace

}  // namespace etvk::ops
