// etvk_bench: checks and times the int8 kernels. Shaders are inside, so the program runs on
// a machine without Python; see usage() in BenchOptions.cpp for what is measured.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "BenchOptions.h"
#include "LoadBench.h"
#include "Measure.h"
#include "OpBench.h"
#include "OrderOps.h"
#include "Report.h"
#include "Tune.h"
#include "graph/ops/KernelSelect.h"
#include "vk/Context.h"
#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr int64_t kBearableOnCpu = int64_t{1024} * 2048 * 2048;  // products

std::vector<const KernelRow*> rows_of(const std::string& op) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  std::vector<const KernelRow*> found;
  for (size_t i = 0; i < count; ++i) {
    if (op == rows[i].op) {
      found.push_back(&rows[i]);
    }
  }
  return found;
}

void list_kernels(const DeviceCaps& caps, const BenchOptions& options) {
  std::printf("%s\n", caps.name.c_str());
  for (const KernelRow* row : rows_of(op_name(options))) {
    std::string why;
    const bool fits = kernel_fits(*row, caps, &why);
    std::printf("  %-52s %s%s\n", row->name, fits ? "runs" : "does not run: ", why.c_str());
  }
}

// The kernels to force, one after the other; an empty name is selection's choice.
std::vector<std::string> kernels_to_run(const DeviceCaps& caps, const BenchOptions& options) {
  if (options.kernel.empty()) {
    return {""};
  }
  std::vector<std::string> names;
  for (const KernelRow* row : rows_of(op_name(options))) {
    if (options.kernel == row->name || (options.kernel == "all" && kernel_fits(*row, caps))) {
      names.emplace_back(row->name);
    }
  }
  ETVK_CHECK(!names.empty(), kInvalidArgument,
             "--kernel '" << options.kernel << "': " << op_name(options)
                          << " has no such kernel; see --list");
  return names;
}

std::vector<Shape> shapes_to_run(const DeviceCaps& caps, const BenchOptions& options) {
  if (!options.shapes.empty()) {
    return options.shapes;
  }
  std::vector<Shape> shapes = default_shapes();
  if (caps.type == DeviceType::kCpu && !options.all) {
    shapes.erase(
        std::remove_if(shapes.begin(), shapes.end(),
                       [](const Shape& shape) { return shape.products() > kBearableOnCpu; }),
        shapes.end());
  }
  return shapes;
}

// All kernels on one shape. Every result is checked before anything is timed, so that the timed
// runs follow each other without a pause in which the GPU's clock could fall.
std::vector<Result> run_shape(Context& context, const BenchOptions& options, const Shape& shape,
                              const std::vector<std::string>& kernels, double warmup) {
  const testing::LinearCase linear = linear_case(options, shape);
  const std::vector<uint8_t> expected = testing::reference_output(linear);
  std::vector<Result> results;
  for (const std::string& kernel : kernels) {
    Result result;
    result.shape = shape;
    result.op = op_name(options);
    try {
      result.measured = check(context, linear, expected, kernel);
    } catch (const Error& error) {
      if (options.kernel != "all" || error.code() != ErrorCode::kNotSupported) {
        throw;
      }
      std::printf("%s\n", error.what());  // a row too small for the shape
      continue;
    }
    results.push_back(std::move(result));
  }
  MeasureOptions measure_options{options.distinct_weights, warmup, options.target_ms};
  for (Result& result : results) {
    if (result.measured.mismatch.empty()) {
      result.measured = measure(context, linear, expected, result.measured.kernel, measure_options);
      measure_options.warmup_ms = std::min(warmup, kWarmupOfNextMs);
    }
  }
  const double clock_mhz = sm_clock_mhz(context.device.caps());
  for (Result& result : results) {
    result.sm_clock_mhz = clock_mhz;
    print_result(result, options);
  }
  return results;
}

// False if a result was not exact.
bool run_benchmarks(Context& context, const BenchOptions& options) {
  const DeviceCaps& caps = context.device.caps();
  const std::vector<std::string> kernels = kernels_to_run(caps, options);
  const std::vector<Shape> shapes = shapes_to_run(caps, options);
  print_header(caps, options);
  std::vector<Result> results;
  if (options.tune) {
    results = tune(context, options, shapes);
  } else {
    for (const Shape& shape : shapes) {
      const double warmup = warmup_ms(caps, options, results.empty());
      const std::vector<Result> of_shape = run_shape(context, options, shape, kernels, warmup);
      results.insert(results.end(), of_shape.begin(), of_shape.end());
    }
  }
  if (!options.json_path.empty()) {
    write_json(options.json_path, caps, options, results);
  }
  return std::all_of(results.begin(), results.end(),
                     [](const Result& result) { return result.measured.mismatch.empty(); });
}

int run(int argc, char** argv) {
  const BenchOptions options = parse_options(argc, argv);
  if (options.help) {
    std::fputs(usage(), stdout);
    return 0;
  }
  const std::shared_ptr<Context> context = context_from_environment();
  if (options.list) {
    list_kernels(context->device.caps(), options);
    return 0;
  }
  if (options.load_mib > 0) {
    run_load_benchmark(*context, options.load_mib);
    return 0;
  }
  const bool exact = options.ops.empty() ? run_benchmarks(*context, options)
                                         : run_op_benchmarks(*context, options);
  return exact ? 0 : 1;
}

}  // namespace

}  // namespace etvk::bench

int main(int argc, char** argv) {
  try {
    etvk::testing::register_order_ops();
    return etvk::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "etvk_bench: %s\n", error.what());
    return 1;
  }
}
