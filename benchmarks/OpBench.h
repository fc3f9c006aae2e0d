// Checks and times the memory-bound ops, beside a copy on the same device.
#pragma once

#include "BenchOptions.h"
#include "vk/Context.h"

namespace etvk::bench {

// Runs options.ops, prints a table and writes options.json_path. False if a result was not exact.
bool run_op_benchmarks(Context& context, const BenchOptions& options);

}  // namespace etvk::bench
