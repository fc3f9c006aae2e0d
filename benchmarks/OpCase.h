// One call of an op for the benchmark: its program, its operands, and its result in
// plain C++. Knows nothing of devices or kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "graph/GraphDef.h"

namespace etvk::bench {

struct OpCase {
  std::string name;            // "table"
  std::vector<int64_t> shape;  // of x, [rows, columns]
  GraphDef base;               // inputs, constants and arguments, and what prepares an input
  OpCall call;                 // without its output
  TensorDef y;
  size_t results = 0;   // of a list, of which y is the first one, and all are like it; 0: no list
  std::string reorder;  // op that makes the program's output of y without a dispatch; "": none
  TensorDef reordered;
  std::vector<std::vector<uint8_t>> inputs;
  std::deque<std::vector<uint8_t>> constants;  // what those of `base` point at
  std::vector<uint8_t> expected;
  bool is_exact = true;          // else int8 may be a step off, and float32 wrong by relative_error
  double relative_error = 1e-5;  // of the largest magnitude of the row
  size_t moved_bytes = 0;        // all operands and the result once

  // What results are compared for: "exact", "within a step", "within 1e-05".
  std::string precision() const;
  // Empty where y is as expected; else what is wrong.
  std::string compare(const uint8_t* y) const;
  // A program that makes the call `calls` times; the last result is its output.
  GraphDef program(size_t calls) const;
};

// The names of a group, "all" memory-bound ops, "convolution", "norm" or "product"; of another,
// that one.
std::vector<std::string> op_case_names(const std::string& group);

// Elements of 4 bytes are in the largest tensor, not of 1.
bool is_float_case(const std::string& name);

// [rows, columns] that are measured when none is asked for; none: by the device.
const std::vector<std::vector<int64_t>>& default_op_shapes(const std::string& name);

// Random operands. Throws kInvalidArgument for an unknown name or a shape that the op cannot have.
OpCase make_op_case(const std::string& name, const std::vector<int64_t>& shape, uint64_t seed);

}  // namespace etvk::bench
