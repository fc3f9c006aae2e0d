#include "vk/Hazards.h"

#include <algorithm>
#include <iterator>

namespace etvk {

bool Hazards::overlaps(const Intervals& intervals, const BufferRange& range) {
  const auto buffer = intervals.find(range.buffer);
  if (buffer == intervals.end() || range.size_bytes == 0) {
    return false;
  }
  // The last interval that starts before the range's end.
  auto next = buffer->second.lower_bound(range.offset_bytes + range.size_bytes);
  return next != buffer->second.begin() && std::prev(next)->second > range.offset_bytes;
}

void Hazards::insert(Intervals& intervals, const BufferRange& range) {
  if (range.size_bytes == 0) {
    return;
  }
  auto& of_buffer = intervals[range.buffer];
  uint64_t begin = range.offset_bytes;
  uint64_t end = range.offset_bytes + range.size_bytes;
  auto next = of_buffer.upper_bound(end);
  while (next != of_buffer.begin() && std::prev(next)->second >= begin) {
    const auto joined = std::prev(next);
    begin = std::min(begin, joined->first);
    end = std::max(end, joined->second);
    next = of_buffer.erase(joined);
  }
  of_buffer.emplace(begin, end);
}

bool Hazards::conflict(const std::vector<BufferRange>& reads,
                       const std::vector<BufferRange>& writes) const {
  const auto reads_written = [this](const BufferRange& range) { return overlaps(writes_, range); };
  const auto writes_used = [this](const BufferRange& range) {
    return overlaps(writes_, range) || overlaps(reads_, range);
  };
  return std::any_of(reads.begin(), reads.end(), reads_written) ||
         std::any_of(writes.begin(), writes.end(), writes_used);
}

void Hazards::add(const std::vector<BufferRange>& reads, const std::vector<BufferRange>& writes) {
  for (const BufferRange& range : reads) {
    insert(reads_, range);
  }
  for (const BufferRange& range : writes) {
    insert(writes_, range);
  }
}

void Hazards::clear() {
  reads_.clear();
  writes_.clear();
}

}  // namespace etvk
