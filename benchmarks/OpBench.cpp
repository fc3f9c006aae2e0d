#include "OpBench.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "JsonText.h"
#include "Measure.h"
#include "OpCase.h"
#include "Report.h"
#include "graph/ops/KernelSelect.h"
#include "vk/Buffer.h"
#include "vk/Commands.h"
#include "vk/Error.h"

namespace etvk::bench {

namespace {

struct OpResult {
  std::string op;
  std::vector<int64_t> shape;
  size_t moved_bytes = 0;
  std::string precision;  // what it was compared for
  Measurement measured;

  double gb_per_s() const {
    return static_cast<double>(moved_bytes) / (measured.best().median_us * 1e3);
  }
};

// vkCmdCopyBuffer from one buffer to another, in GB/s read and written; 0 without timestamps. Each
// copy waits for the one before it, as the dispatches of a chain do.
double driver_copy_gb_per_s(Context& context, uint64_t bytes) {
  constexpr size_t kCopies = 20;
  constexpr size_t kRuns = 20;
  if (!context.device.caps().has_timestamps()) {
    return 0.0;
  }
  const Buffer from(context.device, bytes, MemoryUse::kDevice);
  const Buffer to(context.device, bytes, MemoryUse::kDevice);
  Commands commands(context.device, true);
  commands.begin();
  for (size_t i = 0; i < kCopies; ++i) {
    commands.copy({{{&from, 0, bytes}, {&to, 0, bytes}}});
  }
  commands.end();
  std::vector<double> times_us;
  for (size_t i = 0; i < kRuns; ++i) {
    commands.submit_and_wait();
    times_us.push_back(commands.submission_us() / kCopies);
  }
  return 2.0 * static_cast<double>(bytes) / (stats_of(times_us).median_us * 1e3);
}

std::vector<std::string> names_to_run(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const std::string& group : options.ops) {
    const std::vector<std::string> more = op_case_names(group);
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

std::vector<std::vector<int64_t>> shapes_to_run(const DeviceCaps& caps, const BenchOptions& options,
                                                const std::string& name) {
  if (!options.op_shapes.empty()) {
    return options.op_shapes;
  }
  const bool on_cpu = caps.type == DeviceType::kCpu && !options.all;
  const std::vector<std::vector<int64_t>>& own = default_op_shapes(name);
  if (!own.empty()) {
    return on_cpu ? std::vector<std::vector<int64_t>>{own.front()} : own;
  }
  const int64_t size = on_cpu ? 1024 : 8192;
  return {{is_float_case(name) ? size / 2 : size, is_float_case(name) ? size / 2 : size}};
}

// With `kernel`, or the one that is chosen where it is empty.
Measurement run_case(Context& context, const BenchOptions& options, const OpCase& made,
                     const std::string& kernel, double warmup) {
  const testing::ForcedKernel forced(kernel);
  const auto build = [&](size_t calls) {
    auto graph = std::make_unique<ComputeGraph>(context, made.program(calls),
                                                context.device.caps().has_timestamps());
    for (size_t i = 0; i < made.inputs.size(); ++i) {
      std::memcpy(graph->input_data(i), made.inputs[i].data(), made.inputs[i].size());
    }
    return graph;
  };
  const auto compare = [&made](ComputeGraph& graph) { return made.compare(graph.output_data(0)); };
  const std::unique_ptr<ComputeGraph> once = build(1);
  once->run();
  Measurement result;
  result.kernel = once->kernels().at(0);
  result.mismatch = compare(*once);
  const bool is_other = options.kernel == "all" && !kernel.empty() && result.kernel != kernel;
  if (!result.mismatch.empty() || is_other) {
    return result;
  }
  return measure_chain(context, build, compare, kMaxDispatches, {false, warmup, options.target_ms});
}

// Ops of the table whose rows may stand in for each other.
bool can_stand_in(const KernelRow& row, const KernelRow& chosen) {
  constexpr const char* kAlike[][2] = {{"attention", "q8ta_attention"},
                                       {"attention", "float_attention"},
                                       {"normalize", "normalize_rows"}};
  const auto is_one_of = [](const KernelRow& one, const char* const(&ops)[2]) {
    return std::strcmp(one.op, ops[0]) == 0 || std::strcmp(one.op, ops[1]) == 0;
  };
  return std::strcmp(row.op, chosen.op) == 0 ||
         std::any_of(std::begin(kAlike), std::end(kAlike), [&](const char* const(&ops)[2]) {
           return is_one_of(row, ops) && is_one_of(chosen, ops);
         });
}

// The kernels to run a case with: one, or for `all` every row that may stand in for the chosen one;
// one that cannot do this case changes nothing where it is forced.
std::vector<std::string> kernels_to_run(Context& context, const BenchOptions& options,
                                        const OpCase& made) {
  if (options.kernel != "all") {
    return {options.kernel};
  }
  const std::string chosen = ComputeGraph(context, made.program(1), false).kernels().at(0);
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  const KernelRow* own =
      std::find_if(rows, rows + count, [&](const KernelRow& row) { return chosen == row.name; });
  std::vector<std::string> names;
  for (const KernelRow* row = rows; row != rows + count; ++row) {
    if (can_stand_in(*row, *own) && kernel_fits(*row, context.device.caps())) {
      names.emplace_back(row->name);
    }
  }
  return names;
}

// How fast this device copies 64 MiB: the driver's copy or that of a kernel, whichever is faster,
// for on NVIDIA's compute queue the driver's is a third as fast.
double copy_gb_per_s(Context& context, const BenchOptions& options, double warmup) {
  const bool on_cpu = context.device.caps().type == DeviceType::kCpu;
  const int64_t size = on_cpu ? 1024 : 8192;
  const OpCase made = make_op_case("copy", {size, size}, options.seed);
  const OpResult kernel{"copy", made.shape, made.moved_bytes, made.precision(),
                        run_case(context, options, made, "", warmup)};
  ETVK_CHECK(kernel.measured.mismatch.empty(), kInternal, "copy: " << kernel.measured.mismatch);
  const double driver = driver_copy_gb_per_s(context, static_cast<uint64_t>(size * size));
  std::printf("copy    %.1f GB/s read and written by a kernel, %.1f by the driver, %lld MiB\n\n",
              kernel.gb_per_s(), driver, static_cast<long long>(size * size >> 20));
  return std::max(kernel.gb_per_s(), driver);
}

void print_op_result(const OpResult& result, double copy) {
  const Measurement& measured = result.measured;
  const std::string shape = std::to_string(result.shape[0]) + "x" + std::to_string(result.shape[1]);
  std::printf("%-18s %-12s %-56s ", result.op.c_str(), shape.c_str(), measured.kernel.c_str());
  if (!measured.mismatch.empty()) {
    std::printf("MISMATCH: %s\n", measured.mismatch.c_str());
  } else {
    const TimeStats& time = measured.best();
    std::printf("%11.1f %11.1f %11.1f %8.1f", time.median_us, time.min_us, time.p90_us,
                result.gb_per_s());
    std::printf(" %7.0f%%  %s\n", 100 * result.gb_per_s() / copy, result.precision.c_str());
  }
  std::fflush(stdout);
}

void write_op_json(const std::string& path, const DeviceCaps& caps, double copy,
                   const std::vector<OpResult>& results) {
  std::ostringstream json;
  json << "{\n" << device_json(caps) << ",\n  \"copy_gb_per_s\": " << copy << ",\n  \"results\": [";
  for (size_t i = 0; i < results.size(); ++i) {
    const OpResult& result = results[i];
    const bool is_right = result.measured.mismatch.empty();
    json << (i == 0 ? "\n    " : ",\n    ") << "{\"op\": " << json_quoted(result.op)
         << ", \"shape\": [" << result.shape[0] << ", " << result.shape[1]
         << "], \"kernel\": " << json_quoted(result.measured.kernel)
         << ", \"exact\": " << (is_right && result.precision == "exact" ? "true" : "false");
    if (is_right) {
      json << ", \"precision\": " << json_quoted(result.precision)
           << ", \"moved_bytes\": " << result.moved_bytes
           << ", \"gpu\": " << stats_json(result.measured.gpu)
           << ", \"wall\": " << stats_json(result.measured.wall)
           << ", \"gb_per_s\": " << result.gb_per_s() << "}";
    } else {
      json << ", \"mismatch\": " << json_quoted(result.measured.mismatch) << "}";
    }
  }
  json << "\n  ]\n}\n";
  write_file(path, json.str());
}

}  // namespace

bool run_op_benchmarks(Context& context, const BenchOptions& options) {
  const DeviceCaps& caps = context.device.caps();
  print_device(caps);
  const double copy = copy_gb_per_s(context, options, warmup_ms(caps, options, true));
  std::printf("%-18s %-12s %-56s %11s %11s %11s %8s %8s  result\n", "op", "x", "kernel",
              "us (median)", "min", "p90", "GB/s", "of copy");
  std::vector<OpResult> results;
  for (const std::string& name : names_to_run(options)) {
    for (const std::vector<int64_t>& shape : shapes_to_run(caps, options, name)) {
      const OpCase made = make_op_case(name, shape, options.seed);
      for (const std::string& kernel : kernels_to_run(context, options, made)) {
        OpResult result{name, shape, made.moved_bytes, made.precision(), {}};
        try {
          result.measured =
              run_case(context, options, made, kernel, warmup_ms(caps, options, false));
        } catch (const Error& error) {
          if (options.kernel != "all" || error.code() != ErrorCode::kNotSupported) {
            throw;
          }
          std::printf("%-18s %s\n", name.c_str(), error.what());  // a row too small for the shape
          continue;
        }
        if (options.kernel == "all" && result.measured.kernel != kernel) {
          continue;
        }
        print_op_result(result, copy);
        results.push_back(std::move(result));
      }
    }
  }
  if (!options.json_path.empty()) {
    write_op_json(options.json_path, caps, copy, results);
  }
  return std::all_of(results.begin(), results.end(),
                     [](const OpResult& result) { return result.measured.mismatch.empty(); });
}

}  // namespace etvk::bench
