// Merges the loops over products, chooses forms of the operands and a kernel.
#include <algorithm>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/elementwise/Broadcast.h"
#include "graph/ops/impl/matmul/Matmul.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr int64_t kGroup = 4;

// Loops over products, then what one product is; strides of a and b.
struct Geometry {
  Loops batch;
  int64_t M = 0;
  int64_t N = 0;
  int64_t K = 0;
  int64_t a_m = 0;
  int64_t a_k = 0;
  int64_t b_k = 0;
  int64_t b_n = 0;

  int64_t products() const {
    int64_t count = 1;
    for (int64_t size : batch.sizes) {
      count *= size;
    }
    return count;
  }
};

Sizes batch_of(const Sizes& sizes) { return {sizes.begin(), sizes.end() - 2}; }

// Strides of an operand along the dimensions of the result's batch: 0 where it is repeated.
Sizes batch_strides(const Matrices& operand, size_t rank) {
  const size_t own = operand.sizes.size() - 2;
  Sizes strides(rank, 0);
  for (size_t i = 0; i < own; ++i) {
    if (operand.sizes[i] != 1) {
      strides[rank - own + i] = operand.strides[i];
    }
  }
  return strides;
}

// Rows of all products as rows of one, where they follow each other and have the same b.
void join_rows(Geometry& geometry) {
  Loops& batch = geometry.batch;
  const bool joins = batch.strides[1].back() == 0 &&
                     (batch.strides[0].back() == geometry.M * geometry.a_m || geometry.M == 1);
  if (!joins || batch.sizes.back() == 1) {
    return;
  }
  geometry.a_m = geometry.M == 1 ? batch.strides[0].back() : geometry.a_m;
  geometry.M *= batch.sizes.back();
  batch.sizes.pop_back();
  for (Sizes& strides : batch.strides) {
    strides.pop_back();
  }
  batch = merge_loops("matmul", batch);
}

Geometry geometry_of(const std::string& op, const Matrices& a, const Matrices& b) {
  const size_t a_rank = a.sizes.size();
  const size_t b_rank = b.sizes.size();
  Geometry geometry;
  geometry.M = a.sizes[a_rank - 2];
  geometry.K = a.sizes[a_rank - 1];
  geometry.N = b.sizes[b_rank - 1];
  geometry.a_m = a.strides[a_rank - 2];
  geometry.a_k = a.strides[a_rank - 1];
  geometry.b_k = b.strides[b_rank - 2];
  geometry.b_n = b.strides[b_rank - 1];
  const Sizes batch = broadcast_sizes(op, batch_of(a.sizes), batch_of(b.sizes));
  geometry.batch =
      merge_loops(op, {batch, {batch_strides(a, batch.size()), batch_strides(b, batch.size())}});
  join_rows(geometry);
  ETVK_CHECK(geometry.batch.sizes.size() <= kMaxBatchLoops, kNotSupported,
             op << ": " << geometry.batch.sizes.size()
                << " batch dimensions that cannot be merged, the limit is " << kMaxBatchLoops);
  return geometry;
}

// Whether products and rows (each of `size` > 1 that far apart) begin at whole groups.
bool at_groups(const Loops& batch, size_t operand, int64_t size, int64_t stride) {
  const auto is_whole = [](int64_t loop_size, int64_t step) {
    return loop_size == 1 || step % kGroup == 0;
  };
  bool whole = is_whole(size, stride);
  for (size_t i = 0; i < batch.sizes.size(); ++i) {
    whole = whole && is_whole(batch.sizes[i], batch.strides[operand][i]);
  }
  return whole;
}

uint32_t a_form(const Geometry& g) {
  const bool groups = (g.a_k == 1 || g.K == 1) && g.K % kGroup == 0;
  return groups && at_groups(g.batch, 0, g.M, g.a_m) ? kAlongK : kAnyA;
}

uint32_t b_form(const Geometry& g) {
  if (g.b_n == 1 && g.N % kGroup == 0 && at_groups(g.batch, 1, g.K, g.b_k)) {
    return kAlongN;
  }
  const bool along_k = g.b_k == 1 && g.K % kGroup == 0;
  return along_k && at_groups(g.batch, 1, g.N, g.b_n) ? kBAlongK : kAnyB;
}

