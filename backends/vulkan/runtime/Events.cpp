#include "Events.h"

#include <executorch/runtime/core/event_tracer_hooks_delegate.h>
#include <executorch/runtime/platform/platform.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "JsonText.h"
#include "vk/Environment.h"
#include "vk/Error.h"

namespace etvk {

namespace {

namespace er = ::executorch::runtime;

double us_per_tick() {
  const et_tick_ratio_t ns_per_tick = er::pal_ticks_to_ns_multiplier();
  return 1e-3 * static_cast<double>(ns_per_tick.numerator) /
         static_cast<double>(ns_per_tick.denominator);
}

et_timestamp_t ticks_of_us(double us) { return static_cast<et_timestamp_t>(us / us_per_tick()); }

std::string json_of(const std::vector<std::vector<int64_t>>& shapes) {
  std::string json;
  for (const auto& shape : shapes) {
    json += (json.empty() ? "" : ", ") + shape_text(shape);
  }
  return "[" + json + "]";
}

// What `python -m executorch_vulkan profile` reads.
std::string metadata_of(const OpTime& time) {
  std::ostringstream json;
  json << "{\"op\": " << json_quoted(time.op) << ", \"kernels\": [";
  for (size_t i = 0; i < time.kernels.size(); ++i) {
    json << (i == 0 ? "" : ", ") << json_quoted(time.kernels[i]);
  }
  json << "], \"inputs\": " << json_of(time.inputs) << ", \"outputs\": " << json_of(time.outputs)
       << ", \"bytes\": " << time.bytes << ", \"operations\": " << time.operations << "}";
  return json.str();
}

}  // namespace

bool Events::wants_ops_together() const {
  const std::string word = wanted() ? environment("ETVK_EVENTS") : "";
  ETVK_CHECK(word.empty() || word == "ops" || word == "together", kInvalidArgument,
             "ETVK_EVENTS=" << word << ": expected ops or together");
  return word == "together";
}

void Events::start() {
  if (wanted()) {
    last_ = er::pal_current_ticks();
  }
}

void Events::step(const char* name) {
  if (!wanted()) {
    return;
  }
  const et_timestamp_t now = er::pal_current_ticks();
  er::event_tracer_log_profiling_delegate(tracer_, name, er::kUnsetDelegateDebugIntId, last_, now);
  last_ = now;
}

void Events::load(const ComputeGraph& graph) {
  if (!wanted()) {
    return;
  }
  const et_timestamp_t now = er::pal_current_ticks();
  for (const LoadPhase& phase : graph.load_phases()) {
    const et_timestamp_t end = last_ + ticks_of_us(phase.us);
    er::event_tracer_log_profiling_delegate(tracer_, phase.name, er::kUnsetDelegateDebugIntId,
                                            last_, end);
    last_ = end;
  }
  last_ = now;
}

std::vector<OpTime> Events::times_of(const ComputeGraph& graph) const {
  if (!graph.is_timed()) {
    return graph.op_times();
  }
  if (graph.kernels().size() < 2) {
    return {};
  }
  OpTime all;
  all.op = "ops together, but the first";
  all.kernels = graph.kernels();
  all.end_us = graph.gpu_time_us();
  return {all};
}

// The GPU's clock is another one: its work is taken to end when the host saw it end.
void Events::run(const ComputeGraph& graph) {
  if (!wanted()) {
    return;
  }
  const et_timestamp_t now = er::pal_current_ticks();
  const std::vector<OpTime> times =
      graph.caps().has_timestamps() ? times_of(graph) : std::vector<OpTime>();
  const std::string problem =
      timing_problem(graph.caps(), times, static_cast<double>(now - last_) * us_per_tick());
  if (!problem.empty()) {
    const std::string metadata = "{\"missing\": " + json_quoted(problem) + "}";
    er::event_tracer_log_profiling_delegate(tracer_, "run", er::kUnsetDelegateDebugIntId, last_,
                                            now, metadata.c_str(), metadata.size());
    last_ = now;
    step("tell the tracer");
    return;
  }
  const et_timestamp_t gpu = times.empty() ? 0 : ticks_of_us(times.back().end_us);
  const et_timestamp_t gpu_start = std::max(last_, now - std::min(now, gpu));
  er::event_tracer_log_profiling_delegate(tracer_, "submit and wait", er::kUnsetDelegateDebugIntId,
                                          last_, gpu_start);
  for (const OpTime& time : times) {
    log_op(time, gpu_start);
  }
  last_ = now;
  step("tell the tracer");
}

void Events::log_op(const OpTime& time, et_timestamp_t gpu_start) {
  const std::string metadata = metadata_of(time);
  // ExecuTorch takes a number or a name, never both.
  const bool numbered = time.node_id >= 0;
  er::event_tracer_log_profiling_delegate(
      tracer_, numbered ? nullptr : time.op.c_str(),
      numbered ? static_cast<er::DelegateDebugIntId>(time.node_id) : er::kUnsetDelegateDebugIntId,
      gpu_start + ticks_of_us(time.start_us), gpu_start + ticks_of_us(time.end_us),
      metadata.c_str(), metadata.size());
}

}  // namespace etvk
