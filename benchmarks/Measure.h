// Checks and times one linear layer on one kernel. Prints nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "LinearCase.h"
#include "graph/ComputeGraph.h"
#include "vk/Context.h"

namespace etvk::bench {

struct TimeStats {
  size_t samples = 0;
  double median_us = 0.0;
  double min_us = 0.0;
  double p90_us = 0.0;
  double mean_us = 0.0;
};

struct Measurement {
  std::string kernel;     // of the table row that ran
  std::string mismatch;   // empty: the result is exact; else nothing was timed
  double first_us = 0.0;  // wall time of check()'s one execution
  size_t dispatches = 1;  // in one submission
  TimeStats gpu;          // one dispatch's share, by GPU timestamps; no samples without them
  TimeStats wall;         // one dispatch's share of a submission, by the host's clock

  const TimeStats& best() const { return gpu.samples > 0 ? gpu : wall; }
};

constexpr size_t kMaxDispatches = 100;    // in one submission
constexpr double kWarmupOfNextMs = 20.0;  // of the kernels behind the first one on a shape

struct MeasureOptions {
  bool distinct_weights = false;
  double warmup_ms = 0.0;
  double target_ms = 200.0;
};

// What measure_chain() times: the same call so many times in one program, its inputs filled in.
using BuildChain = std::function<std::unique_ptr<ComputeGraph>(size_t dispatches)>;
// Empty where the result of an execution is right.
using Compare = std::function<std::string(ComputeGraph&)>;

Measurement measure_chain(const Context& context, const BuildChain& build, const Compare& compare,
                          size_t max_dispatches, const MeasureOptions& options);

TimeStats stats_of(std::vector<double> times_us);

// Both run `kernel`, or what selection chooses if it is empty, and compare the result with
// `expected`, the bytes of reference_output(linear). They throw Error when the kernel cannot run
// this layer on this device.
Measurement check(Context& context, const testing::LinearCase& linear,
                  const std::vector<uint8_t>& expected, const std::string& kernel);
Measurement measure(Context& context, const testing::LinearCase& linear,
                    const std::vector<uint8_t>& expected, const std::string& kernel,
                    const MeasureOptions& options);

}  // namespace etvk::bench
