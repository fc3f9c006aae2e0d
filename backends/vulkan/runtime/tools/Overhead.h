// etvk_run --report overhead: what an execution takes beyond the GPU's time, and where.
#pragma once

#include <executorch/runtime/core/evalue.h>

#include <cstddef>
#include <string>
#include <vector>

namespace etvk::tools {

// Loads `method` of the program at `model` with its data files again for each way in which the
// delegate can move inputs and outputs and wait (words of ETVK_DISABLE, added to those of the
// caller), runs it `repeat` times with and `repeat` times without timestamps, and prints medians.
// Throws std::runtime_error with ExecuTorch's name of the error when loading or running fails.
// Leaves ETVK_DISABLE as it was.
void report_overhead(const std::string& model, const std::vector<std::string>& data_files,
                     const std::string& method,
                     const std::vector<executorch::runtime::EValue>& inputs, size_t repeat);

}  // namespace etvk::tools
