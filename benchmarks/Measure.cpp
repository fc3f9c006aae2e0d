#include "Measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <utility>

namespace etvk::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSubmissionUs = 2000.0;  // worth of dispatches in one submission
constexpr size_t kMinDispatches = 2;      // GPU time starts behind the first one
constexpr size_t kMaxWeightCopyBytes = size_t{1} << 30;
constexpr size_t kMinSubmissions = 3;
constexpr size_t kMaxSamples = 100000;

double elapsed_us(Clock::time_point since) {
  return std::chrono::duration<double, std::micro>(Clock::now() - since).count();
}

}  // namespace

TimeStats stats_of(std::vector<double> times_us) {
  TimeStats stats;
  stats.samples = times_us.size();
  if (times_us.empty()) {
    return stats;
  }
  std::sort(times_us.begin(), times_us.end());
  const size_t last = times_us.size() - 1;
  stats.min_us = times_us.front();
  stats.median_us = (times_us[last / 2] + times_us[(last + 1) / 2]) / 2;
  stats.p90_us = times_us[(times_us.size() * 9 + 9) / 10 - 1];
  stats.mean_us = std::accumulate(times_us.begin(), times_us.end(), 0.0) / times_us.size();
  return stats;
}

namespace {

// Of a whole submission; the GPU's time leaves the first dispatch out.
struct TimedRun {
  double wall_us = 0.0;
  double gpu_us = 0.0;  // 0 without timestamps
};

TimedRun run_once(const Context& context, ComputeGraph& graph) {
  TimedRun run;
  const auto start = Clock::now();
  graph.run();
  run.wall_us = elapsed_us(start);
  run.gpu_us = context.device.caps().has_timestamps() ? graph.gpu_time_us() : 0.0;
  return run;
}

std::unique_ptr<ComputeGraph> build(Context& context, const testing::LinearCase& linear,
                                    size_t dispatches, bool distinct_weights) {
  testing::LinearProgram program = testing::linear_program(linear, dispatches, distinct_weights);
  auto graph = std::make_unique<ComputeGraph>(context, std::move(program.def),
                                              context.device.caps().has_timestamps());
  std::memcpy(graph->input_data(0), linear.x.data(), linear.x.size());
  if (!linear.residual.empty()) {
    std::memcpy(graph->input_data(1), linear.residual.data(), linear.residual.size());
  }
  return graph;
}

size_t dispatches_for(double time_us, size_t most) {
  const double wanted = kSubmissionUs / std::max(time_us, 1e-3);
  return static_cast<size_t>(
      std::clamp(wanted, static_cast<double>(kMinDispatches), static_cast<double>(most)));
}

}  // namespace

Measurement check(Context& context, const testing::LinearCase& linear,
                  const std::vector<uint8_t>& expected, const std::string& kernel) {
  const testing::ForcedKernel forced(kernel);
  const std::unique_ptr<ComputeGraph> graph = build(context, linear, 1, false);
  const auto start = Clock::now();
  graph->run();
  Measurement result;
  result.first_us = elapsed_us(start);
  result.kernel = graph->kernels().at(0);
  result.mismatch = testing::describe_mismatch(linear, expected, graph->output_data(0));
  return result;
}

Measurement measure(Context& context, const testing::LinearCase& linear,
                    const std::vector<uint8_t>& expected, const std::string& kernel,
                    const MeasureOptions& options) {
  const testing::ForcedKernel forced(kernel);
  const size_t most = options.distinct_weights
                          ? std::clamp<size_t>(kMaxWeightCopyBytes / linear.weights.size(),
                                               kMinDispatches, kMaxDispatches)
                          : kMaxDispatches;
  // The first program only finds out how many dispatches there will be.
  bool is_first = true;
  const auto build_chain = [&](size_t dispatches) {
    return build(context, linear, dispatches,
                 options.distinct_weights && !std::exchange(is_first, false));
  };
  const auto compare = [&](ComputeGraph& graph) {
    return testing::describe_mismatch(linear, expected, graph.output_data(0));
  };
  return measure_chain(context, build_chain, compare, most, options);
}

Measurement measure_chain(const Context& context, const BuildChain& build, const Compare& compare,
                          size_t max_dispatches, const MeasureOptions& options) {
  std::unique_ptr<ComputeGraph> graph = build(kMinDispatches);
  graph->run();
  Measurement result;
  result.kernel = graph->kernels().at(0);

  // Clocks rise while this runs, so the estimate comes after it.
  const auto warmup_start = Clock::now();
  while (elapsed_us(warmup_start) < options.warmup_ms * 1e3) {
    graph->run();
  }
  const TimedRun pair = run_once(context, *graph);
  const double estimate_us = pair.gpu_us > 0.0 ? pair.gpu_us : pair.wall_us / kMinDispatches;
  result.dispatches = dispatches_for(estimate_us, max_dispatches);
  graph = build(result.dispatches);
  graph->run();

  std::vector<double> gpu_us;
  std::vector<double> wall_us;
  double spent_us = 0.0;
  const auto dispatches = static_cast<double>(result.dispatches);
  while (wall_us.size() < kMinSubmissions ||
         (spent_us < options.target_ms * 1e3 && wall_us.size() < kMaxSamples)) {
    const TimedRun run = run_once(context, *graph);
    spent_us += run.wall_us;
    wall_us.push_back(run.wall_us / dispatches);
    if (run.gpu_us > 0.0) {
      gpu_us.push_back(run.gpu_us / (dispatches - 1));
    }
  }
  result.mismatch = compare(*graph);
  if (result.mismatch.empty()) {
    result.gpu = stats_of(std::move(gpu_us));
    result.wall = stats_of(std::move(wall_us));
  }
  return result;
}

}  // namespace etvk::bench
