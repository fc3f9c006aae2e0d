#include "graph/OpTime.h"

#include <sstream>

#include "vk/Timestamps.h"

namespace etvk {

namespace {

constexpr double kClockDrift = 1.01;  // of the device's clock against the host's, at most

std::vector<std::vector<int64_t>> sizes_of(const std::vector<ValueId>& ids, const Values& values) {
  std::vector<std::vector<int64_t>> sizes;
  for (ValueId id : ids) {
    if (values.is_tensor(id) && !values.is_constant(id)) {
      sizes.push_back(values.sizes(id));
    }
  }
  return sizes;
}

OpTime start_of(const StepTime& step, const std::vector<Node>& nodes, const Values& values) {
  OpTime time;
  time.start_us = step.start_us;
  if (step.owner == 0 || step.owner > nodes.size()) {
    time.op = step.owner == 0 ? "copy inputs to the device" : "copy outputs from the device";
    return time;
  }
  const Node& node = nodes[step.owner - 1];
  time.op = node.op;
  time.node_id = node.node_id;
  time.inputs = sizes_of(node.reads, values);
  time.outputs = sizes_of(node.writes, values);
  return time;
}

}  // namespace

std::vector<OpTime> op_times(const std::vector<StepTime>& steps, const std::vector<Node>& nodes,
                             const Values& values) {
  std::vector<OpTime> times;
  const StepTime* last = nullptr;
  for (const StepTime& step : steps) {
    if (last == nullptr || step.owner != last->owner) {
      times.push_back(start_of(step, nodes, values));
    }
    last = &step;
    if (step.row != nullptr) {
      times.back().kernels.emplace_back(step.row->name);
    }
    times.back().bytes += step.bytes;
    times.back().operations += step.operations;
    times.back().end_us = step.end_us;
  }
  return times;
}

std::string timing_problem(const DeviceCaps& caps, const std::vector<OpTime>& times,
                           double host_us) {
  std::ostringstream problem;
  const double all_us = times.empty() ? 0.0 : times.back().end_us;
  if (!caps.has_timestamps()) {
    problem << "the device's compute queue has no timestamps";
  } else if (host_us >= timestamp_round_us(caps)) {
    problem << "the run took " << host_us << " us, and the device's timestamps start over after "
            << timestamp_round_us(caps) << " us";
  } else if (all_us > host_us * kClockDrift) {
    problem << "the device's timestamps say " << all_us << " us of a run that took the host "
            << host_us << " us";
  }
  return problem.str();
}

}  // namespace etvk
