#include "graph/ops/impl/reduce/ReducedLoops.h"

#include <algorithm>

#include "graph/OpArgs.h"
#include "vk/Error.h"

namespace etvk::ops {

std::vector<bool> reduced_dims(const std::string& op, const Sizes& dims, size_t rank) {
  std::vector<bool> reduced(rank, dims.empty());
  for (int64_t dim : dims) {
    const size_t own = wrap_dim(op, dim, std::max<size_t>(rank, 1));
    if (rank > 0) {
      reduced[own] = true;
    }
  }
  return reduced;
}

Sizes reduced_sizes(const std::vector<bool>& reduced, bool keepdim, const Sizes& sizes) {
  Sizes kept;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (!reduced[i]) {
      kept.push_back(sizes[i]);
    } else if (keepdim) {
      kept.push_back(1);
    }
  }
  return kept;
}

ReducedLoops reduced_loops(const std::string& op, const std::vector<bool>& is_reduced,
                           const Sizes& sizes, const Sizes& strides,
                           const std::vector<size_t>& memory_dims) {
  Loops kept{{}, {{}}};
  Loops reduced{{}, {{}}};
  ReducedLoops loops;
  const auto append = [&](Loops& own, size_t dim) {
    own.sizes.push_back(sizes[dim]);
    own.strides[0].push_back(strides[dim]);
  };
  for (size_t dim = 0; dim < sizes.size(); ++dim) {
    if (!is_reduced[dim]) {
      append(kept, dim);
    }
  }
  for (size_t dim : memory_dims) {
    if (is_reduced[dim]) {
      append(reduced, dim);
      loops.reduced_count *= sizes[dim];
    }
  }
  loops.kept = merge_loops(op, kept);
  loops.reduced = merge_loops(op, reduced);
  ETVK_CHECK(loops.kept.sizes.size() + loops.reduced.sizes.size() <= kMaxLoops, kNotSupported,
             op << ": " << loops.kept.sizes.size() << " kept and " << loops.reduced.sizes.size()
                << " reduced dimensions that cannot be merged, the limit is " << kMaxLoops);
  return loops;
}

ReducedLoops reduced_loops(const ComputeGraph& graph, const std::string& op,
                           const std::vector<bool>& is_reduced, ValueId x) {
  return reduced_loops(op, is_reduced, graph.sizes(x), graph.strides(x), graph.memory_dims(x));
}

uint64_t element_end(const ReducedLoops& loops, size_t operand) {
  return element_end(loops.kept, operand) + element_end(loops.reduced, operand) - 1;
}

bool takes_whole_groups(const ReducedLoops& loops, bool along_rows) {
  const Loops& inner = along_rows ? loops.reduced : loops.kept;
  const Loops& other = along_rows ? loops.kept : loops.reduced;
  const auto starts_at_groups = [](const Loops& some, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      if (some.sizes[i] > 1 && some.strides[0][i] % 4 != 0) {
        return false;
      }
    }
    return true;
  };
  return inner.strides[0].back() == 1 && inner.sizes.back() % 4 == 0 &&
         starts_at_groups(inner, inner.sizes.size() - 1) &&
         starts_at_groups(other, other.sizes.size());
}

void fill_loops(const ReducedLoops& loops, uint32_t (&sizes)[kMaxLoops],
                uint32_t (&strides)[kMaxLoops]) {
  size_t at = 0;
  for (const Loops* own : {&loops.kept, &loops.reduced}) {
    std::copy(own->sizes.begin(), own->sizes.end(), sizes + at);
    std::copy(own->strides[0].begin(), own->strides[0].end(), strides + at);
    at += own->sizes.size();
  }
}

}  // namespace etvk::ops
