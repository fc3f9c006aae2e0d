// Where the time of the delegate's executions goes, summed over all programs of the process. Only
// with ETVK_TIMESTAMPS=1, which makes each execution a little slower; for `etvk_run --report
// overhead`.
#pragma once

#include <cstdint>

namespace etvk {

struct ExecuteTimes {
  double total_us = 0.0;     // VulkanBackend::execute
  double copy_in_us = 0.0;   // inputs to where the device reads them
  double submit_us = 0.0;    // in the driver
  double wait_us = 0.0;      // from there until the work is seen to be done
  double copy_out_us = 0.0;  // outputs to the caller's tensors
  double gpu_us = 0.0;       // GPU timestamps around all commands; part of submit and wait
};

// Reads ETVK_TIMESTAMPS. Throws kInvalidArgument unless it is unset, empty, 0 or 1.
bool timestamps_wanted();

// Thread-safe. Taking gives the sums since the last time and starts over.
void add_execute_times(const ExecuteTimes& times);
ExecuteTimes take_execute_times();

}  // namespace etvk
