#include "ExecuteTimes.h"

#include <cstdlib>
#include <mutex>
#include <string>
#include <utility>

#include "vk/Error.h"

namespace etvk {

namespace {

std::mutex mutex;
ExecuteTimes sums;

}  // namespace

bool timestamps_wanted() {
  const char* value = std::getenv("ETVK_TIMESTAMPS");
  const std::string text = value == nullptr ? "" : value;
  ETVK_CHECK(text.empty() || text == "0" || text == "1", kInvalidArgument,
             "ETVK_TIMESTAMPS=" << text << ": expected 0 or 1");
  return text == "1";
}

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
