// Where the time of a program goes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace etvk {

// What one op took on the GPU.
struct OpTime {
  std::string op;        // "et_vk.q8ta_linear.default", or what is copied
  int32_t node_id = -1;  // as in OpCall
  std::vector<std::string> kernels;
  std::vector<std::vector<int64_t>> inputs;  // sizes of the tensors that it reads and writes
  std::vector<std::vector<int64_t>> outputs;
  uint64_t bytes = 0;     // that its kernels read and write, each binding counted once
  double start_us = 0.0;  // since the first command's start
  double end_us = 0.0;
};

// A part of making a ComputeGraph.
struct LoadPhase {
  const char* name;
  double us;
};

}  // namespace etvk
