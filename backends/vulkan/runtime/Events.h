// What ExecuTorch's event tracer is told: the host's steps when a program is loaded or executed,
// and each op on the GPU.
#pragma once

#include <executorch/runtime/core/event_tracer.h>

#include <vector>

#include "graph/ComputeGraph.h"

namespace etvk {

// Points in time of one execution, in ticks of ExecuTorch's clock.
class Events {
 public:
  // `tracer` may be null: then nothing happens, and no clock is read.
  explicit Events(executorch::runtime::EventTracer* tracer) : tracer_(tracer) {}

  bool wanted() const { return tracer_ != nullptr; }
  // Instead of each op, of ETVK_EVENTS: "ops" (also if empty) or "together". Throws
  // kInvalidArgument for another word.
  bool wants_ops_together() const;

  // The host's step `name` went from the last point, or from start(), to now.
  void start();
  void step(const char* name);
  // The same for the making of `graph`: a row for each of its phases.
  void load(const ComputeGraph& graph);
  // The same for a run of `graph`, timed if the device has timestamps: a row for each op, one for
  // what the host waited beyond them, and one for what the rows themselves cost. Where there are no
  // times of ops, a row for all of the run that says why. Of a graph that is timed as a whole, one
  // row for all ops but the first, side by side where they can be as without a tracer.
  void run(const ComputeGraph& graph);

 private:
  std::vector<OpTime> times_of(const ComputeGraph& graph) const;
  void log_op(const OpTime& time, et_timestamp_t gpu_start);

  executorch::runtime::EventTracer* tracer_;
  et_timestamp_t last_ = 0;
};

}  // namespace etvk
