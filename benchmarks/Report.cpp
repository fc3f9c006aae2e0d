#include "Report.h"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>

#include "Commit.h"
#include "JsonText.h"
#include "vk/Environment.h"
#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr int64_t kMatrixVectorRows = 32;  // up to here the weights' bandwidth is what counts

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

double tops(const Result& result) {
  return 2.0 * static_cast<double>(result.shape.products()) /
         (result.measured.best().median_us * 1e6);
}

double weight_gb_per_s(const Result& result) {
  return static_cast<double>(result.shape.K * result.shape.N) /
         (result.measured.best().median_us * 1e3);
}

std::string result_json(const Result& result) {
  const Measurement& measured = result.measured;
  const bool exact = measured.mismatch.empty();
  std::ostringstream json;
  json << "{\"M\": " << result.shape.M << ", \"K\": " << result.shape.K
       << ", \"N\": " << result.shape.N << ", \"op\": " << json_quoted(result.op)
       << ", \"kernel\": " << json_quoted(measured.kernel)
       << ", \"exact\": " << (exact ? "true" : "false");
  if (!exact) {
    json << ", \"mismatch\": " << json_quoted(measured.mismatch) << "}";
    return json.str();
  }
  json << ", \"dispatches_per_submission\": " << measured.dispatches
       << ", \"gpu\": " << stats_json(measured.gpu) << ", \"wall\": " << stats_json(measured.wall)
       << ", \"tops\": " << tops(result) << ", \"weight_gb_per_s\": " << weight_gb_per_s(result)
       << ", \"sm_clock_mhz\": ";
  json << (result.sm_clock_mhz > 0 ? std::to_string(result.sm_clock_mhz) : "null") << "}";
  return json.str();
}

const char* timing_text(const DeviceCaps& caps) {
  return caps.has_timestamps() ? "GPU timestamps around a chain of dispatches, per dispatch"
                               : "host clock (the device has no timestamps)";
}

}  // namespace

std::string stats_json(const TimeStats& stats) {
  if (stats.samples == 0) {
    return "null";
  }
  std::ostringstream json;
  json << "{\"samples\": " << stats.samples << ", \"median_us\": " << stats.median_us
       << ", \"min_us\": " << stats.min_us << ", \"p90_us\": " << stats.p90_us
       << ", \"mean_us\": " << stats.mean_us << "}";
  return json.str();
}

int sm_clock_mhz(const DeviceCaps& caps) {
  if (caps.name.find("NVIDIA") == std::string::npos) {
    return 0;
  }
  FILE* pipe =
      popen("nvidia-smi --query-gpu=clocks.sm --format=csv,noheader,nounits 2>/dev/null", "r");
  if (pipe == nullptr) {
    return 0;
  }
  int highest = 0;
  char line[64];
  while (std::fgets(line, sizeof(line), pipe) != nullptr) {
    const int clock = std::atoi(line);
    highest = clock > highest ? clock : highest;
  }
  pclose(pipe);
  return highest;
}

void print_device(const DeviceCaps& caps) {
  const std::string disabled = environment("ETVK_DISABLE");
  std::printf("device  %s\ndriver  %s\ncommit  %s\ndate    %s\ntime    %s\n", caps.name.c_str(),
              caps.driver.c_str(), ETVK_COMMIT, utc_time().c_str(), timing_text(caps));
  if (!disabled.empty()) {
    std::printf("without %s\n", disabled.c_str());
  }
}

void print_header(const DeviceCaps& caps, const BenchOptions& options) {
  print_device(caps);
  std::printf("\n%-16s %-64s %11s %11s %11s %8s %7s", "M x K x N", "kernel", "us (median)", "min",
              "p90", "TOPS", "GB/s");
  if (options.wall) {
    std::printf(" %11s", "wall us");
  }
  std::printf("  result\n");
  std::fflush(stdout);
}

void print_result(const Result& result, const BenchOptions& options) {
  const Measurement& measured = result.measured;
  std::printf("%-16s %-64s ", shape_text(result.shape).c_str(), measured.kernel.c_str());
  if (!measured.mismatch.empty()) {
    std::printf("MISMATCH: %s\n", measured.mismatch.c_str());
    std::fflush(stdout);
    return;
  }
  const TimeStats& time = measured.best();
  std::printf("%11.1f %11.1f %11.1f %8.3f ", time.median_us, time.min_us, time.p90_us,
              tops(result));
  if (result.shape.M <= kMatrixVectorRows) {
    std::printf("%7.1f", weight_gb_per_s(result));
  } else {
    std::printf("%7s", "-");
  }
  if (options.wall) {
    std::printf(" %11.1f", measured.wall.median_us);
  }
  std::printf("  exact");
  if (result.sm_clock_mhz > 0) {
    std::printf(" (%d MHz)", result.sm_clock_mhz);
  }
  std::printf("\n");
  std::fflush(stdout);
}

std::string device_json(const DeviceCaps& caps) {
  std::ostringstream json;
  json << "  \"device\": " << json_quoted(caps.name)
       << ",\n  \"driver\": " << json_quoted(caps.driver)
       << ",\n  \"commit\": " << json_quoted(ETVK_COMMIT)
       << ",\n  \"date\": " << json_quoted(utc_time())
       << ",\n  \"disabled\": " << json_quoted(environment("ETVK_DISABLE"))
       << ",\n  \"timing\": " << json_quoted(timing_text(caps));
  return json.str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  ETVK_CHECK(file.good(), kInvalidArgument, "--json '" << path << "' cannot be written");
}

void write_json(const std::string& path, const DeviceCaps& caps, const BenchOptions& options,
                const std::vector<Result>& results) {
  std::ostringstream json;
  json << "{\n"
       << device_json(caps)
       << ",\n  \"distinct_weights\": " << (options.distinct_weights ? "true" : "false")
       << ",\n  \"target_ms\": " << options.target_ms << ",\n  \"results\": [";
  for (size_t i = 0; i < results.size(); ++i) {
    json << (i == 0 ? "\n    " : ",\n    ") << result_json(results[i]);
  }
  json << "\n  ]\n}\n";
  write_file(path, json.str());
}

}  // namespace etvk::bench
