#include "ParallelCopy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace etvk {

namespace {

// Below, starting a thread costs more than it saves.
constexpr size_t kBytesPerThread = size_t{2} << 20;
constexpr size_t kMaxThreads = 8;

}  // namespace

void parallel_copy(void* to, const void* from, size_t size_bytes) {
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const size_t count = std::min({size_bytes / kBytesPerThread, cores, kMaxThreads});
  auto* target = static_cast<uint8_t*>(to);
  const auto* source = static_cast<const uint8_t*>(from);
  size_t begin = 0;
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    for (size_t i = 1; i < count; ++i) {
      const size_t end = size_bytes / count * i / 64 * 64;
      threads.emplace_back([=] { std::memcpy(target + begin, source + begin, end - begin); });
      begin = end;
    }
  } catch (const std::system_error&) {
    // No more threads are to be had: this one does the rest.
  }
  std::memcpy(target + begin, source + begin, size_bytes - begin);
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace etvk
