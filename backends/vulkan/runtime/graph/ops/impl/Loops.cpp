#include "graph/ops/impl/Loops.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Elements are counted in 32 bits, in groups of four.
constexpr int64_t kMaxElements = UINT32_MAX - 3;

bool is_one_loop(const Loops& loops, size_t outer, size_t inner) {
  for (const Sizes& strides : loops.strides) {
    if (strides[outer] != strides[inner] * loops.sizes[inner]) {
      return false;
    }
  }
  return true;
}

// Up to whole units of so many bytes.
Binding bind_units(const ComputeGraph& graph, ValueId id, uint64_t count, uint64_t unit_bytes) {
  const uint64_t bytes = count * dtype_bytes(graph.dtype(id));
  return graph.bind(id, (bytes + unit_bytes - 1) / unit_bytes * unit_bytes);
}

}  // namespace

Sizes contiguous_strides(const Sizes& sizes) {
  Sizes strides(sizes.size());
  int64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= sizes[i];
  }
  return strides;
}

Loops merge_loops(const std::string& op, const Loops& loops) {
  Loops merged;
  merged.strides.resize(loops.strides.size());
  size_t outer = 0;  // the loop that the last one of `merged` was made from
  for (size_t i = 0; i < loops.sizes.size(); ++i) {
    if (loops.sizes[i] == 1) {
      continue;
    }
    const bool joins = !merged.sizes.empty() && is_one_loop(loops, outer, i);
    if (joins) {
      merged.sizes.back() *= loops.sizes[i];
    } else {
      merged.sizes.push_back(loops.sizes[i]);
    }
    for (size_t operand = 0; operand < loops.strides.size(); ++operand) {
      Sizes& strides = merged.strides[operand];
      strides.resize(merged.sizes.size());
      strides.back() = loops.strides[operand][i];
    }
    outer = i;
  }
  if (merged.sizes.empty()) {
    merged.sizes = {1};
    merged.strides.assign(loops.strides.size(), {1});
  }
  ETVK_CHECK(merged.sizes.size() <= kMaxLoops, kNotSupported,
             op << ": " << merged.sizes.size() << " dimensions that cannot be merged, the limit is "
                << kMaxLoops);
  return merged;
}

uint64_t element_end(const Loops& loops, size_t operand) {
  uint64_t last = 0;
  for (size_t i = 0; i < loops.sizes.size(); ++i) {
    const int64_t stride = std::max<int64_t>(loops.strides[operand][i], 0);
    last += static_cast<uint64_t>((loops.sizes[i] - 1) * stride);
  }
  return last + 1;
}

Binding bind_elements(const ComputeGraph& graph, ValueId id, uint64_t count) {
  return bind_units(graph, id, count, 4);
}

Binding bind_groups(const ComputeGraph& graph, ValueId id, uint64_t count) {
  return bind_units(graph, id, count, 16);
}

void check_types(const ComputeGraph& graph, const std::string& op, ValueId x, DType x_dtype,
                 ValueId y, DType y_dtype) {
  ETVK_CHECK(graph.dtype(x) == x_dtype && graph.dtype(y) == y_dtype, kInvalidProgram,
             op << ": expected " << dtype_name(x_dtype) << " to " << dtype_name(y_dtype) << ", got "
                << dtype_name(graph.dtype(x)) << " to " << dtype_name(graph.dtype(y)));
}

uint32_t element_count(const ComputeGraph& graph, const std::string& op, ValueId id) {
  const int64_t count = graph.numel(id);
  ETVK_CHECK(count <= kMaxElements, kNotSupported,
             op << ": a tensor of " << count << " elements, the limit is " << kMaxElements);
  return static_cast<uint32_t>(count);
}

}  // namespace etvk::ops
