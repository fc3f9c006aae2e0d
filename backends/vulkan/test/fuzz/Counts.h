// What the fuzzer has seen, in memory that a process shares with the one it is started by: it is
// still there when the process dies.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "Check.h"
#include "Program.h"

namespace etvk::fuzz {

struct Counts {
  static constexpr size_t kOps = 256;
  static constexpr size_t kRefusals = 512;
  static constexpr size_t kTextBytes = 120;

  // Of the process that runs programs.
  uint64_t seed = 0;                             // the program that runs now
  std::atomic<int64_t> started_seconds = 0;      // when it began; 0: none runs
  std::atomic<int64_t> started_cpu_seconds = 0;  // what the process had computed then

  uint64_t programs = 0;
  uint64_t honest = 0;              // without a lie
  uint64_t blobs = 0;               // in the serialized form
  uint64_t right_programs = 0;      // with at least one execution right
  uint64_t right = 0;               // executions
  uint64_t refused = 0;             // loads and executions
  uint64_t unchecked = 0;           // executions
  uint64_t wrong = 0;               // programs
  uint64_t right_by_op[kOps] = {};  // programs; in the order of all_ops()
  struct Refusal {
    char text[kTextBytes];
    uint64_t count;
  } refusals[kRefusals] = {};

  void add(const Program& program, const Verdict& verdict);
  // One line while it runs.
  std::string progress() const;
  // All of it.
  std::string report() const;
  // Names of the registry's ops that never ran, by comma.
  std::string ops_never_run() const;
};

// Zeros, in shared memory that is never freed. Throws std::runtime_error without memory.
Counts* shared_counts();

}  // namespace etvk::fuzz
