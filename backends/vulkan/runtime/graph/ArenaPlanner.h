// Places tensors in one arena so that those alive at the same time do not overlap. Knows only
// sizes and lifetimes.
#pragma once

#include <cstdint>
#include <vector>

namespace etvk {

struct ArenaItem {
  uint64_t size_bytes = 0;
  // Indices of the first and the last node that use the item, inclusive.
  int32_t first_use = 0;
  int32_t last_use = 0;
  uint64_t offset_bytes = 0;  // result
};

// Sets every offset to a multiple of `alignment` and returns the arena's size. Greedy by size:
// largest items first, each at the lowest offset that is free for its whole lifetime. Takes linear
// time from kMaxPackedTensors on: smaller items share with none.
uint64_t plan_arena(std::vector<ArenaItem>& items, uint64_t alignment);

}  // namespace etvk
