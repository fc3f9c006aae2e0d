// Where the time of a program goes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/Node.h"
#include "graph/Values.h"
#include "vk/Commands.h"

namespace etvk {

// What one op took on the GPU.
struct OpTime {
  std::string op;        // "et_vk.q8ta_linear.default", or what is copied
  int32_t node_id = -1;  // as in OpCall
  std::vector<std::string> kernels;
  std::vector<std::vector<int64_t>> inputs;  // sizes of the tensors that it reads and writes
  std::vector<std::vector<int64_t>> outputs;
  uint64_t bytes = 0;       // that its kernels read and write, each binding counted once
  uint64_t operations = 0;  // of a matrix product or convolution: 2 * M * N * K
  double start_us = 0.0;    // since the first command's start
  double end_us = 0.0;
};

// Of a submission whose steps belong to the nodes in their order: owner 0 is copies of inputs, i +
// 1 node i, and what is behind them copies of outputs.
std::vector<OpTime> op_times(const std::vector<StepTime>& steps, const std::vector<Node>& nodes,
                             const Values& values);

// Why `times` can't be those of a run that took the host `host_us`; empty where they can.
std::string timing_problem(const DeviceCaps& caps, const std::vector<OpTime>& times,
                           double host_us);

// A part of making a ComputeGraph.
struct LoadPhase {
  const char* name;
  double us;
};

}  // namespace etvk
