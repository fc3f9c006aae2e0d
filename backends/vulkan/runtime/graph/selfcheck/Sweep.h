// Checks a kernel in all of its variants, not only those that a program has: for the command
// `check` and for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "vk/Context.h"

namespace etvk {

struct KernelReport {
  uint32_t pipelines = 0;  // by specialization constants
  uint32_t problems = 0;
  uint32_t wrong = 0;                 // of these
  std::vector<std::string> mistakes;  // of some of these: the constants, and what differs
};

// `row` must fit the device. Each problem runs `runs` times, rounded up to whole submissions.
// Throws Error as a program would.
KernelReport check_kernel(Context& context, const KernelRow& row, uint32_t runs);

}  // namespace etvk
