// Small problems with known results, on which a kernel is checked before it is used. Each family of
// kernels makes its own, in a file beside its implementation; nothing else lists them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "graph/selfcheck/Random.h"
#include "vk/Commands.h"
#include "vk/DeviceCaps.h"

namespace etvk {

// By their ids, from 0 on.
using SpecializationConstants = std::vector<uint32_t>;

// One dispatch of a row, and what must be in its output then. Sizes are around the edges of the
// row's tile, over several workgroups; operands are drawn.
struct Problem {
  std::string text;  // sizes, for a report
  // The bytes of each binding before; the first one is the output, the only one that is written.
  std::vector<std::vector<uint8_t>> bindings;
  std::vector<uint8_t> push_constants;
  WorkgroupCount groups;

  // The output's bytes afterwards, those that the kernel must leave alone included.
  std::vector<uint8_t> expected;
  // How far results may be off, by element: steps of int8, or in a float32 output real numbers.
  // Empty: not at all. A NaN that is expected may be any NaN.
  std::vector<float> limits;
  bool is_float = false;  // elements of the output are float32, else bytes

  template <typename Push>
  void set_push(const Push& push) {
    push_constants.resize(sizeof(push));
    std::memcpy(push_constants.data(), &push, sizeof(push));
  }
  // The next binding, padded to whole groups of 16 bytes.
  template <typename Element>
  void bind(const std::vector<Element>& elements) {
    bindings.push_back(padded(elements.data(), elements.size() * sizeof(Element)));
  }
  // The first binding: room for `results`, all of which the kernel writes.
  template <typename Element>
  void bind_output(const std::vector<Element>& results) {
    bind_output_bytes(results.data(), results.size() * sizeof(Element));
    is_float = std::is_same_v<Element, float>;
  }

 private:
  static std::vector<uint8_t> padded(const void* bytes, size_t size);
  void bind_output_bytes(const void* bytes, size_t size);
};

// What each byte holds that nothing has written yet.
constexpr uint8_t kUnwritten = 0xa5;

// Where a difference is and how many there are; empty if `output`, the bytes of the first binding
// afterwards, is right.
std::string difference(const Problem& problem, const uint8_t* output);

// What makes the problems of a row. Throws nothing but for a row that it was not written for.
struct ProblemFamily {
  const char* op;  // of the kernel table
  // The constants that pipelines of the row can have and that change what it does, some perhaps
  // twice; of those that multiply, each value and each pair that shares code.
  std::vector<SpecializationConstants> (*all_constants)(const KernelRow& row);
  Problem (*make)(const KernelRow& row, const SpecializationConstants& constants, Random& random);
};

// The all_constants of rows whose pipelines have none.
std::vector<SpecializationConstants> no_constants(const KernelRow& row);

// `const RegisterProblems registered({{...}, {...}});` at the end of a family's file.
struct RegisterProblems {
  explicit RegisterProblems(const std::vector<ProblemFamily>& families);
};

// Throws kInternal where the op has none: its family has to register one.
const ProblemFamily& problem_family(const char* op);

}  // namespace etvk
