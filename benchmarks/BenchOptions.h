// Command line of etvk_bench.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "LinearCase.h"
#include "vk/DeviceCaps.h"

namespace etvk::bench {

struct Shape {
  int64_t M = 0;
  int64_t K = 0;
  int64_t N = 0;

  int64_t products() const { return M * K * N; }
};

std::string shape_text(const Shape& shape);  // "1024x2048x2048", M x K x N

struct BenchOptions {
  std::vector<Shape> shapes;                    // empty: the default list
  std::vector<std::string> ops;                 // memory-bound ops instead of linear kernels
  std::vector<std::vector<int64_t>> op_shapes;  // [rows, columns] of them; empty: the default
  bool all = false;                             // on a CPU too
  std::string kernel;         // a row's name, "all", or empty: the one that would be chosen
  bool float_output = false;  // linear_q8ta_q8csw instead of q8ta_linear
  bool residual = false;      // an int8 tensor is added
  bool table = false;         // each int8 result goes through a table
  bool distinct_weights = false;
  testing::Operands operands = testing::Operands::kUniform;
  uint64_t seed = 1;
  double target_ms = 200.0;
  double warmup_ms = -1.0;  // < 0: by the type of the device
  bool wall = false;
  bool tune = false;
  int64_t load_mib = 0;  // > 0: time loading a program of so much instead
  std::string json_path;
  bool list = false;
  bool help = false;
};

// The family of kernels that is measured.
const char* op_name(const BenchOptions& options);

// The layer that is measured for a shape, with random operands.
testing::LinearCase linear_case(const BenchOptions& options, const Shape& shape);

// Throws kInvalidArgument naming the argument that is wrong.
BenchOptions parse_options(int argc, char** argv);

// What --help prints.
const char* usage();

// Before measuring: as asked for, or by the type of the device.
double warmup_ms(const DeviceCaps& caps, const BenchOptions& options, bool is_first);

// The shapes that are measured when none is asked for.
const std::vector<Shape>& default_shapes();

}  // namespace etvk::bench
