#include "ParallelCopy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ParallelFor.h"

namespace etvk {

namespace {

// Below, starting a thread costs more than it saves.
constexpr size_t kBytesPerThread = size_t{2} << 20;
constexpr size_t kMostParts = 8;

}  // namespace

void parallel_copy(void* to, const void* from, size_t size_bytes) {
  auto* target = static_cast<uint8_t*>(to);
  const auto* source = static_cast<const uint8_t*>(from);
  const size_t parts = std::clamp<size_t>(size_bytes / kBytesPerThread, 1, kMostParts);
  // Parts begin at cache lines.
  const auto begin_of = [=](size_t i) {
    return i == parts ? size_bytes : size_bytes / parts * i / 64 * 64;
  };
  parallel_for(parts, [&](size_t i) {
    const size_t begin = begin_of(i);
    std::memcpy(target + begin, source + begin, begin_of(i + 1) - begin);
  });
}

}  // namespace etvk
