#include "ParallelFor.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace etvk {

namespace {

constexpr size_t kMostThreads = 8;

}  // namespace

void parallel_for(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto take = [&] {
    for (size_t i = next++; i < count; i = next++) {
      work(i);
    }
  };
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const size_t wanted = std::min({count, cores, kMostThreads});
  std::vector<std::thread> others;
  others.reserve(wanted);
  try {
    for (size_t i = 1; i < wanted; ++i) {
      others.emplace_back(take);
    }
  } catch (const std::system_error&) {
    // No more are to be had: those that there are do the rest.
  }
  take();
  for (std::thread& thread : others) {
    thread.join();
  }
}

}  // namespace etvk
