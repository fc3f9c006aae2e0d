#include "graph/ops/impl/elementwise/Broadcast.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk::ops {

Sizes broadcast_sizes(const std::string& op, const Sizes& a, const Sizes& b) {
  const size_t rank = std::max(a.size(), b.size());
  Sizes sizes(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t from_a = i + a.size() < rank ? 1 : a[i + a.size() - rank];
    const int64_t from_b = i + b.size() < rank ? 1 : b[i + b.size() - rank];
    ETVK_CHECK(
        from_a == from_b || from_a == 1 || from_b == 1, kInvalidProgram,
        op << ": shapes " << shape_text(a) << " and " << shape_text(b) << " cannot be broadcast");
    sizes[i] = from_a == 1 ? from_b : from_a;
  }
  return sizes;
}

Loops broadcast_loops(const ComputeGraph& graph, const std::string& op, ValueId y,
                      const std::vector<ValueId>& operands) {
  const Sizes& sizes = graph.sizes(y);
  const std::vector<size_t> dims = graph.memory_dims(y);
  Loops loops;
  for (size_t dim : dims) {
    loops.sizes.push_back(sizes[dim]);
  }
  for (ValueId id : operands) {
    const Sizes own_sizes = id == kNoTensor ? Sizes{} : graph.sizes(id);
    const Sizes own = id == kNoTensor ? Sizes{} : graph.strides(id);
    const size_t missing = sizes.size() - own.size();
    Sizes& strides = loops.strides.emplace_back();
    for (size_t dim : dims) {
      const bool is_repeated = dim < missing || own_sizes[dim - missing] == 1;
      strides.push_back(is_repeated ? 0 : own[dim - missing]);
    }
  }
  return merge_loops(op, loops);
}

bool is_repeated(const Loops& loops, size_t operand) { return loops.strides[operand].back() == 0; }

bool in_units(Loops& loops, int64_t unit_elements) {
  for (size_t i = 0; i < loops.strides.size(); ++i) {
    const Sizes& strides = loops.strides[i];
    const bool whole = strides.back() == 1 && std::all_of(strides.begin(), strides.end() - 1,
                                                          [unit_elements](int64_t stride) {
                                                            return stride % unit_elements == 0;
                                                          });
    if (!whole && !is_repeated(loops, i)) {
      return false;
    }
  }
  // Of a single loop, the last unit may be a part of one.
  if (loops.sizes.size() > 1 && loops.sizes.back() % unit_elements != 0) {
    return false;
  }
  loops.sizes.back() = (loops.sizes.back() + unit_elements - 1) / unit_elements;
  for (size_t i = 0; i < loops.strides.size(); ++i) {
    for (size_t d = 0; d + 1 < loops.sizes.size() && !is_repeated(loops, i); ++d) {
      loops.strides[i][d] /= unit_elements;
    }
  }
  return true;
}

}  // namespace etvk::ops
