#include "ExecuteTimes.h"

#include <mutex>
#include <utility>

#include "vk/Environment.h"

namespace etvk {

namespace {

std::mutex mutex;
ExecuteTimes sums;

}  // namespace

bool timestamps_wanted() { return environment_flag("ETVK_TIMESTAMPS"); }

void add_execute_times(const ExecuteTimes& times) {
  std::lock_guard<std::mutex> lock(mutex);
  sums.total_us += times.total_us;
  sums.copy_in_us += times.copy_in_us;
  sums.submit_us += times.submit_us;
  sums.wait_us += times.wait_us;
  sums.copy_out_us += times.copy_out_us;
  sums.gpu_us += times.gpu_us;
}

ExecuteTimes take_execute_times() {
  std::lock_guard<std::mutex> lock(mutex);
  return std::exchange(sums, {});
}

}  // namespace etvk
