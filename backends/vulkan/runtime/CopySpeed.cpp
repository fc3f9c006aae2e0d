#include "CopySpeed.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "graph/ComputeGraph.h"

namespace etvk {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kRows = 8;
constexpr size_t kCopies = 4;    // in one execution
constexpr size_t kWarmUps = 20;  // clocks start low
constexpr size_t kExecutions = 20;

// Copies of all but the last row of x: of all of them, it would be a view.
GraphDef make_copies(int64_t row_bytes) {
  GraphDef def;
  const auto add = [&def](const ValueDef& value) {
    def.values.push_back(value);
    return static_cast<ValueId>(def.values.size() - 1);
  };
  const ValueId x = add(TensorDef{DType::kInt8, {kRows + 1, row_bytes}, -1});
  const ValueId zero = add(int64_t{0});
  const ValueId rows = add(kRows);
  const ValueId one = add(int64_t{1});
  def.inputs = {x};
  for (size_t i = 0; i < kCopies; ++i) {
    const ValueId y = add(TensorDef{DType::kInt8, {kRows, row_bytes}, -1});
    def.chain.push_back({"aten.slice_copy.Tensor", {x, zero, zero, rows, one, y}});
    def.outputs = {y};
  }
  return def;
}

}  // namespace

double copy_gb_per_s(Context& context) {
  const DeviceCaps& caps = context.device.caps();
  if (!caps.has_timestamps()) {
    return 0.0;
  }
  const int64_t bytes = int64_t{1} << (caps.type == DeviceType::kCpu ? 20 : 26);
  ComputeGraph graph(context, make_copies(bytes / kRows));
  std::vector<double> speeds;
  for (size_t i = 0; i < kWarmUps + kExecutions; ++i) {
    const auto start = Clock::now();
    graph.run(true);
    const std::chrono::duration<double, std::micro> host = Clock::now() - start;
    const std::vector<OpTime> times = graph.op_times();
    const bool is_valid = timing_problem(caps, times, host.count()).empty();
    for (const OpTime& time : times) {
      if (i >= kWarmUps && is_valid && !time.kernels.empty() && time.end_us > time.start_us) {
        speeds.push_back(static_cast<double>(time.bytes) / (time.end_us - time.start_us) * 1e-3);
      }
    }
  }
  if (speeds.empty()) {
    return 0.0;
  }
  std::nth_element(speeds.begin(), speeds.begin() + speeds.size() / 2, speeds.end());
  return speeds[speeds.size() / 2];
}

}  // namespace etvk
