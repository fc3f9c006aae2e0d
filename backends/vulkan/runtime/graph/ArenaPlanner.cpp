#include "graph/ArenaPlanner.h"

#include <algorithm>
#include <numeric>

#include "graph/ProgramLimits.h"

namespace etvk {

uint64_t plan_arena(std::vector<ArenaItem>& items, uint64_t alignment) {
  const auto align = [alignment](uint64_t offset) {
    return (offset + alignment - 1) / alignment * alignment;
  };
  std::vector<size_t> by_size(items.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return items[a].size_bytes > items[b].size_bytes; });

  std::vector<size_t> placed;  // in order of offset
  uint64_t arena_bytes = 0;
  for (size_t index : by_size) {
    ArenaItem& item = items[index];
    if (placed.size() == kMaxPackedTensors) {
      item.offset_bytes = arena_bytes;
      arena_bytes = align(arena_bytes + item.size_bytes);
      continue;
    }
    uint64_t offset = 0;
    for (size_t other_index : placed) {
      const ArenaItem& other = items[other_index];
      const bool together = other.first_use <= item.last_use && item.first_use <= other.last_use;
      if (together && offset + item.size_bytes > other.offset_bytes) {
        offset = std::max(offset, align(other.offset_bytes + other.size_bytes));
      }
    }
    item.offset_bytes = offset;
    arena_bytes = std::max(arena_bytes, align(offset + item.size_bytes));
    const auto position = std::upper_bound(
        placed.begin(), placed.end(), offset,
        [&](uint64_t value, size_t other) { return value < items[other].offset_bytes; });
    placed.insert(position, index);
  }
  return arena_bytes;
}

}  // namespace etvk
