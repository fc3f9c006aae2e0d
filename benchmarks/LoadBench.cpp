#include "LoadBench.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "graph/ComputeGraph.h"

namespace etvk::bench {

namespace {

constexpr int64_t kSize = 4096;  // N and K of each layer: 16 MiB of weights

// Weights, and a chain of layers on them.
struct Program {
  std::vector<std::vector<uint8_t>> bytes;
  GraphDef def;
};

class Builder {
 public:
  ValueId add(const ValueDef& value) {
    made_.def.values.push_back(value);
    return static_cast<ValueId>(made_.def.values.size() - 1);
  }

  // Of every second byte of a constant: as fast as it must be, and no two constants are alike.
  ValueId constant(DType dtype, std::vector<int64_t> dims) {
    std::vector<uint8_t>& bytes = made_.bytes.emplace_back(tensor_bytes(dtype, dims), uint8_t{0});
    if (dtype == DType::kInt8) {
      for (size_t i = 0; i + 8 <= bytes.size(); i += 16) {
        const uint64_t value = random_();
        std::memcpy(&bytes[i], &value, 8);
      }
    } else if (dtype == DType::kFloat32) {
      const float scale = 0.001f;
      for (size_t i = 0; i < bytes.size(); i += 4) {
        std::memcpy(&bytes[i], &scale, 4);
      }
    }
    return add(TensorDef{dtype, std::move(dims), static_cast<int32_t>(made_.bytes.size() - 1)});
  }

  ValueId layer(ValueId x) {
    const ValueId scale = add(0.02);
    const ValueId zero_point = add(int64_t{0});
    const ValueId y = add(TensorDef{DType::kInt8, {1, kSize}, -1});
    made_.def.chain.push_back(
        {"et_vk.q8ta_linear.default",
         {x, scale, zero_point, constant(DType::kInt8, {kSize, kSize}),
          constant(DType::kInt32, {kSize}), constant(DType::kFloat32, {kSize}), scale, zero_point,
          add(Null{}), add(std::string("none")), y}});
    return y;
  }

  Program finish(ValueId x, ValueId y) {
    made_.def.inputs = {x};
    made_.def.outputs = {y};
    for (const auto& bytes : made_.bytes) {
      made_.def.constants.push_back({bytes.data(), bytes.size()});
    }
    return std::move(made_);
  }

 private:
  Program made_;
  std::mt19937_64 random_{1};
};

Program make_program(int64_t mib) {
  Builder builder;
  const ValueId x = builder.add(TensorDef{DType::kInt8, {1, kSize}, -1});
  ValueId y = x;
  for (int64_t made = 0; made < mib; made += kSize * kSize >> 20) {
    y = builder.layer(y);
  }
  return builder.finish(x, y);
}

// A line of /proc/self/status, in MiB; 0 where there is none.
double memory_mib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, name.size(), name) == 0) {
      return std::stod(line.substr(name.size())) / 1024.0;
    }
  }
  return 0.0;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace

void run_load_benchmark(Context& context, int64_t mib) {
  Program program = make_program(mib);
  size_t constant_bytes = 0;
  for (const auto& bytes : program.bytes) {
    constant_bytes += bytes.size();
  }
  forget_peak();
  const double before = memory_mib("VmRSS:");
  const auto begin = std::chrono::steady_clock::now();
  ComputeGraph graph(context, program.def, false);
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
  const double peak = memory_mib("VmHWM:");
  const double after = memory_mib("VmRSS:");
  const auto again = std::chrono::steady_clock::now();
  graph.run();
  const std::chrono::duration<double, std::milli> run = std::chrono::steady_clock::now() - again;
  std::printf("%s\n%.0f MiB of constants, %zu layers, loaded in %.0f ms; first execution %.1f ms\n",
              context.device.caps().name.c_str(), static_cast<double>(constant_bytes) / (1 << 20),
              program.def.chain.size(), taken.count(), run.count());
  std::printf(
      "host memory, MiB: %.0f with the program's bytes, %.0f more while it was loaded, %.0f "
      "more when it was\n",
      before, peak - before, after - before);
}

}  // namespace etvk::bench