// One past the furthest element of an operand that has elements.
uint64_t operand_end(const Geometry& g, size_t operand, int64_t rows, int64_t row_stride,
                     int64_t columns, int64_t column_stride) {
  if (g.K == 0) {
    return 0;
  }
  return element_end(g.batch, operand) + static_cast<uint64_t>((rows - 1) * row_stride) +
         static_cast<uint64_t>((columns - 1) * column_stride);
}

MatmulPush push_of(const Geometry& g, const MatmulCall& call) {
  MatmulPush push{};
  push.M = static_cast<uint32_t>(g.M);
  push.N = static_cast<uint32_t>(g.N);
  // As in PyTorch, products that are multiplied by 0 do not count, whatever they are.
  push.K = call.alpha == 0.0f ? 0 : static_cast<uint32_t>(g.K);
  std::fill(std::begin(push.batch_sizes), std::end(push.batch_sizes), 1);
  // The outermost loop's size is not needed; loops that are missing are outer ones of one step.
  const size_t loops = g.batch.sizes.size();
  const size_t missing = kMaxBatchLoops - loops;
  for (size_t i = 0; i < loops; ++i) {
    if (missing + i > 0) {
      push.batch_sizes[missing + i - 1] = static_cast<uint32_t>(g.batch.sizes[i]);
    }
    push.a_batch[missing + i] = static_cast<uint32_t>(g.batch.strides[0][i]);
    push.b_batch[missing + i] = static_cast<uint32_t>(g.batch.strides[1][i]);
  }
  push.a_m = static_cast<uint32_t>(g.a_m);
  push.a_k = static_cast<uint32_t>(g.a_k);
  push.b_k = static_cast<uint32_t>(g.b_k);
  push.b_n = static_cast<uint32_t>(g.b_n);
  push.alpha = call.alpha;
  push.beta = call.beta;
  return push;
}

uint32_t tiles_in(uint32_t size, uint32_t tile) { return size / tile + (size % tile != 0 ? 1 : 0); }

}  // namespace

Sizes matmul_sizes(const std::string& op, const Sizes& a, const Sizes& b) {
  ETVK_CHECK(a.size() >= 2 && b.size() >= 2 && a.back() == b[b.size() - 2], kInvalidProgram,
             op << ": shapes " << shape_text(a) << " and " << shape_text(b) << " have no product");
  Sizes sizes = broadcast_sizes(op, batch_of(a), batch_of(b));
  sizes.push_back(a[a.size() - 2]);
  sizes.push_back(b.back());
  return sizes;
}

void dispatch_matmul(ComputeGraph& graph, Commands& commands, const MatmulCall& call,
                     const Matrices& a, const Matrices& b, const Matrices& c) {
  const uint32_t count = element_count(graph, call.op, call.y);
  if (count == 0) {
    return;
  }
  element_count(graph, call.op, call.a);
  element_count(graph, call.op, call.b);
  const Geometry g = geometry_of(call.op, a, b);
  MatmulPush push = push_of(g, call);
  const KernelRow& row = choose_linear_kernel(
      graph.caps(), "matmul",
      {push.M, push.N, std::max(push.K, 1u), static_cast<uint64_t>(g.products())});
  push.tiles_m = tiles_in(push.M, row.tile_m);
  push.tiles_n = tiles_in(push.N, row.tile_n);
  push.tiles = static_cast<uint32_t>(g.products()) * push.tiles_m * push.tiles_n;

  uint64_t c_end = 0;
  if (call.c >= 0) {
    push.c_m = static_cast<uint32_t>(c.sizes[0] == 1 ? 0 : c.strides[0]);
    push.c_n = static_cast<uint32_t>(c.sizes[1] == 1 ? 0 : c.strides[1]);
    c_end = uint64_t{push.M - 1} * push.c_m + uint64_t{push.N - 1} * push.c_n + 1;
  }
  commands.dispatch(
      graph.context().pipelines.get(
          row, {a_form(g), b_form(g), g.N % kGroup == 0 ? 1u : 0u, call.c >= 0 ? 1u : 0u}),
      {bind_elements(graph, call.y, count),
       bind_elements(graph, call.a, operand_end(g, 0, g.M, g.a_m, g.K, g.a_k)),
       bind_elements(graph, call.b, operand_end(g, 1, g.K, g.b_k, g.N, g.b_n)),
       bind_elements(graph, call.c >= 0 ? call.c : call.a, c_end)},
      push, {std::min(push.tiles, graph.caps().max_workgroup_count), 1, 1});
  commands.count_operations(2 * uint64_t{count} * push.K);
}

}  // namespace etvk::ops
