// What etvk_bench prints and writes: a header, a table, and the same as JSON.
#pragma once

#include <string>
#include <vector>

#include "BenchOptions.h"
#include "Measure.h"
#include "vk/DeviceCaps.h"

namespace etvk::bench {

struct Result {
  Shape shape;
  std::string op;
  Measurement measured;
  int sm_clock_mhz = 0;  // right after measuring; 0: unknown
};

// Clock of the busiest NVIDIA GPU by nvidia-smi; 0 for other devices and without that program.
int sm_clock_mhz(const DeviceCaps& caps);

// "device ...", "driver ...", "commit ...", "date ...", "time ...".
void print_device(const DeviceCaps& caps);
void print_header(const DeviceCaps& caps, const BenchOptions& options);
void print_result(const Result& result, const BenchOptions& options);

// Their values as JSON members, without braces.
std::string device_json(const DeviceCaps& caps);
std::string stats_json(const TimeStats& stats);
void write_file(const std::string& path, const std::string& text);

// Throws kInvalidArgument when the file cannot be written.
void write_json(const std::string& path, const DeviceCaps& caps, const BenchOptions& options,
                const std::vector<Result>& results);

}  // namespace etvk::bench
