#include "tools/Overhead.h"

#include <executorch/extension/module/module.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

extern "C" void etvk_take_execute_times(double times_us[6]);  // CApi.cpp

namespace etvk::tools {

namespace {

using Clock = std::chrono::steady_clock;
using executorch::extension::Module;
using executorch::runtime::Error;
using executorch::runtime::EValue;

constexpr double kWarmUpUs = 200e3;  // clocks rise under load

// Each is left out of what the device can do; the last one is how every large tensor travels.
constexpr const char* kVariants[] = {
    "",
    "spin",
    "direct_input",
    "direct_output",
    "direct_input,direct_output",
    "spin,direct_input,direct_output",
};

// Sets a variable for as long as it lives.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    const char* previous = std::getenv(name);
    had_previous_ = previous != nullptr;
    previous_ = had_previous_ ? previous : "";
    setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() {
    if (had_previous_) {
      setenv(name_, previous_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  bool had_previous_ = false;
  std::string previous_;
};

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

void check(Error error, const std::string& what) {
  if (error != Error::Ok) {
    throw std::runtime_error(what + ": " + executorch::runtime::to_string(error));
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

// Of one execution, as the caller sees it and as the delegate does (ExecuteTimes' fields).
struct Sample {
  double wall_us = 0.0;
  std::array<double, 6> delegate_us{};
};

std::vector<Sample> run(const std::string& model, const std::vector<std::string>& data_files,
                        const std::string& method, const std::vector<EValue>& inputs, size_t repeat,
                        bool timed) {
  const ScopedVariable timestamps("ETVK_TIMESTAMPS", timed ? "1" : "0");
  Module module(model, data_files);
  check(module.load_method(method), "loading method " + method);
  const auto execute = [&] {
    Sample sample;
    const auto start = Clock::now();
    const auto result = module.execute(method, inputs);
    sample.wall_us = us_since(start);
    check(result.error(), "running " + method);
    etvk_take_execute_times(sample.delegate_us.data());
    return sample;
  };
  for (const auto start = Clock::now(); us_since(start) < kWarmUpUs;) {
    execute();
  }
  std::vector<Sample> samples;
  for (size_t i = 0; i < repeat; ++i) {
    samples.push_back(execute());
  }
  return samples;
}

template <typename Value>
double median_of(const std::vector<Sample>& samples, Value&& value) {
  std::vector<double> values;
  for (const Sample& sample : samples) {
    values.push_back(value(sample));
  }
  return median(std::move(values));
}

}  // namespace

void report_overhead(const std::string& model, const std::vector<std::string>& data_files,
                     const std::string& method, const std::vector<EValue>& inputs, size_t repeat) {
  const char* disabled = std::getenv("ETVK_DISABLE");
  const std::string always = disabled == nullptr ? "" : disabled;
  std::printf(
      "\nmedians of %zu executions, us; beyond GPU = wall - GPU\n"
      "%-32s %8s %8s %10s | with timestamps: %8s %8s %8s %8s %8s\n",
      repeat, "without", "wall", "GPU", "beyond GPU", "execute", "copy in", "submit", "wait",
      "copy out");
  for (const std::string variant : kVariants) {
    const std::string both = always + (always.empty() || variant.empty() ? "" : ",") + variant;
    const ScopedVariable disable("ETVK_DISABLE", both);
    const auto wall = [](const Sample& sample) { return sample.wall_us; };
    const double wall_us = median_of(run(model, data_files, method, inputs, repeat, false), wall);
    const std::vector<Sample> timed = run(model, data_files, method, inputs, repeat, true);
    std::array<double, 6> delegate_us{};
    for (size_t field = 0; field < delegate_us.size(); ++field) {
      delegate_us[field] =
          median_of(timed, [field](const Sample& sample) { return sample.delegate_us[field]; });
    }
    const auto [total, copy_in, submit, wait, copy_out, gpu] = delegate_us;
    std::printf("%-32s %8.1f %8.1f %10.1f | %16s %8.1f %8.1f %8.1f %8.1f %8.1f\n",
                both.empty() ? "(nothing)" : both.c_str(), wall_us, gpu, wall_us - gpu, "", total,
                copy_in, submit, wait, copy_out);
    std::fflush(stdout);
  }
}

}  // namespace etvk::tools
