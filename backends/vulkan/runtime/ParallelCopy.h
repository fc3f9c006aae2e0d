// Copies between a program's tensors and what the host can see of the device's memory.
#pragma once

#include <cstddef>

namespace etvk {

// memcpy, by several threads where the bytes are many: one thread reaches a fraction of what memory
// and bus can do. The ranges must not overlap.
void parallel_copy(void* to, const void* from, size_t size_bytes);

}  // namespace etvk
