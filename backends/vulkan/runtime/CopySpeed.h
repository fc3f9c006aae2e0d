// How fast a device copies: what memory-bound kernels are compared with.
#pragma once

#include "vk/Context.h"

namespace etvk {

// GB/s read and written by a copy kernel, of 64 MiB (1 MiB on a CPU); the median of some. 0 without
// timestamps.
double copy_gb_per_s(Context& context);

}  // namespace etvk
