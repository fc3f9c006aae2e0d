// Which commands must wait for earlier ones: knows the ranges that were read and written since the
// last barrier. No Vulkan calls.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "vk/Buffer.h"

namespace etvk {

class Hazards {
 public:
  // Whether a command with these ranges must not start before what was added is done: it reads what
  // that writes, or writes what that reads or writes.
  bool conflict(const std::vector<BufferRange>& reads,
                const std::vector<BufferRange>& writes) const;
  void add(const std::vector<BufferRange>& reads, const std::vector<BufferRange>& writes);
  // All of it is done.
  void clear();

 private:
  // Ranges of one kind, joined where they overlap or touch: by buffer, first byte to end.
  using Intervals = std::map<const Buffer*, std::map<uint64_t, uint64_t>>;

  static bool overlaps(const Intervals& intervals, const BufferRange& range);
  static void insert(Intervals& intervals, const BufferRange& range);

  Intervals reads_;
  Intervals writes_;
};

}  // namespace etvk
