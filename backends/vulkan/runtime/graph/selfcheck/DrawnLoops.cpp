#include "graph/selfcheck/DrawnLoops.h"

#include <algorithm>
#include <numeric>

namespace etvk {

LoopSizes drawn_sizes(uint32_t rank, uint32_t least, Random& random) {
  LoopSizes sizes(rank, 1);
  uint32_t inner = 1;
  for (size_t d = rank; d-- > 1;) {
    sizes[d] = static_cast<uint32_t>(d + 1 == rank ? random.integer(3, 9) : random.integer(2, 3));
    inner *= sizes[d];
  }
  sizes[0] = std::max((least + inner - 1) / inner, 2u);
  return sizes;
}

uint32_t steps_of(const LoopSizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), 1u, std::multiplies<>());
}

LoopSizes drawn_strides(const LoopSizes& sizes, Innermost innermost, Random& random) {
  std::vector<size_t> order(sizes.size());  // in memory, the innermost first
  std::iota(order.rbegin(), order.rend(), size_t{0});
  const size_t last = sizes.size() - 1;
  for (size_t i = innermost == Innermost::kNeighbours ? 1 : 0; i < order.size(); ++i) {
    std::swap(order[i], order[i + random.below(order.size() - i)]);
  }
  LoopSizes strides(sizes.size(), 0);
  uint32_t stride = 1;
  for (size_t d : order) {
    const bool is_free = d != last || innermost == Innermost::kAny;
    const bool is_repeated = is_free ? random.chance(20) : innermost == Innermost::kRepeated;
    if (!is_repeated) {
      strides[d] = stride;
      stride *= sizes[d];
    }
  }
  return strides;
}

uint32_t end_of(const LoopSizes& sizes, const LoopSizes& strides) {
  uint32_t last = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    last += (sizes[d] - 1) * strides[d];
  }
  return last + 1;
}

uint32_t flat_count(const KernelRow& row, Random& random) {
  return kFlatGroups * row.tile_n + 1 + static_cast<uint32_t>(random.below(row.tile_n));
}

std::string sizes_text(const LoopSizes& sizes) {
  std::string text;
  for (uint32_t size : sizes) {
    text += (text.empty() ? "" : "x") + std::to_string(size);
  }
  return text;
}

}  // namespace etvk
