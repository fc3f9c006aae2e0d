// A program of the fuzzer: the graph, the bytes that its constants point at, and how it is
// executed.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "graph/GraphDef.h"

namespace etvk::fuzz {

using Sizes = std::vector<int64_t>;

// How one input is set: sizes of a tensor, or a symbolic integer.
struct InputSetting {
  Sizes sizes;
  int64_t integer = 0;
};

using Execution = std::vector<InputSetting>;  // by input

struct Program {
  uint64_t seed = 0;
  GraphDef def;
  std::deque<std::vector<uint8_t>> constant_bytes;  // what def.constants point at
  std::vector<Execution> executions;
  std::string lie;       // what was changed in a well-formed graph; empty: nothing
  bool as_blob = false;  // goes through the serialized form
  bool staged = false;   // on a device without mapped memory

  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  Program(Program&&) = default;
  Program& operator=(Program&&) = default;
};

// Values within float32's normal numbers, zero, infinities and NaN, or any integers; the same for
// the same seed.
std::vector<uint8_t> random_bytes(uint64_t seed, DType dtype, size_t count);
// Of input `input` in execution `execution`.
std::vector<uint8_t> input_bytes(const Program& program, size_t execution, size_t input,
                                 DType dtype, size_t count);

// Adds a constant with bytes of its own; the value that stands for it.
ValueId add_constant(Program& program, DType dtype, Sizes dims, std::vector<uint8_t> bytes);

// The whole program for a reader, one value, call and execution a line.
std::string describe(const Program& program);

}  // namespace etvk::fuzz
