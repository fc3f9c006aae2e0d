#include "Tune.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/TunedKernels.h"
#include "vk/Error.h"

namespace etvk::bench {

namespace {

// Below this two kernels are the same: another run could see them in the other order.
constexpr double kClearlyFaster = 0.98;

// A first execution so much slower than the best one so far need not be timed. GPUs may still be at
// a low clock, and short times are mostly overhead.
constexpr double kHopelesslySlower = 10.0;
constexpr double kShortUs = 2000.0;

// Selection without the tuner, which would only repeat itself, and without a forced kernel.
std::vector<const KernelRow*> candidates(const DeviceCaps& caps, const TunedShape& shape) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  std::vector<const KernelRow*> found;
  for (const KernelRow* row = rows; row != rows + count; ++row) {
    const KernelRow* usable =
        select_linear_kernel(row, 1, caps, shape.op.c_str(), {shape.M, shape.N, shape.K});
    if (usable != nullptr) {
      found.push_back(usable);
    }
  }
  const KernelRow* own =
      select_linear_kernel(rows, count, caps, shape.op.c_str(), {shape.M, shape.N, shape.K});
  const auto at = std::find(found.begin(), found.end(), own);
  ETVK_CHECK(at != found.end(), kNotSupported, "no kernel can run this shape on " << caps.name);
  std::rotate(found.begin(), at, at + 1);
  return found;
}

// Exact ones come first.
bool is_faster(const Result& a, const Result& b) {
  if (a.measured.mismatch.empty() != b.measured.mismatch.empty()) {
    return a.measured.mismatch.empty();
  }
  return a.measured.best().median_us < b.measured.best().median_us;
}

bool is_clearly_faster(const Result& a, const Result& b) {
  return !b.measured.mismatch.empty() ||
         a.measured.best().median_us < kClearlyFaster * b.measured.best().median_us;
}

std::vector<Result> measure_all(Context& context, const BenchOptions& options, const Shape& shape,
                                const TunedShape& key, double warmup_ms) {
  const testing::LinearCase linear = linear_case(options, shape);
  const std::vector<uint8_t> expected = testing::reference_output(linear);
  std::vector<Result> results;
  double best_first_us = 0.0;
  for (const KernelRow* row : candidates(context.device.caps(), key)) {
    Result result;
    result.shape = shape;
    result.op = key.op;
    result.measured = check(context, linear, expected, row->name);
    const double first_us = result.measured.first_us;
    const bool is_slow = first_us > kShortUs && first_us > kHopelesslySlower * best_first_us;
    best_first_us = results.empty() ? first_us : std::min(best_first_us, first_us);
    if (!results.empty() && is_slow && result.measured.mismatch.empty()) {
      std::printf("%-16s %-64s not timed: %.0f us at first, the best %.0f us\n",
                  shape_text(shape).c_str(), row->name, first_us, best_first_us);
      continue;
    }
    results.push_back(std::move(result));
  }
  MeasureOptions how{options.distinct_weights, warmup_ms, options.target_ms};
  for (Result& result : results) {
    if (result.measured.mismatch.empty()) {
      result.measured = measure(context, linear, expected, result.measured.kernel, how);
      how.warmup_ms = std::min(warmup_ms, kWarmupOfNextMs);
    }
    print_result(result, options);
  }
  // Chance favours one of many: the first, which selection would choose, stays unless the fastest
  // is clearly faster again.
  const auto best = std::min_element(results.begin(), results.end(), is_faster);
  if (best != results.begin() && is_clearly_faster(*best, results.front())) {
    for (Result* result : {&results.front(), &*best}) {
      result->measured = measure(context, linear, expected, result->measured.kernel, how);
      print_result(*result, options);
    }
  }
  return results;
}

// The fastest exact one, or the first where nothing is clearly faster; null if none is exact.
const Result* choose(const std::vector<Result>& results) {
  const auto best = std::min_element(results.begin(), results.end(), is_faster);
  if (!best->measured.mismatch.empty()) {
    return nullptr;
  }
  return is_clearly_faster(*best, results.front()) ? &*best : &results.front();
}

void keep(const std::string& path, const DeviceCaps& caps, const TunedShape& shape,
          const std::string& kernel) {
  std::error_code ignored;  // writing says what is wrong
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  std::string why;
  ETVK_CHECK(keep_tuned_kernel(path, tuning_key(caps), shape, kernel, &why), kInvalidArgument,
             "tuned kernels cannot be kept in " << path << ": " << why
                                                << "; ETVK_TUNE_CACHE names another file");
}

}  // namespace

std::vector<Result> tune(Context& context, const BenchOptions& options,
                         const std::vector<Shape>& shapes) {
  const DeviceCaps& caps = context.device.caps();
  const std::string path = tuned_kernels_path();
  const double warmup_ms = options.warmup_ms >= 0.0        ? options.warmup_ms
                           : caps.type == DeviceType::kCpu ? 0.0
                                                           : 1000.0;
  std::vector<Result> all;
  for (const Shape& shape : shapes) {
    const TunedShape key{op_name(options), static_cast<uint32_t>(shape.M),
                         static_cast<uint32_t>(shape.N), static_cast<uint32_t>(shape.K)};
    const std::vector<Result> results = measure_all(context, options, shape, key, warmup_ms);
    if (const Result* best = choose(results)) {
      keep(path, caps, key, best->measured.kernel);
      const bool is_own = best == &results.front();
      std::printf("%-16s -> %s%s\n", shape_text(shape).c_str(), best->measured.kernel.c_str(),
                  is_own ? ", as selection chooses"
                         : (" instead of " + results.front().measured.kernel).c_str());
    }
    all.insert(all.end(), results.begin(), results.end());
  }
  std::printf("kept in %s; programs use it with ETVK_TUNE=1\n", path.c_str());
  return all;
}

}  // namespace etvk::bench
