// etvk_bench --tune: finds the fastest kernel for each shape on this device and keeps its name
// where ETVK_TUNE=1 looks for it (graph/ops/TunedKernels.h).
#pragma once

#include <vector>

#include "BenchOptions.h"
#include "Report.h"
#include "vk/Context.h"

namespace etvk::bench {

// Checks every kernel of the op that can run the shape, times those that are exact, prints them and
// updates the file after each shape. What selection would choose stays unless another kernel is
// clearly faster. All results are returned, for the report; throws kInvalidArgument when the file
// cannot be written.
std::vector<Result> tune(Context& context, const BenchOptions& options,
                         const std::vector<Shape>& shapes);

}  // namespace etvk::bench
