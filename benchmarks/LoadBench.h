// etvk_bench --load: what loading a program with large weights takes, in time and host memory.
#pragma once

#include <cstdint>

#include "vk/Context.h"

namespace etvk::bench {

// Prints it for a chain of int8 linears with `mib` MiB of weights. Throws Error where the device
// cannot hold them.
void run_load_benchmark(Context& context, int64_t mib);

}  // namespace etvk::bench
